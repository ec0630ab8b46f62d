/**
 * A cache of HTTP answers in front of a handler of `Request` and `Response` (RFC 9111): ETag, 304, Cache-Control, Age and Cache-Status
 * (RFC 9211). What a request forbids to keep is not kept, and what carries somebody's credentials only where `private` says whose it is.
 */
import { createHash } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import {
  boundedBy,
  deltaSeconds,
  directivesOf,
  freshMsOf,
  isEventStream,
  isUnchanged,
  staleWord,
} from '#core/http-caching';
import type { Clock } from '#core/clock';
import { Context } from './context.ts';
import type { FactoryContext } from './context.ts';
import { ENTRY_BYTES_MAX, fillOptions } from './options.ts';
import type { CallOptions, FillOptions } from './options.ts';
import { lifeMs } from './tier.ts';
import type { Lifetime } from './tier.ts';

export interface HttpOptions extends Omit<CallOptions, 'signal' | 'onProgress' | 'local'> {
  /** Names the answer. Default: the whole URL. What `vary` names and whose it is come to it. */
  readonly key?: (request: Request) => string;
  /** Request headers that the answer depends on. An answer whose own `Vary` names another is not kept. */
  readonly vary?: readonly string[];
  /** Whose answer it is, where it is somebody's: comes to the key. `null`: this one is not kept. */
  readonly private?: (request: Request) => string | null;
  /** In Cache-Status. Default "revoagent". */
  readonly name?: string;
}

export type HttpHandler = (request: Request, context: FactoryContext) => Response | Promise<Response>;

/** Answers from what is kept, or has the handler answer. Rejects with what the handler throws, where no copy stands in. */
export type HttpCache = (request: Request, handler: HttpHandler) => Promise<Response>;

/** What it needs of a cache. */
interface Keeps {
  getOrSet<T>(key: string, factory: (context: FactoryContext) => T | Promise<T>, options?: CallOptions): Promise<T>;
  life(key: string): { readonly ageMs: number; readonly ttlMs: number } | undefined;
  get(key: string): Promise<unknown>;
  expire(key: string): Promise<void>;
  delete(key: string): Promise<void>;
  deleteTag(tag: string): Promise<void>;
}

interface Kept {
  readonly status: number;
  readonly headers: [name: string, value: string][];
  /** Bytes that are no UTF-8 in base64. */
  readonly text: string;
  readonly encoding: 'utf8' | 'base64';
}

/** A factory's answer that is not to be kept, and is its caller's alone. */
interface Alone {
  readonly alone: true;
}

/** One call of a handler, as those who wait for it hear of it. */
interface Making {
  over?: true;
  made?: Kept | Alone;
  stored?: boolean;
}

/** RFC 9110, 15.1: those that may be kept without being told to, of whole answers. */
const KEPT_STATUSES: readonly number[] = [200, 203, 301, 308, 404, 410];
const KEPT_METHODS: readonly string[] = ['GET', 'HEAD'];
/** Where callers say who they are: RFC 9111, 3.5, of what comes with `Authorization`, is as true of each. */
const CREDENTIALS: readonly string[] = [
  'authorization',
  'cookie',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'x-auth-token',
];
const SAFE: readonly string[] = ['GET', 'HEAD', 'OPTIONS', 'TRACE'];

export function createHttpCache(
  cache: Keeps,
  options: HttpOptions,
  { defaults, clock }: { readonly defaults: FillOptions; readonly clock: Clock },
): HttpCache {
  const answers = new HttpAnswers(cache, options, fillOptions(defaults, options), clock);
  return (request, handler) => answers.answer(request, handler);
}

class HttpAnswers {
  readonly #cache: Keeps;
  readonly #options: HttpOptions;
  readonly #fill: FillOptions;
  readonly #clock: Clock;
  readonly #name: string;

  constructor(cache: Keeps, options: HttpOptions, fill: FillOptions, clock: Clock) {
    this.#cache = cache;
    this.#clock = clock;
    this.#fill = fill;
    this.#options = options;
    this.#name = options.name ?? 'revoagent';
  }

  async answer(request: Request, handler: HttpHandler): Promise<Response> {
    const { method } = request;
    if (!SAFE.includes(method)) {
      const response = await this.#pass(request, handler, 'method');
      // RFC 9111, 4.4: every answer of the URL, in whatever language and whosever it is. No copy is left for a handler that is slow or fails.
      if (response.status < 400) await this.#cache.deleteTag(this.#tagOf(request));
      return response;
    }
    const key = this.#keyOf(request);
    const asked = directivesOf(request.headers.get('cache-control'));
    if (asked.has('only-if-cached')) return this.#kept(key, request, asked);
    if (asked.has('no-store')) return this.#pass(request, handler, 'request');
    if (key === null || !KEPT_METHODS.includes(method)) return this.#pass(request, handler, 'bypass');
    await this.#refuse(key, asked);
    return this.#keptOrMade(key, request, handler, asked);
  }

  /** For who wants nothing else (RFC 9111, 5.2.1.7): the handler is not asked, whatever else the request says. */
  async #kept(key: string | null, request: Request, asked: ReadonlyMap<string, string>): Promise<Response> {
    const none = asked.has('no-cache') || asked.has('no-store') || !KEPT_METHODS.includes(request.method);
    const found = none || key === null ? undefined : ((await this.#cache.get(key)) as Kept | undefined);
    if (key === null || found === undefined || this.#isOld(key, asked))
      return new Response(null, { status: 504, headers: { 'cache-status': `${this.#name}; fwd=miss` } });
    return answerOf(request, found, `${this.#name}; hit`, this.#cache.life(key));
  }

  async #keptOrMade(
    key: string,
    request: Request,
    handler: HttpHandler,
    asked: ReadonlyMap<string, string>,
    again = false,
  ): Promise<Response> {
    const own: Making = {};
    let making: Making | undefined;
    let response: Response | undefined;
    let waits = true;
    const factory = async (context: FactoryContext): Promise<Kept | Alone> => {
      context.progress(own);
      context.tag(this.#tagOf(request));
      // Not with the caller's own signal: others may wait when he has left.
      const whole = new Request(request, { method: 'GET', signal: context.signal });
      for (const condition of ['if-none-match', 'if-modified-since']) whole.headers.delete(condition);
      try {
        response = await handler(whole, context);
        own.made = await this.#keep(key, response, context);
      } finally {
        own.over = true;
      }
      // He has left, or has an older copy.
      if (!waits) await dropped(response, own.made);
      const { stored, lifetime } = Context.said(context);
      own.stored = stored && lifeMs(fillOptions(this.#fill, lifetime)) > 0;
      return own.made;
    };
    const onProgress = (progress: unknown): void => {
      making = progress as Making;
    };
    const options: CallOptions = { ...this.#options, signal: request.signal, onProgress };
    // Who wants no old copy gets none for the handler's being slow.
    const softTimeoutMs = this.#fill.hardTimeoutMs;
    const anew = asked.has('no-cache') || asked.has('max-age');
    const asking = this.#cache.getOrSet(key, factory, anew ? { ...options, softTimeoutMs } : options);
    const kept = await asking.catch(async (thrown: unknown) => {
      waits = false;
      await dropped(response, own.made);
      throw thrown;
    });
    waits = false;
    const led = kept === own.made;
    if ('alone' in kept) {
      if (!led || response === undefined) return this.#pass(request, handler, 'miss');
      const alone = withHeaders(response, { 'cache-status': `${this.#name}; fwd=miss` });
      if (request.method !== 'HEAD') return alone;
      // The handler was asked for the whole, to be kept.
      await alone.body?.cancel();
      return new Response(null, alone);
    }
    // What nobody made while this caller waited was kept, a copy too that stood in for what was being made.
    if (kept !== making?.made) {
      // One that is given while another is made is not for who wants no old one.
      const refused = !again && making?.over !== true && (asked.has('no-cache') || this.#isOld(key, asked));
      if (!refused) return answerOf(request, kept, `${this.#name}; hit`, this.#cache.life(key));
      await this.#cache.expire(key);
      return this.#keptOrMade(key, request, handler, asked, true);
    }
    const how = led ? (own.stored === true ? '; stored' : '') : '; collapsed';
    return answerOf(request, kept, `${this.#name}; fwd=miss${how}`, undefined);
  }

  /** Null where the request is nobody's to keep the answer of. */
  #keyOf(request: Request): string | null {
    const { vary = [], private: whoseOf } = this.#options;
    const whose = whoseOf === undefined ? '' : whoseOf(request);
    const theirs = CREDENTIALS.some((header) => request.headers.has(header));
    if (whose === null || (whoseOf === undefined && theirs)) return null;
    const varies = vary.map((header) => request.headers.get(header));
    return named([whose, this.#nameOf(request), varies]);
  }

  #tagOf(request: Request): string {
    return named([this.#nameOf(request)]);
  }

  #nameOf(request: Request): string {
    return this.#options.key?.(request) ?? request.url;
  }

  /** Makes old what the request does not take. */
  async #refuse(key: string, asked: ReadonlyMap<string, string>): Promise<void> {
    if (!asked.has('max-age') && !asked.has('no-cache')) return;
    const found = await this.#cache.get(key);
    if (found !== undefined && (asked.has('no-cache') || this.#isOld(key, asked))) await this.#cache.expire(key);
  }

  /** Whether it is older than the request takes. */
  #isOld(key: string, asked: ReadonlyMap<string, string>): boolean {
    const seconds = deltaSeconds(asked.get('max-age'));
    return seconds !== undefined && (this.#cache.life(key)?.ageMs ?? 0) > seconds * 1_000;
  }

  async #keep(key: string, response: Response, context: FactoryContext): Promise<Kept | Alone> {
    if (response.status >= 500 && context.stale !== undefined) {
      await response.body?.cancel();
      context.fail(`status ${response.status}`);
    }
    // What the handler said of its own, and no longer than the answer says.
    const wanted = fillOptions(this.#fill, Context.said(context).lifetime);
    const lifetime = lifetimeOf(response, this.#options, wanted, this.#clock.wallMs());
    const bytes = lifetime === null ? null : await bytesOf(response.clone());
    if (lifetime === null || bytes === null) {
      context.skip();
      // What is kept is not to come back in its place, whatever fails later. Who is told to wait is told nothing of it.
      const waits = response.status === 408 || response.status === 429;
      if (context.stale !== undefined && !waits) await this.#cache.delete(key);
      return { alone: true };
    }
    context.setTtl(lifetime);
    context.setAge((deltaSeconds(response.headers.get('age')) ?? 0) * 1_000);
    const encoding = isUtf8(bytes) ? 'utf8' : 'base64';
    const { vary = [], private: whoseOf } = this.#options;
    const headers = new Headers(response.headers);
    if (!headers.has('etag'))
      headers.set('etag', `W/"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`);
    if (!headers.has('cache-control')) {
      const reach = whoseOf === undefined ? 'public' : 'private';
      headers.set('cache-control', `${reach}, max-age=${Math.floor(lifetime.ttlMs / 1_000)}`);
    }
    for (const header of [...vary, ...(whoseOf === undefined ? [] : CREDENTIALS)]) headers.append('vary', header);
    return { status: response.status, headers: [...headers], text: bytes.toString(encoding), encoding };
  }

  async #pass(request: Request, handler: HttpHandler, why: string): Promise<Response> {
    const response = await handler(request, unkept(request.signal));
    return withHeaders(response, { 'cache-status': `${this.#name}; fwd=${why}` });
  }
}

function named(parts: readonly unknown[]): string {
  return `http:${createHash('sha256').update(JSON.stringify(parts)).digest('base64url')}`;
}

/** Ends the body of an answer that is its caller's alone where he does not take it: it would hold what it comes from. What is kept was read. */
async function dropped(response: Response | undefined, made: Kept | Alone | undefined): Promise<void> {
  if (made !== undefined && 'alone' in made) await response?.body?.cancel();
}

/** Null where it is larger than any tier takes: what was read of it waits in the answer that this is a copy of. */
async function bytesOf({ body }: Response): Promise<Buffer | null> {
  const reader: ReadableStreamDefaultReader<Uint8Array> | undefined = body?.getReader();
  const parts: Uint8Array[] = [];
  let count = 0;
  for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
    parts.push(part.value);
    count += part.value.length;
    if (count <= ENTRY_BYTES_MAX) continue;
    // Of two copies: it is done when the other is left, too.
    reader?.cancel().catch(() => undefined);
    return null;
  }
  return Buffer.concat(parts);
}

/** Null where it is not to be kept. */
function lifetimeOf(
  { status, headers }: Response,
  options: HttpOptions,
  { ttlMs: ttlMsMax, swrMs, staleOnErrorMs, jitter }: FillOptions,
  nowWallMs: number,
): Lifetime | null {
  const said = directivesOf(headers.get('cache-control'));
  const others = options.private === undefined && said.has('private');
  if (!KEPT_STATUSES.includes(status) || said.has('no-store') || others || headers.has('set-cookie')) return null;
  // It has no end that anybody waits for.
  if (isEventStream(headers.get('content-type'))) return null;
  const known = (options.vary ?? []).map((header) => header.toLowerCase());
  const varies = (headers.get('vary') ?? '').split(',').map((header) => header.trim().toLowerCase());
  // Bytes as they are suit everybody; an encoding does not.
  const suits = headers.has('content-encoding') ? [''] : ['', 'accept-encoding'];
  if (varies.some((header) => !suits.includes(header) && !known.includes(header))) return null;
  // What it says itself, no jitter is to lengthen.
  const own = (freshMsOf(said, (name) => headers.get(name), nowWallMs) ?? Number.POSITIVE_INFINITY) / (1 + jitter);
  const ttlMs = said.has('no-cache') ? 0 : Math.min(ttlMsMax, own);
  const word = staleWord(said);
  return {
    ttlMs,
    swrMs: boundedBy(swrMs, word.swrMs),
    staleOnErrorMs: boundedBy(staleOnErrorMs, word.staleOnErrorMs),
  };
}

function answerOf(
  request: Request,
  kept: Kept,
  status: string,
  life: { ageMs: number; ttlMs: number } | undefined,
): Response {
  const headers = new Headers(kept.headers);
  const ttl = life === undefined ? '' : `; ttl=${Math.floor(life.ttlMs / 1_000)}`;
  headers.set('cache-status', status + ttl);
  if (life !== undefined) headers.set('age', String(Math.floor(life.ageMs / 1_000)));
  const conditions = {
    ifNoneMatch: request.headers.get('if-none-match'),
    ifModifiedSince: request.headers.get('if-modified-since'),
  };
  const version = { etag: headers.get('etag') ?? undefined, lastModified: headers.get('last-modified') ?? undefined };
  if (kept.status === 200 && isUnchanged(conditions, version)) {
    for (const header of ['content-length', 'content-type']) headers.delete(header);
    return new Response(null, { status: 304, headers });
  }
  const body = request.method === 'HEAD' ? null : Buffer.from(kept.text, kept.encoding);
  return new Response(body, { status: kept.status, headers });
}

function withHeaders(response: Response, more: Readonly<Record<string, string>>): Response {
  const headers = new Headers(response.headers);
  for (const [header, value] of Object.entries(more)) headers.set(header, value);
  const { status, statusText, body } = response;
  return new Response(body, { status, statusText, headers });
}

/** For a handler whose answer is kept by nobody. */
function unkept(signal: AbortSignal): FactoryContext {
  const nothing = (): void => undefined;
  const never = (): never => {
    throw new TypeError('There is nothing kept that could be answered with');
  };
  return {
    signal,
    stale: undefined,
    tag: nothing,
    setTtl: nothing,
    setAge: nothing,
    progress: nothing,
    skip: nothing,
    negative: nothing,
    notModified: never,
    fail: (reason) => {
      throw new Error(reason);
    },
  };
}
