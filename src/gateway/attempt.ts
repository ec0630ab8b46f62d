/**
 * One attempt at one deployment: its permit, its timers, its signal, its record. It is settled exactly once, whatever happens: the
 * breaker hears of it, the deployment's place is given back, the exchange is destroyed unless it ended well. One timer a call,
 * moved by looking at the clock when it fires: most calls never fire it.
 */
import { Canceller } from '#core/cancel';
import { roundMs } from '#core/clock';
import type { Clock, Timer } from '#core/clock';
import { whenSettled } from '#core/settled';
import type { CallTimeouts } from '#contract/gateway';
import type { LedgerEntry } from '#contract/ledger';
import type { Call } from '#contract/provider';
import { UpstreamFailure } from '#contract/provider';
import type { AttemptOutcome, AttemptRecord, Verdict } from '#contract/runs';
import { AttemptTimeout, classify, reasonOf } from './classify.ts';
import type { Classified } from './classify.ts';
import type { Deployment } from './deployment.ts';
import { dispatchOf } from './dispatch.ts';
import type { StatedUsage } from './prices.ts';
import type { Breaker, Permit } from './protection.ts';
import type { Choice } from './route.ts';
import type { Run, RunContext } from './runs.ts';

export interface AttemptParts {
  readonly context: RunContext;
  readonly run: Run;
  readonly choice: Choice;
  readonly breaker: Breaker;
  readonly permit: Permit;
  readonly timeouts: CallTimeouts;
  /** What they would be without the caller's wishes. */
  readonly ownTimeouts: CallTimeouts;
  readonly record: AttemptRecord;
}

/** Which limit each of them is. */
const LIMITS: Readonly<Record<AttemptTimeout['outcome'], keyof CallTimeouts>> = {
  timeout_connect: 'connectMs',
  timeout_first_token: 'firstTokenMs',
  timeout_idle: 'idleMs',
  timeout_total: 'totalMs',
};

/** The upstream was not asked after all. */
export const NOT_SENT: readonly AttemptOutcome[] = ['untranslatable', 'bulkhead_full'];

/** Why an attempt was ended that needs no more of its upstream. */
const enough = new Error('the answer is whole');

export class Attempt {
  readonly choice: Choice;
  readonly deployment: Deployment;
  readonly timeouts: CallTimeouts;
  /** Whether the upstream is asked for a stream; a caller's stream may need a whole answer. */
  streams: boolean;
  /** It was asked to go on with a text that is not its own. */
  prefilled = false;
  readonly run: Run;
  readonly #context: RunContext;
  readonly #clock: Clock;
  readonly #breaker: Breaker;
  readonly #permit: Permit;
  readonly #record: AttemptRecord;
  readonly #startedAt: number;
  readonly #controller = new Canceller();
  readonly #onAbort = (): void => this.#controller.abort(this.run.call.signal.reason);
  readonly #endWait = (): void => this.run.endWait();
  readonly #entry: LedgerEntry;
  #usage: StatedUsage | null | undefined;
  #settled = false;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  /** `ownAt`: when it would be late without the caller's wishes. */
  #expected: { outcome: AttemptTimeout['outcome'] | 'enough'; at: number; ownAt: number };
  readonly #totalAt: number;
  readonly #ownTimeouts: CallTimeouts;

  constructor(parts: AttemptParts) {
    const { context, run, choice, timeouts } = parts;
    const { deployment } = choice;
    this.run = run;
    this.streams = run.record.stream;
    this.choice = choice;
    this.deployment = deployment;
    this.timeouts = timeouts;
    this.#context = context;
    this.#clock = context.clock;
    this.#breaker = parts.breaker;
    this.#permit = parts.permit;
    this.#record = parts.record;
    this.#startedAt = context.clock.now();
    this.#totalAt = run.call.receivedAt + timeouts.totalMs;
    this.#ownTimeouts = parts.ownTimeouts;
    this.#expected = this.#nothing();
    deployment.inFlight++;
    run.dispatched++;
    this.#entry = context.ledger.dispatched(dispatchOf(run, parts.record, context.clock.wallMs()));
    run.call.signal.addEventListener('abort', this.#onAbort, { once: true });
    if (run.call.signal.aborted) this.#onAbort();
    this.expect('timeout_connect', timeouts.connectMs);
  }

  /** Until then it must not go out; undefined where nothing is to be waited for. */
  get recorded(): Promise<void> | undefined {
    return this.#entry.recorded;
  }

  /** The call for the provider. `request`: the caller's own, or another where a cut answer is gone on with. */
  providerCall<Request>(request: Request): Call<Request> {
    const { call, trace } = this.run;
    return {
      model: this.deployment.model,
      request,
      surface: call.surface,
      signal: this.#controller.signal,
      traceparent: trace?.attempt(this.#record, this.deployment.provider.kind) ?? call.traceparent,
      onConnected: () => {
        this.#context.ledger.secure();
        this.#record.connectMs = roundMs(this.#clock.now() - this.#startedAt);
        if (this.streams) this.expect('timeout_first_token', this.timeouts.firstTokenMs);
        else this.rest();
      },
    };
  }

  /** From now on the upstream has `withinMs` to do the next thing. `enough`: what it does is not needed, only polite to wait for. */
  expect(outcome: AttemptTimeout['outcome'] | 'enough', withinMs: number): void {
    const now = this.#clock.now();
    const ownMs = outcome === 'enough' ? withinMs : this.#ownTimeouts[LIMITS[outcome]];
    this.#expected = { outcome, at: now + withinMs, ownAt: now + ownMs };
    this.#arm();
  }

  /** Nothing is expected of the upstream just now; the total goes on. */
  rest(): void {
    this.#expected = this.#nothing();
    this.#arm();
  }

  /** Waits for the upstream; the time is not the hub's. */
  upstream<T>(work: Promise<T>): Promise<T> {
    this.run.beginWait();
    return whenSettled(work, this.#endWait);
  }

  sawFirstToken(): void {
    const now = this.#clock.now();
    const tookMs = now - this.#startedAt;
    this.#record.firstTokenMs = roundMs(tookMs);
    this.deployment.streamLatency.record(tookMs, now);
    // A stream may go on for minutes: a circuit that waited for its end would not close while its answers are long.
    this.#permit.wellSoFar();
  }

  /** What the upstream says that the attempt used, where it says so; before it is settled. */
  used(usage: StatedUsage | null | undefined): void {
    if (usage !== null && usage !== undefined) this.#usage = usage;
  }

  /** Whether this was thrown because the hub itself had enough, the answer being whole. */
  hadEnough(thrown: unknown): boolean {
    return thrown === enough;
  }

  /** The answer is whole and good. */
  succeed(): void {
    if (!this.#settle('succeeded', null)) return;
    this.deployment.lastSuccessWallMs = this.#clock.wallMs();
    if (!this.streams) {
      const now = this.#clock.now();
      this.deployment.plainLatency.record(now - this.#startedAt, now);
    }
    this.#tellBreaker('success');
  }

  /** Another attempt of the run has answered: this one is not needed any more, and is not to blame. */
  supersede(): void {
    if (this.#settle('superseded', null)) this.#tellBreaker('ignore');
    this.destroy();
  }

  /** Neither good nor bad: the reader left. */
  leave(): void {
    if (this.#settle('cancelled', null)) this.#tellBreaker('ignore');
  }

  /** Ends the exchange, whatever it is doing. */
  destroy(reason: unknown = enough): void {
    this.#controller.abort(reason);
  }

  /**
   * The attempt ended with what was thrown; null where that is no failure of the upstream: the caller left, the hub goes down, or a
   * bug. The exchange is destroyed.
   */
  fail(thrown: unknown): Classified | null {
    const { call } = this.run;
    const ours = call.signal.aborted || !(thrown instanceof UpstreamFailure || thrown instanceof AttemptTimeout);
    if (ours) {
      this.leave();
      this.destroy(thrown);
      return null;
    }
    const classified = classify(thrown, this.deployment.provider.name);
    if (NOT_SENT.includes(classified.outcome) && !this.#settled) this.run.dispatched--;
    this.#record.upstreamStatus = classified.status;
    if (this.#settle(classified.outcome, classified.verdict)) {
      if (classified.breaker !== 'ignore') {
        this.deployment.lastFailureWallMs = this.#clock.wallMs();
        this.deployment.lastFailure = classified.outcome;
      }
      this.#tellBreaker(classified.breaker, classified.retryAfterMs);
      this.#log(classified);
    }
    this.destroy(thrown);
    return classified;
  }

  /** Returns whether this was the settlement; there is one. */
  #settle(outcome: AttemptOutcome, verdict: Verdict | null): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#timer?.cancel();
    this.run.call.signal.removeEventListener('abort', this.#onAbort);
    this.deployment.inFlight--;
    const record = this.#record;
    record.outcome = outcome;
    record.verdict = verdict;
    record.totalMs = roundMs(this.#clock.now() - this.#startedAt);
    const { prices, observer } = this.#context;
    const used = prices.usageOf(this.deployment, this.#usage, this.run.call.request['service_tier']);
    const { promptTokens, completionTokens, cachedTokens, costMicroUsd, priceSource } = used;
    record.promptTokens = promptTokens;
    record.completionTokens = completionTokens;
    record.cachedTokens = cachedTokens;
    record.costMicroUsd = costMicroUsd;
    this.#entry.settled({ outcome, promptTokens, completionTokens, cachedTokens, costMicroUsd, priceSource });
    observer.attemptFinished(record);
    return true;
  }

  #tellBreaker(how: Classified['breaker'], retryAfterMs?: number): void {
    if (how === 'success' || how === 'ignore') this.#permit[how]();
    else this.#permit[how](retryAfterMs);
    this.#record.breakerStateAfter = this.#breaker.state.kind;
  }

  #log({ outcome, verdict, status, error }: Classified): void {
    this.#context.logger.warn('attempt-failed', {
      run: this.run.record.id,
      deployment: this.deployment.id,
      outcome,
      verdict,
      status,
      reason: error.cause instanceof UpstreamFailure ? reasonOf(error.cause) : error.detail,
    });
  }

  #nothing(): { outcome: 'timeout_total'; at: number; ownAt: number } {
    return { outcome: 'timeout_total', at: this.#totalAt, ownAt: this.#ownTotalAt };
  }

  get #ownTotalAt(): number {
    return this.run.call.receivedAt + this.#ownTimeouts.totalMs;
  }

  /** Whether the route would still wait. */
  #wished(now: number): boolean {
    return now < Math.min(this.#expected.ownAt, this.#ownTotalAt);
  }

  #arm(): void {
    const at = Math.min(this.#expected.at, this.#totalAt);
    if (this.#settled || this.#timerAt <= at) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#clock.schedule(at - this.#clock.now(), this.#onTimer);
  }

  readonly #onTimer = (): void => {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    // The runtime may fire a fraction of a millisecond early.
    const due = now + 1;
    if (due >= this.#expected.at && this.#expected.at <= this.#totalAt) {
      const { outcome } = this.#expected;
      this.#controller.abort(outcome === 'enough' ? enough : new AttemptTimeout(outcome, this.#wished(due)));
    } else if (due >= this.#totalAt) this.#controller.abort(new AttemptTimeout('timeout_total', this.#wished(due)));
    else this.#arm();
  };
}
