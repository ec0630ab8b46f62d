/**
 * The `external` section: other HTTP APIs by name. What is written here is all that decides where a call goes and what it carries
 * besides its body: no caller can choose a host, a credential or a header that is not on the lists.
 */
import { Type } from 'typebox';
import { Secret } from '#core/secret';
import { escapePointer } from './file.ts';

const strict = { additionalProperties: false };
const integer = (minimum: number, maximum: number, initial: number, description: string) =>
  Type.Integer({ minimum, maximum, default: initial, description });
const own = (minimum: number, maximum: number, description: string) =>
  Type.Optional(Type.Integer({ minimum, maximum, description }));

export const EXTERNAL_METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
export type ExternalMethod = (typeof EXTERNAL_METHODS)[number];

/** How a message travels (RFC 9110, 7.6.1) is for each connection alone to say. */
const FRAMING = 'host|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|content-length';
/** Whose a message is, who sent it, how it is coded and kept: the hub's to say, and no list can pass it on. */
const RESERVED =
  `${FRAMING}|content-encoding|accept-encoding|range|if-range|cookie2?|set-cookie2?|authorization|www-authenticate|x-api-key|` +
  'forwarded|via|proxy-.*|x-forwarded-.*|x-real-ip|x-revoagent-.*|x-request-id|traceparent|tracestate|cache-control|' +
  'content-security-policy|access-control-.*';
const HEADER_NAME = "[!#$%&'*+.^_`|~0-9a-z-]+";

const headerNames = (description: string) =>
  Type.Array(
    Type.String({
      pattern: `^(?!(${RESERVED})$)${HEADER_NAME}$`,
      description:
        'A header name in small letters; not one that the hub decides on, such as host, cookie or authorization.',
    }),
    { default: [], description },
  );

const credentials = Type.Object(
  {
    bearer: Type.Optional(
      Type.String({ minLength: 1, secret: true, description: 'Sent as `Authorization: Bearer …`.' }),
    ),
    basic: Type.Optional(
      Type.Object(
        {
          username: Type.String({ pattern: '^[^:]*$', description: 'Without a colon.' }),
          password: Type.String({ secret: true, description: 'The password, or the token that stands for one.' }),
        },
        { ...strict, description: 'Sent as `Authorization: Basic …`.' },
      ),
    ),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.String({ secret: true }), {
        description: 'Secrets sent under headers of the API’s own, as in `X-Api-Key`.',
      }),
    ),
  },
  { ...strict, description: 'What the hub proves itself with. Never shown to a caller.' },
);

const retry = Type.Object(
  {
    retries: integer(0, 3, 2, 'Further attempts of GET, HEAD, PUT and DELETE. POST and PATCH are sent once.'),
    baseMs: integer(0, 60_000, 100, 'The first wait is drawn from 0 to this; each next doubles it. Milliseconds.'),
    maxMs: integer(0, 60_000, 2_000, 'The longest wait, also of those that the API asks for. Milliseconds.'),
  },
  { ...strict, description: 'Retries of what may be repeated.' },
);

const breaker = Type.Object(
  {
    failures: own(1, 1_000, 'Failures within the window that open the circuit.'),
    windowMs: own(1_000, 3_600_000, 'The sliding window. Milliseconds.'),
    openMs: own(10, 3_600_000, 'How long the circuit stays open at first. Milliseconds.'),
    openMsMax: own(10, 86_400_000, 'The longest it stays open. Milliseconds.'),
  },
  { ...strict, description: 'Other settings than those of resilience.breaker.' },
);

const DAY_MS = 86_400_000;
const cache = Type.Object(
  {
    ttlMs: integer(
      0,
      30 * DAY_MS,
      60_000,
      'How long an answer is fresh, where the API says no less; then it is asked whether it changed. Milliseconds.',
    ),
    swrMs: integer(
      0,
      30 * DAY_MS,
      0,
      'After that, for how long it is given at once while the API is asked behind its caller, where the API says no less ' +
        '(stale-while-revalidate). 0: he waits. Milliseconds.',
    ),
    staleOnErrorMs: integer(
      0,
      30 * DAY_MS,
      0,
      'How much longer it stands in, marked as stale, where the API fails and says no less (stale-if-error). Milliseconds.',
    ),
  },
  {
    ...strict,
    description:
      'Answers to GET are kept, and identical calls that are under way at the same time share one, within a project. An empty object takes the defaults.',
  },
);

/** One API. */
export const externalSchema = Type.Object(
  {
    baseUrl: Type.String({
      pattern: '^https?://[^@?#\\s\\\\]+$',
      description:
        'Where the API is: scheme, host and, where it has one, the path before all others. No credentials, no query. ' +
        'An address in place of a name may be private: it was written on purpose.',
    }),
    credentials: Type.Optional(credentials),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.String({ description: 'Its value.' }), {
        description: 'Headers of every call that are no secret, such as an API version; a caller cannot replace them.',
      }),
    ),
    methods: Type.Array(Type.Enum(EXTERNAL_METHODS), {
      minItems: 1,
      default: ['GET'],
      description:
        'Methods that callers may use; GET includes HEAD. Reading alone by default: what changes things is written down.',
    }),
    paths: Type.Array(
      Type.String({
        pattern: '^(?=/)(/(\\*|[^/*?#%\\s\\\\]+))*(/(\\*\\*)?)?$',
        description: 'A path under baseUrl: `*` is one part of it, `/**` at the end is all that follows.',
      }),
      { minItems: 1, default: ['/**'], description: 'Paths under baseUrl that callers may ask for.' },
    ),
    requestHeaders: headerNames(
      'Headers of a caller that are passed on, besides accept, accept-language, content-encoding, content-type, idempotency-key, if-match, ' +
        'if-modified-since, if-none-match, if-unmodified-since and prefer.',
    ),
    responseHeaders: headerNames(
      'Headers of an answer that are passed on, besides age, allow, content-disposition, content-language, content-type, ' +
        'deprecation, etag, last-modified, link, location, ratelimit*, retry-after, sunset and x-ratelimit-*.',
    ),
    allowPrivate: Type.Boolean({
      default: false,
      description: 'Whether the name in baseUrl may resolve to a private, loopback or link-local address.',
    }),
    timeoutMs: integer(
      1,
      3_600_000,
      10_000,
      'Of one attempt until the head of its answer, and then until each next part of the body. Milliseconds.',
    ),
    deadlineMs: integer(
      1,
      86_400_000,
      60_000,
      'The whole call, over all attempts, to the last byte that the caller reads. Milliseconds.',
    ),
    concurrentMax: integer(1, 10_000, 50, 'Calls at the same time; one more is told to come back.'),
    requestBytesMax: integer(0, 1_073_741_824, 1_048_576, 'Largest request body, in bytes.'),
    responseBytesMax: integer(1, 1_099_511_627_776, 67_108_864, 'Largest answer, in bytes.'),
    retry,
    breaker: Type.Optional(breaker),
    cache: Type.Optional(cache),
  },
  { ...strict, description: 'Other HTTP APIs by name, called as `/api/external/<name>/…`.' },
);

export interface ExternalConfig {
  readonly baseUrl: string;
  readonly credentials?: {
    readonly bearer?: Secret;
    readonly basic?: { readonly username: string; readonly password: Secret };
    readonly headers?: Readonly<Record<string, Secret>>;
  };
  readonly headers?: Readonly<Record<string, string>>;
  readonly methods: readonly ExternalMethod[];
  readonly paths: readonly string[];
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  readonly allowPrivate: boolean;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
  readonly concurrentMax: number;
  readonly requestBytesMax: number;
  readonly responseBytesMax: number;
  readonly retry: { readonly retries: number; readonly baseMs: number; readonly maxMs: number };
  readonly breaker?: {
    readonly failures?: number;
    readonly windowMs?: number;
    readonly openMs?: number;
    readonly openMsMax?: number;
  };
  readonly cache?: { readonly ttlMs: number; readonly swrMs: number; readonly staleOnErrorMs: number };
}

/** What the schema cannot say, as pointers below the entry. */
export function* externalProblems({ baseUrl, headers: plain = {}, ...rest }: ExternalConfig): Generator<Found> {
  const { bearer, basic, headers: secret = {} } = rest.credentials ?? {};
  if (!URL.canParse(baseUrl)) yield ['/baseUrl', 'is no address'];
  const authorizations = Object.keys(secret).filter((name) => name.toLowerCase() === 'authorization').length;
  if (Number(bearer !== undefined) + Number(basic !== undefined) + authorizations > 1)
    yield ['/credentials', 'names more than one authorization: keep one of bearer, basic and a header'];
  if (bearer !== undefined && !isSendable(bearer)) yield ['/credentials/bearer', NOT_SENDABLE];
  yield* headerProblems(secret, '/credentials/headers');
  yield* headerProblems(plain, '/headers');
  for (const name of Object.keys(plain))
    if (SECRET_NAME.test(name))
      yield [
        `/headers/${escapePointer(name)}`,
        'is a secret, and what stands here is shown: give it under credentials.headers',
      ];
}

const SECRET_NAME = /^((proxy-)?authorization|cookie|x-api-key|api-key)$/i;

type Found = [pointer: string, message: string];

/** `at`: where the headers are. Framing is for each connection to say. */
export function* headerProblems(headers: Readonly<Record<string, string | Secret>>, at: string): Generator<Found> {
  for (const [name, value] of Object.entries(headers)) {
    const pointer = `${at}/${escapePointer(name)}`;
    if (!GOOD_NAME.test(name)) yield [pointer, 'is no name of a header that may be set here'];
    if (!isSendable(value)) yield [pointer, NOT_SENDABLE];
  }
}

/** Of a provider's settings: all of its secrets are sent as headers. */
export function* secretProblems(settings: Readonly<Record<string, unknown>>, at = ''): Generator<Found> {
  for (const [name, value] of Object.entries(settings)) {
    const pointer = `${at}/${escapePointer(name)}`;
    if (value instanceof Secret) {
      if (!isSendable(value)) yield [pointer, NOT_SENDABLE];
    } else if (typeof value === 'object' && value !== null) yield* secretProblems({ ...value }, pointer);
  }
}

const GOOD_NAME = new RegExp(`^(?!(${FRAMING})$)${HEADER_NAME}$`, 'i');
const NOT_SENDABLE = 'holds a line end or another character that no header may hold';

/** A file's last line end, read into a variable, is the usual one. */
function isSendable(value: string | Secret): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(typeof value === 'string' ? value : value.reveal());
}
