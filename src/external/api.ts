/**
 * One external API: its connections, its circuit, its bounds, and every call from the caller's request to the last byte of the answer.
 * Only baseUrl says where a call goes. Follows no redirect, repeats nothing that may act twice, gathers no answer.
 */
import type { Clock } from '#core/clock';
import { CallerError } from '#core/errors';
import { limits } from '#core/limits';
import type { Random } from '#core/random';
import type { ExternalAnswer, ExternalCall, ExternalStatus } from '#contract/external';
import { externalPath } from '#contract/external';
import { UpstreamFailure } from '#contract/provider';
import { createConnections } from '#exchange/connections';
import type { Connections, Exchange, ExchangeRequest } from '#exchange/connections';
import { publicLookup } from '#exchange/public-lookup';
import { retryAfterMs } from '#exchange/retry-after';
import { Bulkhead, pipeline, RetryBudget } from '#resilience/index';
import type { Breaker, BreakerRegistry, CallContext, Pipeline } from '#resilience/index';
import { AnswerBody } from './body.ts';
import { Deadline } from './deadline.ts';
import { errorFor, RefusedError, verdictOf } from './failures.ts';
import type { Place } from './headers.ts';
import { requestHeaders, responseHeaders } from './headers.ts';
import { Mask } from './mask.ts';
import type { ExternalSettings } from './settings.ts';
import { fixedHeaders, secretsOf } from './settings.ts';
import { checkedTarget, pathMatcher } from './target.ts';

export interface ExternalParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly breakers: Pick<BreakerRegistry, 'get'>;
  /** Repeats allowed as a share of calls; each API has a budget of its own. */
  readonly retryRatio: number;
}

type Method = ExchangeRequest['method'];
type Sent = Omit<ExchangeRequest, 'signal'>;
/** What comes of an attempt: the exchange once its head is good, then the parts of its body. */
type Part = Exchange | Buffer;
type Head = Pick<Exchange, 'status' | 'headers'>;

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

  /** As `External.call`. */
  async call(call: ExternalCall): Promise<ExternalAnswer> {
    const request = await this.#request(call);
    const { breaker, repeating, once } = this.#protection();
    const { deadlineMs, timeoutMs: idleMs } = this.#settings;
    const deadline = new Deadline(call.signal, deadlineMs, this.#parts.clock);
    const asked = new URL(this.#place.origin + request.path);
    let attempts = 0;
    const attempt = (context: CallContext): AsyncGenerator<Part> => {
      attempts = context.attempt;
      return this.#attempt(request, context.signal);
    };
    const answer = (head: Head, body: ExternalAnswer['body']): ExternalAnswer => {
      const headers = this.#shownHeaders(head, asked);
      return { status: head.status, headers, attempts, breaker: breaker.state.kind, body };
    };
    const explain = (thrown: unknown): unknown => errorFor(thrown, this.status.name);
    const parts = (REPEATABLE.has(request.method) ? repeating : once).stream(attempt, {
      signal: deadline.signal,
      idleMs,
    });
    try {
      const { value: head } = await parts.next();
      if (head === undefined || Buffer.isBuffer(head)) throw new TypeError('an attempt begins with its head');
      const mask = this.#mask.stream();
      return answer(head, new AnswerBody({ parts, mask, bytesOf, explain, ended: () => deadline.end() }));
    } catch (thrown) {
      deadline.end();
      if (thrown instanceof RefusedError && thrown.answer !== undefined)
        return answer(thrown.answer.head, this.#whole(thrown.answer.bytes));
      throw explain(thrown);
    }
  }

  close(): Promise<void> {
    return this.#connections.close();
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
