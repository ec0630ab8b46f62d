/**
 * An upstream that takes JSON by POST and answers with JSON or server-sent events, as every model provider does. Owns what is the same
 * for all of them: connections, headers and secrets, what a status other than 2xx says, a stream that is none, and that no error
 * quotes our credentials. What the JSON means is the provider kind's.
 */
import type { CancelSignal } from '#core/cancel';
import { limits } from '#core/limits';
import type { Clock } from '#core/clock';
import { Secret } from '#core/secret';
import { UpstreamFailure } from '#contract/provider';
import type { ProviderCall, ProviderErrorBody } from '#contract/provider';
import { createConnections } from '#exchange/connections';
import type { Connections, Exchange } from '#exchange/connections';
import { retryAfterMs } from '#exchange/retry-after';

export const CONNECTIONS_DEFAULT = 512;

export interface UpstreamParts {
  /** Up to the version. Its query, if any, goes with every request. */
  readonly baseUrl: string;
  /** Sent with every request, names in small letters; a `Secret` never shows in an error. */
  readonly headers: Readonly<Record<string, string | Secret>>;
  readonly maxConnections: number | undefined;
  readonly clock: Clock;
  /** The error that a body holds, in the shape in which this kind of upstream writes one. */
  readonly parseError: (bytes: Buffer) => ReadError | undefined;
}

/** An upstream's error, and what its body says better than the status and the headers do. */
export interface ReadError extends ProviderErrorBody {
  /** In place of the HTTP status, where that would lay the fault at the wrong door. */
  readonly status?: number;
  readonly retryAfterMs?: number;
}

type Sent = Pick<ProviderCall, 'signal' | 'traceparent' | 'onConnected'>;

export class JsonUpstream {
  /** Safe to show. */
  readonly address: string;
  readonly #connections: Connections;
  readonly #clock: Clock;
  readonly #path: string;
  readonly #query: string;
  readonly #headers: readonly string[];
  readonly #secrets: readonly string[];
  readonly #parseError: UpstreamParts['parseError'];

  /** Opens no connection. */
  constructor(parts: UpstreamParts) {
    const url = new URL(parts.baseUrl);
    this.address = url.origin + url.pathname;
    this.#connections = createConnections(url.origin, parts.maxConnections ?? CONNECTIONS_DEFAULT, parts.clock);
    this.#clock = parts.clock;
    this.#path = url.pathname.replace(/\/+$/, '');
    this.#query = url.search;
    this.#headers = headerList(parts.headers);
    this.#secrets = secretsIn(parts.headers);
    this.#parseError = parts.parseError;
  }

  /**
   * Resolves with a 2xx response whose body has not been read. Throws `UpstreamFailure` on any other, or the signal's reason. `more`:
   * headers of this request, names and values by turns.
   */
  async post(
    path: string,
    body: string,
    { signal, traceparent, onConnected }: Sent,
    more: readonly string[] = [],
  ): Promise<Exchange> {
    const headers = [...this.#headers, ...more];
    if (traceparent !== undefined) headers.push('traceparent', traceparent);
    const exchange = await this.#connections.open({
      method: 'POST',
      path: this.#at(path),
      headers,
      body,
      signal,
      onConnected,
    });
    const encoding = exchange.headers['content-encoding'];
    if (exchange.status < 200 || exchange.status > 299) throw await this.#refusal(exchange);
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
      exchange.destroy();
      throw new UpstreamFailure('malformed', 'The upstream compressed its answer, which it was not asked to do.', {
        status: exchange.status,
      });
    }
    return exchange;
  }

  /** As `post`, for a response that has to be a stream of events: errors inside a 200 come as plain JSON from servers that fail early. */
  async postForEvents(path: string, body: string, sent: Sent, more: readonly string[] = []): Promise<Exchange> {
    const exchange = await this.post(path, body, sent, more);
    const type = exchange.headers['content-type'];
    if (type === undefined || type.toLowerCase().startsWith('text/event-stream')) return exchange;
    const error = this.#scrub(this.#parseError(await exchange.readSome(limits.errorBodyBytesMax)));
    const { status } = exchange;
    if (error !== undefined)
      throw new UpstreamFailure('reported', 'The upstream reported an error inside a 200.', { status, body: error });
    throw new UpstreamFailure('malformed', `The upstream answered a stream with ${type.slice(0, 100)}.`, { status });
  }

  /** The whole body of a 200. */
  async get(path: string, signal: CancelSignal): Promise<Buffer> {
    const exchange = await this.#connections.open({
      method: 'GET',
      path: this.#at(path),
      headers: [...this.#headers],
      body: null,
      signal,
    });
    if (exchange.status !== 200) throw await this.#refusal(exchange);
    return exchange.readAll(limits.answerBytesMax);
  }

  /** Runs a read of the upstream's words; an error that quotes our credentials is passed on without them. */
  clean<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      const body = error instanceof UpstreamFailure ? this.#scrub(error.body) : undefined;
      if (!(error instanceof UpstreamFailure) || body === undefined) throw error;
      const status = error.status === undefined ? {} : { status: error.status };
      throw new UpstreamFailure(error.kind, error.message, { ...status, body });
    }
  }

  close(): Promise<void> {
    return this.#connections.close();
  }

  /** The path may carry a query of its own. */
  #at(path: string): string {
    if (this.#query === '') return this.#path + path;
    return `${this.#path}${path}${path.includes('?') ? this.#query.replace('?', '&') : this.#query}`;
  }

  async #refusal(exchange: Exchange): Promise<UpstreamFailure> {
    const { status, headers } = exchange;
    let bytes: Buffer;
    try {
      bytes = await exchange.readSome(limits.errorBodyBytesMax);
    } catch (error) {
      // The status is known, and says more than that its explanation did not arrive.
      if (!(error instanceof UpstreamFailure)) throw error;
      bytes = Buffer.alloc(0);
    }
    const read = this.#parseError(bytes);
    const wait = retryAfterMs(headers, this.#clock.wallMs()) ?? read?.retryAfterMs;
    const body = this.#scrub(read);
    return new UpstreamFailure('status', `The upstream answered with status ${status}.`, {
      status: read?.status ?? status,
      ...(wait === undefined ? {} : { retryAfterMs: wait }),
      ...(body === undefined ? {} : { body }),
    });
  }

  #scrub(body: ProviderErrorBody | undefined): ProviderErrorBody | undefined {
    if (body === undefined) return undefined;
    const without = (text: string | undefined): string | undefined =>
      this.#secrets.reduce((rest, secret) => rest?.replaceAll(secret, '[redacted]'), text);
    const { message, type, code, param } = body;
    return { message: without(message) ?? '', type: without(type), code: without(code), param: without(param) };
  }
}

/** A key as the configuration wraps it; a program that uses a provider alone may pass text. `prefix`: as in `Bearer `. */
export function secretHeader(value: string | Secret, prefix = ''): Secret {
  return new Secret(prefix + (value instanceof Secret ? value.reveal() : value));
}

function headerList(headers: UpstreamParts['headers']): string[] {
  const list = ['content-type', 'application/json', 'user-agent', 'revoagent'];
  // Who says nothing of it accepts any encoding (RFC 9110, 12.5.3).
  list.push('accept-encoding', 'identity');
  for (const [name, value] of Object.entries(headers)) list.push(name.toLowerCase(), reveal(value));
  return list;
}

/** Too short to be a secret, and likely to be a part of an innocent word. */
const SECRET_CHARS_MIN = 8;

/** What follows a scheme (`Bearer `) is the secret: an error quotes the key, not the header. */
function secretsIn(headers: UpstreamParts['headers']): string[] {
  return Object.values(headers)
    .filter((value) => value instanceof Secret)
    .map((value) => reveal(value).replace(/^(Bearer|Basic) /, ''))
    .filter((value) => value.length >= SECRET_CHARS_MIN);
}

function reveal(value: string | Secret): string {
  return value instanceof Secret ? value.reveal() : value;
}
