/**
 * The attempts of one run, one after the other (or, hedged, two beside each other), until one answers or nobody is left. Owns the rules
 * that hold for plain answers and streams alike: leave of the breaker, a place at the deployment, one deadline, one budget over
 * retries, fallbacks, hedges and continuations, and the error that the caller sees at last.
 */
import { roundMs } from '#core/clock';
import type { Timer } from '#core/clock';
import type { Random } from '#core/random';
import { CallerError, LimitError, UnavailableError, UpstreamError } from '#core/errors';
import type { HubError } from '#core/errors';
import { notCached } from '#contract/answer-cache';
import type { CallTimeouts } from '#contract/gateway';
import { abortError } from '#contract/gateway';
import type { AttemptKind, AttemptOutcome, AttemptRecord } from '#contract/runs';
import { Attempt, NOT_SENT } from './attempt.ts';
import { AttemptTimeout, FULL_RETRY_MS } from './classify.ts';
import type { Classified } from './classify.ts';
import type { Deployment } from './deployment.ts';
import type { Guardrails } from './guardrail.ts';
import type { Candidate } from './plan.ts';
import { Plan } from './plan.ts';
import { preferredRoute, timeoutsFor } from './preferences.ts';
import type { Breaker, Breakers, RetryBudget } from './protection.ts';
import type { Route } from './route.ts';
import type { Run, RunContext } from './runs.ts';
import type { GatewaySettings } from './settings.ts';

export interface CallContext extends RunContext {
  readonly random: Random;
  readonly settings: GatewaySettings;
  readonly breakers: Breakers;
  readonly retryBudget: RetryBudget;
  readonly guardrails: Guardrails;
}

/** Makes the call and reads as much of the answer as must be there. */
type Execute<T> = (attempt: Attempt) => Promise<T>;

/** Why a deployment cannot be asked at all, to complete a sentence about it; null where it can. */
export type Unable = (deployment: Deployment) => string | null;

/** How an attempt ended. `classified` is null where the upstream is not to blame: the caller left, or a bug. */
type Tried<T> =
  | { readonly attempt: Attempt; readonly ok: true; readonly value: T }
  | { readonly attempt: Attempt; readonly ok: false; readonly thrown: unknown; readonly classified: Classified | null };

/** Nobody was asked, because every circuit of the route is open. */
export class AllOpenError extends UnavailableError {}

export class Attempts {
  readonly run: Run;
  readonly #context: CallContext;
  readonly #route: Route;
  readonly #timeouts: CallTimeouts;
  /** The route's, without the caller's wishes. */
  readonly #ownTimeouts: CallTimeouts;
  readonly #plan: Plan;
  readonly #unable: Unable;
  /** Why deployments were passed over without a call. */
  readonly #passedOver: PassedOver = {
    unable: '',
    open: 0,
    full: 0,
    throttled: 0,
    retryAfterMs: Number.POSITIVE_INFINITY,
  };
  #failure: HubError | null = null;

  /** Throws `CallerError` where the caller names deployments that the route does not have, or wants none to be asked. */
  constructor(context: CallContext, run: Run, route: Route, unable: Unable = () => null) {
    const { preferences } = run.call;
    const { settings, clock, random, retryBudget, observer } = context;
    if (preferences?.cache?.onlyKept === true) throw notCached();
    this.#context = context;
    this.run = run;
    this.#unable = unable;
    this.#route = preferredRoute(route, preferences);
    this.#ownTimeouts = timeoutsFor(settings.timeouts, route.settings.timeouts);
    this.#timeouts = timeoutsFor(this.#ownTimeouts, preferences?.timeouts);
    this.#plan = new Plan({
      route: this.#route,
      stream: run.record.stream,
      fallback: preferences?.fallback ?? true,
      settings,
      clock,
      random,
      retryBudget,
      onBudgetExhausted: () => observer.retryBudgetExhausted(),
    });
  }

  /**
   * Runs `execute` for one deployment after another and returns what the first good one gives. What it throws is classified and settled
   * here; an attempt that returns is the caller's to settle. Throws a `HubError`. May be called again, for what is left of the budget.
   */
  async answer<T>(execute: Execute<T>, going: 'anew' | 'on' = 'anew'): Promise<T> {
    const hedge = going === 'anew' ? this.#route.settings.hedge : undefined;
    for (let candidate = this.#plan.next(); candidate !== null; candidate = this.#plan.next()) {
      this.#requireTime(candidate.backoffMs);
      if (candidate.backoffMs > 0) await this.#pause(candidate.backoffMs);
      const attempt = this.#admit(candidate, going === 'on' ? 'continuation' : candidate.kind);
      if (attempt === null) continue;
      const tried =
        hedge === undefined ? await this.#try(attempt, execute) : await this.#hedged(attempt, execute, hedge.afterMs);
      if (tried.ok) return tried.value;
      this.#judge(tried, going);
    }
    this.run.record.stop = this.#plan.stop;
    throw this.#failure ?? nobodyAsked(this.#route, this.#passedOver);
  }

  /** An attempt that had answered failed after all. */
  failed(attempt: Attempt, classified: Classified): void {
    this.#plan.failed(attempt.choice, classified);
  }

  /** Never rejects. */
  async #try<T>(attempt: Attempt, execute: Execute<T>): Promise<Tried<T>> {
    try {
      const value = await execute(attempt);
      this.#plan.sent();
      return { attempt, ok: true, value };
    } catch (thrown) {
      const classified = attempt.fail(thrown);
      // The attempt is left for a deployment that can be asked.
      if (classified !== null && NOT_SENT.includes(classified.outcome)) this.#plan.withdrawn();
      else this.#plan.sent();
      return { attempt, ok: false, thrown, classified };
    }
  }

  /** The first one and, once it has been silent for `afterMs`, another beside it. The first good answer wins, and the other is told to stop. */
  async #hedged<T>(first: Attempt, execute: Execute<T>, afterMs: number): Promise<Tried<T>> {
    const running = new Map([[first, this.#try(first, execute)]]);
    const slow = Promise.withResolvers<'slow'>();
    const timer: Timer = this.#context.clock.schedule(afterMs, () => slow.resolve('slow'));
    let waitingForSlow = true;
    try {
      for (;;) {
        const racers: Promise<Tried<T> | 'slow'>[] = [...running.values()];
        if (waitingForSlow) racers.push(slow.promise);
        const tried = await Promise.race(racers);
        if (tried === 'slow') {
          waitingForSlow = false;
          const candidate = this.#plan.beside();
          const other = candidate === null ? null : this.#admit(candidate, candidate.kind);
          if (other !== null) running.set(other, this.#try(other, execute));
          continue;
        }
        running.delete(tried.attempt);
        if (tried.ok || running.size === 0 || tried.classified === null) return tried;
        // One has failed and the other still runs: its answer may yet come.
        this.#judge(tried, 'anew');
      }
    } finally {
      timer.cancel();
      for (const attempt of running.keys()) attempt.supersede();
    }
  }

  /** Remembers a failure, or throws where no other attempt could help. */
  #judge<T>({ attempt, thrown, classified }: Extract<Tried<T>, { ok: false }>, going: 'anew' | 'on'): void {
    if (classified === null) throw thrown;
    if (going === 'on' && attempt.prefilled) {
      // It may only have refused to go on with a text that is not its own: asked from the beginning it may answer.
      if (classified.verdict === 'give_up') this.#plan.putBack(attempt.choice);
    } else if (going === 'anew' && classified.verdict === 'give_up') {
      throw classified.error;
    }
    // What a provider cannot be told tells the caller less than why one failed that could.
    if (this.#failure === null || classified.outcome !== 'untranslatable') this.#failure = classified.error;
    this.#plan.failed(attempt.choice, classified);
  }

  /** Throws when the caller has left, or when the pause would outlast the deadline. */
  #requireTime(backoffMs: number): void {
    const { signal } = this.run.call;
    const { totalMs } = this.#timeouts;
    if (signal.aborted) throw abortError(signal);
    if (this.run.elapsedMs() + backoffMs >= totalMs) {
      this.run.record.stop = 'deadline';
      const cause = new AttemptTimeout('timeout_total', this.run.elapsedMs() + backoffMs < this.#ownTimeouts.totalMs);
      throw new UpstreamError('upstream_timeout', `No deployment answered within ${totalMs} ms.`, { cause });
    }
  }

  async #pause(backoffMs: number): Promise<void> {
    this.run.beginWait();
    try {
      await this.#context.clock.sleep(backoffMs, this.run.call.signal);
    } finally {
      this.run.endWait();
    }
  }

  /** An attempt with leave of the breaker and a place at the deployment, or null; either is written into the run. */
  #admit({ choice, reason }: Candidate, kind: AttemptKind): Attempt | null {
    const { deployment } = choice;
    const { run } = this;
    const breaker = this.#context.breakers.get(deployment.breaker);
    const record: AttemptRecord = {
      number: run.record.attempts.length + 1,
      kind,
      deployment: deployment.id,
      provider: deployment.provider.name,
      model: deployment.model,
      reason,
      breakerState: breaker.state.kind,
      outcome: 'running',
      verdict: null,
      upstreamStatus: null,
      startedMs: roundMs(run.elapsedMs()),
      connectMs: null,
      firstTokenMs: null,
      totalMs: null,
      promptTokens: null,
      completionTokens: null,
      cachedTokens: null,
      costMicroUsd: null,
    };
    run.record.attempts.push(record);
    const lacks = this.#unable(deployment);
    if (lacks !== null) {
      record.reason += `, passed over: it ${lacks}`;
      this.#passedOver.unable = lacks;
      return this.#skip(record, breaker, 'untranslatable');
    }
    if (deployment.inFlight >= this.#context.settings.concurrentMax) {
      this.#passedOver.full++;
      return this.#skip(record, breaker, 'bulkhead_full');
    }
    const permit = breaker.tryAcquire();
    if (permit.granted) {
      this.#plan.dispatched();
      const ownTimeouts = timeoutsFor(this.#ownTimeouts, choice.timeouts);
      const timeouts = timeoutsFor(ownTimeouts, run.call.preferences?.timeouts);
      return new Attempt({ context: this.#context, run, choice, breaker, permit, timeouts, ownTimeouts, record });
    }
    if (permit.reason === 'throttled') this.#passedOver.throttled++;
    else this.#passedOver.open++;
    this.#passedOver.retryAfterMs = Math.min(this.#passedOver.retryAfterMs, permit.retryAfterMs);
    return this.#skip(record, breaker, 'breaker_open');
  }

  #skip(record: AttemptRecord, breaker: Breaker, outcome: AttemptOutcome): null {
    record.outcome = outcome;
    record.breakerStateAfter = breaker.state.kind;
    record.verdict = 'try_other';
    record.totalMs = 0;
    this.#context.observer.attemptFinished(record);
    return null;
  }
}

interface PassedOver {
  /** What the last of those lacks that cannot be asked at all. */
  unable: string;
  open: number;
  full: number;
  throttled: number;
  retryAfterMs: number;
}

function nobodyAsked({ name }: Route, { unable, open, full, throttled, retryAfterMs }: PassedOver): HubError {
  if (unable !== '' && full + throttled + open === 0) {
    const detail = `No deployment of the route "${name}" can answer this: each of them ${unable}. Ask for another model.`;
    return new CallerError('bad_request', detail, { param: 'model' });
  }
  if (full > 0) {
    const detail = `Every deployment of the route "${name}" that is well has as many calls as it may have. Try again shortly.`;
    return new UnavailableError('overloaded', detail, { retryAfterMs: FULL_RETRY_MS });
  }
  if (throttled > 0 && open === 0) {
    const detail = `The upstreams of the route "${name}" limit the hub's rate. Try again later.`;
    return new LimitError('upstream_rate_limited', detail, { retryAfterMs });
  }
  const detail = `Every deployment of the route "${name}" is out of service just now (its circuit is open). Try again later.`;
  return new AllOpenError('no_deployment_available', detail, { retryAfterMs });
}
