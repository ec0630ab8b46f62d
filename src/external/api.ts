/**
 * One external API: its connections, its circuit, its bounds, and every call from the caller's request to the last byte of the answer.
 * Only baseUrl says where a call goes. Follows no redirect, repeats nothing that may act twice, gathers no answer.
 */
import type { Clock } from '#core/clock';
import { CallerError, InvariantError } from '#core/errors';
import type { Random } from '#core/random';
import { notCached } from '#contract/answer-cache';
import type { ExternalAnswer, ExternalCall, ExternalStatus } from '#contract/external';
import { externalPath } from '#contract/external';
import type { Observer } from '#contract/observer';
import { createConnections } from '#exchange/connections';
import type { Connections, ExchangeRequest } from '#exchange/connections';
import { publicLookup } from '#exchange/public-lookup';
import { Bulkhead, pipeline, RetryBudget } from '#resilience/index';
import type { Breaker, BreakerRegistry, CallContext, Pipeline } from '#resilience/index';
import { attempt } from './attempt.ts';
import type { Part } from './attempt.ts';
import { AnswerBody } from './body.ts';
import { Deadline } from './deadline.ts';
import { errorFor, RefusedError, verdictOf } from './failures.ts';
import type { Head, Place } from './headers.ts';
import { requestHeaders, responseHeaders } from './headers.ts';
import { Mask } from './mask.ts';
import type { ExternalSettings } from './settings.ts';
import { fixedHeaders, secretsOf } from './settings.ts';
import { checkedTarget, pathMatcher } from './target.ts';

export interface ExternalParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly breakers: Pick<BreakerRegistry, 'get'>;
  readonly observer: Pick<Observer, 'externalFinished'>;
  /** Repeats allowed as a share of calls; each API has a budget of its own. */
  readonly retryRatio: number;
}

export interface Opened extends ExternalAnswer {
  /** Also those that do not pass. */
  readonly given: Head['headers'];
}

type Method = ExchangeRequest['method'];
type Sent = Omit<ExchangeRequest, 'signal'>;

/** For one breaker: a registry may forget an idle one and make it anew. */
interface Pipelines {
  readonly breaker: Breaker;
  readonly repeating: Pipeline<never>;
  readonly once: Pipeline<never>;
}

/** RFC 9110, 9.2.2: doing them twice is as good as once. */
const REPEATABLE: ReadonlySet<Method> = new Set<Method>(['GET', 'HEAD', 'PUT', 'DELETE']);
const METHODS: readonly Method[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

export class ExternalApi {
  readonly status: ExternalStatus;
  readonly #settings: ExternalSettings;
  readonly #parts: ExternalParts;
  readonly #place: Place;
  readonly #connections: Connections;
  readonly #allows: (path: string) => boolean;
  readonly #methods: readonly Method[];
  readonly #fixed: ReadonlyMap<string, string>;
  readonly #mask: Mask;
  readonly #bulkhead: Bulkhead;
  readonly #budget: RetryBudget;
  #pipelines: Pipelines | undefined;

  /** Opens no connection. */
  constructor(name: string, settings: ExternalSettings, parts: ExternalParts) {
    const base = new URL(settings.baseUrl);
    const { methods, paths, concurrentMax, allowPrivate } = settings;
    const { clock, retryRatio: ratio } = parts;
    this.#settings = settings;
    this.#parts = parts;
    this.#place = { origin: base.origin, path: base.pathname.replace(/\/+$/, ''), shownAt: externalPath(name) };
    this.#connections = createConnections(base.origin, concurrentMax, clock, allowPrivate ? undefined : publicLookup());
    this.#allows = pathMatcher(paths);
    this.#methods = METHODS.filter((method) => methods.includes(method === 'HEAD' ? 'GET' : method));
    this.#fixed = fixedHeaders(settings);
    this.#mask = new Mask(secretsOf(settings));
    this.#bulkhead = new Bulkhead({ clock, concurrent: concurrentMax });
    this.#budget = new RetryBudget({ clock, ratio });
    this.status = { name, methods: this.#methods, paths, breaker: `external:${name}` };
    // Registered from the start: an operator may force it before the first call.
    this.#protection();
  }

  /** As `External.call`; with all headers of the answer. Keeps nothing itself. */
  async call(call: ExternalCall): Promise<Opened> {
    if (call.cache?.onlyKept === true) throw notCached();
    const request = await this.#request(call);
    const { breaker, repeating, once } = this.#protection();
    const { deadlineMs, timeoutMs: idleMs, responseBytesMax } = this.#settings;
    const { clock } = this.#parts;
    const deadline = new Deadline(call.signal, deadlineMs, clock);
    let attempts = 0;
    const open = (context: CallContext): AsyncIterable<Part> => {
      attempts = context.attempt;
      return attempt(this.#connections, { ...request, signal: context.signal }, { responseBytesMax, clock });
    };
    type Parts = AsyncIterator<Part> | Iterator<Part>;
    const pass = ({ status, headers }: Head, parts: Parts, signal?: AbortSignal): Opened => ({
      status,
      headers: this.#passed(headers, request.path),
      given: headers,
      attempts,
      breaker: breaker.state.kind,
      body: new AnswerBody({
        parts,
        mask: this.#mask.stream(),
        explain: this.#explain,
        ended: () => deadline.end(),
        signal,
      }),
    });
    const parts = (REPEATABLE.has(request.method) ? repeating : once).stream(open, { signal: deadline.signal, idleMs });
    try {
      const first: IteratorResult<Part, undefined> = await parts.next();
      const head = first.value;
      if (head === undefined || Buffer.isBuffer(head)) throw new InvariantError('an attempt yields a head first');
      return pass(head, parts, deadline.signal);
    } catch (thrown) {
      deadline.end();
      const refused = thrown instanceof RefusedError ? thrown.answer : undefined;
      if (refused === undefined) throw this.#explain(thrown);
      return pass(refused.head, [refused.bytes].values());
    }
  }

  close(): Promise<void> {
    return this.#connections.close();
  }

  readonly #explain = (thrown: unknown): unknown => errorFor(thrown, this.status.name);

  /** What goes out. Throws a `CallerError`. */
  async #request({ method: given, target, headers, body, traceparent }: ExternalCall): Promise<Sent> {
    const { requestHeaders: more, requestBytesMax } = this.#settings;
    const method = this.#methods.find((known) => known === given);
    if (method === undefined) {
      const detail = `The external API "${this.status.name}" may be asked by ${this.#methods.join(', ')} only.`;
      throw new CallerError('method_not_allowed', detail);
    }
    const path = this.#place.path + checkedTarget(target, this.#allows);
    const bytes = await body(requestBytesMax);
    if (bytes.length > 0 && (method === 'GET' || method === 'HEAD'))
      throw new CallerError('bad_request', `${method} takes no body here: servers differ in what they make of one.`);
    const own = requestHeaders(headers, more, this.#fixed);
    const fixed = [...this.#fixed].flat();
    const all = [...own, ...fixed, 'traceparent', traceparent];
    return { method, path, headers: all, body: bytes.length === 0 ? null : bytes };
  }

  #passed(given: Head['headers'], path: string): ExternalAnswer['headers'] {
    const { responseHeaders: more } = this.#settings;
    const asked = new URL(this.#place.origin + path);
    const headers = responseHeaders(given, more, asked, this.#place, (value) => this.#mask.text(value));
    const length = given['content-length'];
    return length === undefined ? headers : { ...headers, 'content-length': length };
  }

  #protection(): Pipelines {
    const { breakers, clock, random } = this.#parts;
    const { timeoutMs, retry } = this.#settings;
    const breaker = breakers.get(this.status.breaker, this.#settings.breaker);
    if (this.#pipelines?.breaker === breaker) return this.#pipelines;
    const { retries, baseMs, maxMs } = retry;
    const start = pipeline({ clock, random, judgeError: verdictOf });
    const again = { attempts: retries + 1, baseMs, maxMs, retryAfterMaxMs: maxMs, idempotent: true };
    this.#pipelines = {
      breaker,
      repeating: start
        .retry({ ...again, budget: this.#budget })
        .breaker(breaker)
        .bulkhead(this.#bulkhead)
        .timeout(timeoutMs)
        .build(),
      once: start.breaker(breaker).bulkhead(this.#bulkhead).timeout(timeoutMs).build(),
    };
    return this.#pipelines;
  }
}
