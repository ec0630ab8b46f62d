/** A caller whose answer another run asked for: his own run, which costs nothing, and the answer in the form he asked for. */
import { HubError, UnavailableError } from '#core/errors';
import type { AnswerCache } from '#contract/answer-cache';
import { held } from '#contract/answer-cache';
import type { ChatCompletion } from '#contract/chat';
import type { CacheFacts, ChatStream, RunCall, RunSummary, WholeAnswer } from '#contract/gateway';
import { abortError } from '#contract/gateway';
import { chunksOf } from '../chunks-of.ts';
import type { Route } from '../route.ts';
import { Run } from '../runs.ts';
import type { RunContext } from '../runs.ts';
import { listed } from '../stream.ts';
import { wantsUsage } from '../stream-progress.ts';
import type { Kept } from './kept.ts';
import { KeptAnswer, StandIn } from './kept.ts';
import type { Caching } from './policy.ts';

/** A call that may be answered from the cache. */
export interface Cached<Call extends RunCall> {
  readonly call: Call;
  readonly route: Route;
  readonly caching: Caching;
}

export class Follower {
  /** He heard of a call that is under way: what he gets is shared, not found. */
  shares = false;
  readonly #context: RunContext;
  readonly #cache: AnswerCache;
  readonly #cached: Cached<RunCall>;
  readonly #since: number;

  constructor(context: RunContext, cache: AnswerCache, cached: Cached<RunCall>) {
    this.#context = context;
    this.#cache = cache;
    this.#cached = cached;
    this.#since = context.clock.now();
  }

  /** What memory has that he takes; where he wants nothing else, his run fails without it. */
  async held(): Promise<Kept | undefined> {
    try {
      return await held<Kept>(this.#cache, this.#cached.caching);
    } catch (thrown) {
      throw this.fail(thrown);
    }
  }

  answer<Body>(ended: Kept | StandIn): WholeAnswer<Body> {
    const { kept, run } = this.#met(ended, false);
    const summary = this.#summary(run, kept, ended);
    this.#end(run, kept, ended);
    return new KeptAnswer<Body>(summary, kept);
  }

  replay(ended: Kept | StandIn): ChatStream {
    const { kept, run } = this.#met(ended, true);
    const summary = this.#summary(run, kept, ended);
    // It was checked when it was made.
    const chunks = chunksOf(JSON.parse(kept.text) as ChatCompletion, wantsUsage(this.#cached.call.request));
    this.#end(run, kept, ended);
    return { summary, events: listed(chunks), spent: () => run.spent() };
  }

  /** His run beside the one that asks: its reader ends it. */
  follow(asking: RunSummary): Run {
    return this.#begin(true, 'shared', asking.runId);
  }

  /** Of an answer that comes from upstreams now. `run`: of who follows, null for who asks. */
  summaryOf(run: Run | null, asking: RunSummary): RunSummary {
    const { provider, model, simulated, insteadOf } = asking;
    const own = run === null ? asking : { ...run.summary(null, insteadOf), provider, model, simulated };
    return { ...own, cache: asking.cache ?? this.#facts(run === null ? 'miss' : 'shared') };
  }

  /** The error that he is told; his run ends with it. */
  fail(thrown: unknown): HubError {
    const { call, route } = this.#cached;
    const run = new Run(this.#context, call, call.request['stream'] === true);
    run.met(route.name, route.settings);
    run.waited(this.#waitedMs());
    return run.fail(toldError(thrown, call));
  }

  #met(ended: Kept | StandIn, stream: boolean): { kept: Kept; run: Run } {
    const kept = ended instanceof StandIn ? ended.kept : ended;
    return { kept, run: this.#begin(stream, this.#by(ended), kept.runId) };
  }

  #begin(stream: boolean, by: 'hit' | 'shared' | 'stale', runId: string): Run {
    const { call, route } = this.#cached;
    const run = new Run(this.#context, call, stream);
    run.met(route.name, route.settings);
    run.waited(this.#waitedMs());
    run.answered(by, runId);
    return run;
  }

  #end(run: Run, kept: Kept, ended: Kept | StandIn): void {
    if (ended instanceof StandIn) run.standIn(kept, ended.errorCode);
    else run.succeedWith(kept);
  }

  #summary(run: Run, kept: Kept, ended: Kept | StandIn): RunSummary {
    const { provider, model, simulated } = kept;
    const cache = this.#facts(this.#by(ended));
    const insteadOf = ended instanceof StandIn ? ended.errorCode : undefined;
    return { ...run.summary(null, insteadOf), provider, model, simulated, cache };
  }

  #by(ended: Kept | StandIn): 'hit' | 'shared' | 'stale' {
    if (ended instanceof StandIn && ended.by === 'stale') return 'stale';
    return this.shares ? 'shared' : 'hit';
  }

  #facts(status: CacheFacts['status']): CacheFacts {
    const { name, key, ttlMs } = this.#cached.caching;
    const made = { ageMs: 0, ttlMs };
    const life = status === 'hit' || status === 'stale' ? (this.#cache.life(key) ?? made) : made;
    return { status, key: name, ...life };
  }

  #waitedMs(): number {
    return this.#context.clock.now() - this.#since;
  }
}

/** What a caller hears of something that ended his wait and may be no error of the hub's. */
export function toldError(thrown: unknown, { signal }: RunCall): HubError {
  if (signal.aborted) return abortError(signal);
  if (thrown instanceof HubError) return thrown;
  return new UnavailableError('draining', 'The hub is shutting down and ended this run. Send the request again.', {
    retryAfterMs: 1_000,
    cause: thrown,
  });
}
