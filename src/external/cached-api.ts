/**
 * An external API whose answers to GET are kept and shared, within a project. Past its time an answer is asked for again with its ETag or
 * date, meanwhile given where it may be, and stands in where that fails and may. A call that changes something makes what was kept of the API old. What is too large to
 * keep, or is not to be kept, passes as it comes.
 */
import { createHash, hash } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import { boundedBy } from '#core/http-caching';
import type { AnswerCache, MakeContext, Wish } from '#contract/answer-cache';
import { EVERY_ANSWER, held, inProject, shared } from '#contract/answer-cache';
import type { ExternalAnswer, ExternalCall, ExternalStatus } from '#contract/external';
import type { CacheFacts } from '#contract/gateway';
import { abortError } from '#contract/gateway';
import type { ExternalApi, ExternalParts, Opened } from './api.ts';
import type { Keepable, Kept } from './cacheable.ts';
import { isKnown, keepable, renewed } from './cacheable.ts';
import { requestHeaders } from './headers.ts';
import type { ExternalSettings } from './settings.ts';
import { fixedHeaders } from './settings.ts';

/** Of `Kept`, in the key: what another version of the hub keeps in another is not read. */
const FORM = 2;
/** In base64 still an entry that memory takes. */
const KEPT_BYTES_MAX = 700_000;
/** Past its time it is kept for so long, at the least, to be asked after. */
const ASKED_AFTER_MS = 86_400_000;
/** Conditions that are the API's to judge, and bodies, which GET is refused for. */
const PASSED_BY = ['if-match', 'if-unmodified-since', 'transfer-encoding'];
/** Conditions that are judged here: the whole is asked for, for all who share it. */
const OWN_CONDITIONS = ['if-none-match', 'if-modified-since'];

type CacheSettings = NonNullable<ExternalSettings['cache']>;

interface Asked {
  readonly call: ExternalCall;
  readonly wish: Wish;
  /** The key as callers see it. */
  readonly name: string;
}

type Life = NonNullable<ReturnType<AnswerCache['life']>>;

/** What a shared call ends with besides an answer that is kept. */
type Ended =
  | Kept
  /** Too large, or not to be kept: each asks for himself. */
  | { readonly alone: true }
  | { readonly failed: unknown }
  | { readonly stale: Kept; readonly life: Life };

interface Made {
  readonly ended: Ended;
  /** What passes to the caller who asked, and to nobody else. */
  readonly own?: ExternalAnswer;
}

export class CachedApi {
  readonly status: ExternalStatus;
  readonly #api: ExternalApi;
  readonly #cache: AnswerCache;
  readonly #settings: CacheSettings;
  readonly #breakers: ExternalParts['breakers'];
  readonly #clock: ExternalParts['clock'];
  readonly #crossing: (headers: ExternalCall['headers']) => string[];
  /** Another address or account is another API; so is one of which less may be asked or seen now. */
  readonly #target: string;

  constructor(
    api: ExternalApi,
    settings: ExternalSettings,
    cache: CacheSettings,
    { answers, breakers, clock }: Pick<ExternalParts, 'breakers' | 'clock'> & { readonly answers: AnswerCache },
  ) {
    this.status = api.status;
    this.#api = api;
    this.#cache = answers;
    this.#settings = cache;
    this.#breakers = breakers;
    this.#clock = clock;
    const fixed = fixedHeaders(settings);
    this.#crossing = (headers) => requestHeaders(headers, settings.requestHeaders, fixed);
    const { baseUrl, methods, paths, responseHeaders } = settings;
    this.#target = digest([api.status.name, baseUrl, methods, paths, responseHeaders, [...fixed]]);
  }

  async call(call: ExternalCall): Promise<ExternalAnswer> {
    const { method, headers, cache } = call;
    if (method !== 'GET' && method !== 'HEAD') return this.#act(call);
    const hasBody = (headers['content-length'] ?? '0') !== '0';
    if (method === 'HEAD' || hasBody || cache?.use === false || PASSED_BY.some((name) => name in headers))
      return this.#api.call(call);
    const asked = this.#asked(call);
    const kept = await held<Kept>(this.#cache, asked.wish);
    return kept === undefined ? this.#share(asked) : this.#answer(asked, kept, 'hit');
  }

  close(): Promise<void> {
    return this.#api.close();
  }

  /** RFC 9111, 4.4, and more: what a call changed may show in any answer of the API. */
  async #act(call: ExternalCall): Promise<ExternalAnswer> {
    const answer = await this.#api.call(call);
    if (answer.status < 400) await this.#cache.expireTag(this.#tag(call));
    return answer;
  }

  async #share(asked: Asked): Promise<ExternalAnswer> {
    const { call, wish } = asked;
    const making: Made[] = [];
    let follows = false;
    let waits = true;
    const make = async (context: MakeContext): Promise<Ended> => {
      const made = await this.#make(asked, context);
      // He has left, or has an older copy: what nobody reads would hold a call of the API.
      if (waits) making.push(made);
      else await made.own?.body.return?.();
      return made.ended;
    };
    const { ttlMs, staleOnErrorMs } = this.#settings;
    const { caller, signal } = call;
    const options = {
      ttlMs,
      staleOnErrorMs: Math.max(staleOnErrorMs, ASKED_AFTER_MS),
      tags: [inProject(caller.projectId, EVERY_ANSWER), this.#tag(call)],
      signal,
      onProgress: () => (follows = true),
    };
    const got = async (ended?: Ended): Promise<Made | undefined> => {
      waits = false;
      for (const made of making) if (made.ended !== ended) await made.own?.body.return?.();
      return making.find((made) => made.ended === ended);
    };
    const ended = await shared<Ended>(this.#cache, wish, make, options).catch(async (thrown: unknown) => {
      await got();
      // Where nobody left, the cache was closed.
      throw signal.aborted ? thrown : abortError(AbortSignal.abort(thrown));
    });
    const made = await got(ended);
    if ('failed' in ended) throw ended.failed;
    if ('alone' in ended) return made?.own ?? this.#api.call(call);
    if ('stale' in ended) return this.#answer(asked, ended.stale, 'stale', ended.life);
    return this.#answer(asked, ended, made !== undefined ? 'miss' : follows ? 'shared' : 'hit');
  }

  async #make({ call, wish }: Asked, context: MakeContext): Promise<Made> {
    const stale = context.stale as { readonly value: Kept; readonly ageMs: number } | undefined;
    const standIn = (): Ended | undefined => {
      if (stale === undefined || context.signal.aborted) return undefined;
      const { ttlMs, staleOnErrorMs } = stale.value;
      const life = this.#cache.life(wish.key) ?? { ageMs: stale.ageMs, ttlMs: ttlMs - stale.ageMs };
      const coverMs = boundedBy(this.#settings.staleOnErrorMs, staleOnErrorMs);
      const covers = coverMs > 0 && life.ttlMs + coverMs >= 0;
      return covers ? { stale: stale.value, life } : undefined;
    };
    try {
      const opened = await this.#api.call({
        ...call,
        headers: conditional(call.headers, stale?.value),
        // None is let through to here, and its caller may be answered already.
        body: async () => Buffer.alloc(0),
        signal: context.signal,
      });
      const head = { status: opened.status, headers: opened.given };
      if (opened.status === 304 && stale !== undefined) {
        await opened.body.return?.();
        const { value } = stale;
        const may = renewed(value, head, this.#settings.ttlMs, this.#clock.wallMs());
        this.#keepFor(context, may);
        // RFC 9111, 3.2: what it says anew of the answer stands in place of what was said before.
        const [{ age: _, ...before }, { 'content-length': __, ...anew }] = [value.headers, opened.headers];
        return { ended: { ...value, headers: { ...before, ...anew }, ...wordOf(may) } };
      }
      const throttled = opened.status === 408 || opened.status === 429;
      const insteadOf = throttled ? standIn() : undefined;
      if (insteadOf !== undefined) {
        await opened.body.return?.();
        context.skip();
        return { ended: insteadOf };
      }
      const may = keepable(head, this.#settings.ttlMs, this.#clock.wallMs());
      const read = may === null ? { rest: opened.body, bytes: Buffer.alloc(0) } : await readUpTo(opened.body);
      if (may === null || read.rest !== undefined) {
        context.skip();
        // It has another answer now: the older one is not to come back in its place, whatever fails later.
        if (stale !== undefined && !throttled) await this.#cache.delete(wish.key);
        return { ended: { alone: true }, own: { ...opened, body: resumed(read.bytes, read.rest ?? opened.body) } };
      }
      this.#keepFor(context, may);
      return { ended: keptOf(opened, read.bytes, may) };
    } catch (thrown) {
      context.skip();
      return { ended: standIn() ?? { failed: thrown } };
    }
  }

  #keepFor(context: MakeContext, { ttlMs, swrMs, ageMs }: Keepable): void {
    context.setTtl({ ttlMs, swrMs: boundedBy(this.#settings.swrMs, swrMs) });
    context.setAge(ageMs);
  }

  #asked(call: ExternalCall): Asked {
    const { caller, target, headers, cache } = call;
    const { projectId } = caller;
    const crossing = this.#crossing(without(headers, OWN_CONDITIONS));
    const name = `external:${digest([FORM, this.#target, projectId, target, crossing])}`;
    const { anew = false, ageMsMax = Number.POSITIVE_INFINITY, onlyKept = false } = cache ?? {};
    return { call, name, wish: { key: inProject(projectId, name), anew, ageMsMax, onlyKept } };
  }

  #tag({ caller }: ExternalCall): string {
    return inProject(caller.projectId, `external:${this.status.name}`);
  }

  #answer({ call, name, wish }: Asked, kept: Kept, status: CacheFacts['status'], past?: Life): ExternalAnswer {
    const made = { ageMs: 0, ttlMs: kept.ttlMs };
    const life = past ?? (status === 'hit' ? this.#cache.life(wish.key) : undefined) ?? made;
    const bytes = Buffer.from(kept.text, kept.encoding);
    const known = isKnown(call.headers, kept.headers);
    const { 'content-length': _, ...unchanged } = kept.headers;
    return {
      status: known ? 304 : kept.status,
      headers: known ? unchanged : { ...kept.headers, 'content-length': String(bytes.length) },
      attempts: status === 'miss' ? 1 : 0,
      breaker: this.#breakers.get(this.status.breaker).state.kind,
      body: resumed(known ? Buffer.alloc(0) : bytes, undefined),
      whole: { bytes, digest: kept.digest },
      cache: { status, key: name, ...life },
    };
  }
}

function keptOf({ status, headers }: Opened, bytes: Buffer, may: Keepable): Kept {
  const encoding = isUtf8(bytes) ? 'utf8' : 'base64';
  const kept = { text: bytes.toString(encoding), encoding, digest: hash('sha256', bytes, 'base64url') } as const;
  return { status, headers, ...kept, ...wordOf(may) };
}

function wordOf({ ttlMs, swrMs, staleOnErrorMs }: Keepable): Omit<Keepable, 'ageMs'> {
  return { ttlMs, swrMs, staleOnErrorMs };
}

/** The caller's conditions in exchange for those of what is kept. */
function conditional(headers: ExternalCall['headers'], kept: Kept | undefined): ExternalCall['headers'] {
  const { etag, 'last-modified': modified } = kept?.headers ?? {};
  return {
    ...without(headers, OWN_CONDITIONS),
    ...(typeof etag === 'string' && { 'if-none-match': etag }),
    ...(typeof modified === 'string' && { 'if-modified-since': modified }),
  };
}

function without(headers: ExternalCall['headers'], names: readonly string[]): ExternalCall['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)));
}

/** The whole, or what was read of it and the rest. */
async function readUpTo(body: ExternalAnswer['body']): Promise<{ bytes: Buffer; rest?: ExternalAnswer['body'] }> {
  const parts: Uint8Array[] = [];
  let count = 0;
  for (let next = await body.next(); next.done !== true; next = await body.next()) {
    parts.push(next.value);
    count += next.value.length;
    if (count > KEPT_BYTES_MAX) return { bytes: Buffer.concat(parts), rest: body };
  }
  return { bytes: Buffer.concat(parts) };
}

/** Not a generator: one that was never begun would end nothing. */
function resumed(bytes: Buffer, rest: ExternalAnswer['body'] | undefined): ExternalAnswer['body'] {
  let first = bytes.length > 0;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next() {
      if (!first) return rest?.next() ?? Promise.resolve({ done: true, value: undefined });
      first = false;
      return Promise.resolve({ done: false, value: bytes });
    },
    return() {
      first = false;
      return rest?.return?.() ?? Promise.resolve({ done: true, value: undefined });
    },
  };
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url');
}
