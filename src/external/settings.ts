/** What one external API may be told; `external.<name>` of the configuration has this shape. Durations are in milliseconds. */
import type { Secret } from '#core/secret';
import type { BreakerOptions } from '#resilience/index';

export interface ExternalSettings {
  readonly baseUrl: string;
  readonly credentials?: Credentials;
  /** Sent with every call; no secrets. */
  readonly headers?: Readonly<Record<string, string>>;
  /** GET includes HEAD. */
  readonly methods: readonly string[];
  readonly paths: readonly string[];
  /** Further names, in small letters, that cross. */
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  readonly allowPrivate: boolean;
  /** Of an attempt until the head of its answer; then until each next part. */
  readonly timeoutMs: number;
  /** To the last byte that the caller reads, over all attempts. */
  readonly deadlineMs: number;
  readonly concurrentMax: number;
  readonly requestBytesMax: number;
  readonly responseBytesMax: number;
  readonly retry: { readonly retries: number; readonly baseMs: number; readonly maxMs: number };
  readonly breaker?: Partial<BreakerOptions>;
  /** Answers to GET are kept and shared within a project. */
  readonly cache?: { readonly ttlMs: number; readonly swrMs: number; readonly staleOnErrorMs: number };
}

interface Credentials {
  readonly bearer?: Secret;
  readonly basic?: { readonly username: string; readonly password: Secret };
  readonly headers?: Readonly<Record<string, Secret>>;
}

/** By name in small letters: what every call carries, whatever its caller sends. */
export function fixedHeaders({ credentials = {}, headers = {} }: ExternalSettings): Map<string, string> {
  const { bearer, basic, headers: secret = {} } = credentials;
  // What comes compressed could not be looked through for credentials.
  const fixed = new Map([['user-agent', 'revoagent']]);
  for (const [name, value] of Object.entries(headers)) fixed.set(name.toLowerCase(), value);
  for (const [name, value] of Object.entries(secret)) fixed.set(name.toLowerCase(), value.reveal());
  if (bearer !== undefined) fixed.set('authorization', `Bearer ${bearer.reveal()}`);
  if (basic !== undefined) fixed.set('authorization', `Basic ${encoded(basic)}`);
  return fixed.set('accept-encoding', 'identity');
}

/** Whatever of the above a caller must not see. */
export function secretsOf({ credentials: { bearer, basic, headers = {} } = {} }: ExternalSettings): string[] {
  const plain = [...Object.values(headers), bearer, basic?.password].flatMap((one) => one?.reveal() ?? []);
  // `Token abc` in a header of its own: an answer may show the token alone.
  const parts = plain.flatMap((value) => [value, ...value.split(' ')]);
  return basic === undefined ? parts : [...parts, encoded(basic)];
}

function encoded({ username, password }: NonNullable<Credentials['basic']>): string {
  return Buffer.from(`${username}:${password.reveal()}`).toString('base64');
}
