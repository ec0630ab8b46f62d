/**
 * The circuit breaker: CLOSED → OPEN → HALF_OPEN, with FORCED_OPEN and DISABLED for an operator. It decides on its own clock when
 * it is asked, and keeps no timer. A result counts only in the generation its permit was given in; a probe is a lease that runs
 * out; a rejection allocates no error. What it refuses: to queue, to guess, and to be stuck in any state.
 */
import type { Clock } from '#core/clock';
import type { Random } from '#core/random';
import type { QuotaEvent, Transition } from './events.ts';
import type { BreakerOptions } from './options.ts';
import { CallPermit } from './permit.ts';
import type { Permit, Rejection, Settlement, SettledPermit } from './permit.ts';
import type { BreakerSnapshot, HalfOpen, State } from './state.ts';
import { SlidingWindow } from './window.ts';

export interface BreakerDependencies {
  readonly clock: Clock;
  readonly random: Random;
  /** Called after the transition is in force; what it throws changes nothing. */
  readonly onTransition?: (transition: Transition) => void;
  /** As `onTransition`. */
  readonly onQuota?: (event: QuotaEvent) => void;
}

/** Longest wait that an upstream's Retry-After can impose. */
const RETRY_AFTER_MAX_MS = 3_600_000;
const THROTTLE_DEFAULT_MS = 1_000;
const PROBE_TIMEOUT_MAX_MS = 30_000;
const SUSPECT_SUCCESSES = 3;

export class Breaker {
  readonly key: string;
  readonly options: BreakerOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onTransition: ((transition: Transition) => void) | undefined;
  readonly #onQuota: ((event: QuotaEvent) => void) | undefined;
  readonly #window: SlidingWindow;
  #state: State;
  #generation = 0;
  #suspectUntil = 0;
  #suspectSuccesses = 0;
  #throttledUntil = 0;
  /** Its quota was exhausted, and nothing has been served since. */
  #exhausted = false;
  #lastUsed: number;
  inFlight = 0;
  trips = 0;
  rejected = 0;
  lateResults = 0;
  listenerFailures = 0;

  constructor(key: string, options: BreakerOptions, dependencies: BreakerDependencies) {
    this.key = key;
    this.options = options;
    this.#clock = dependencies.clock;
    this.#random = dependencies.random;
    this.#onTransition = dependencies.onTransition;
    this.#onQuota = dependencies.onQuota;
    this.#window = new SlidingWindow(options.windowMs);
    this.#lastUsed = this.#clock.now();
    this.#state = { kind: 'closed', since: this.#lastUsed };
  }

  /** Asks for leave to make one call. Never waits. */
  tryAcquire(): Permit | Rejection {
    const free = this.enterFree();
    if (free !== undefined) return this.permitOf(free);
    const now = this.#clock.now();
    this.#lastUsed = now;
    const state = this.#settled(now);
    if (now < this.#throttledUntil && state.kind !== 'disabled')
      return this.#reject('throttled', this.#throttledUntil - now);
    if (now >= this.#throttledUntil) this.#throttledUntil = 0;
    switch (state.kind) {
      case 'closed':
      case 'disabled':
        this.inFlight++;
        return new CallPermit(this, this.#generation, now, undefined);
      case 'open':
        return this.#reject('open', state.until - now);
      case 'forced_open':
        return this.#reject('forced_open', state.until === null ? this.options.openMsMax : state.until - now);
      case 'half_open':
        return this.#probe(state, now);
    }
  }

  /**
   * Leave without a permit where the circuit is well and asks nothing of the clock, whose reading costs more than all else here: a
   * generation, to be given to `succeedFree` or settled as a permit's. Undefined where only `tryAcquire` can tell.
   */
  enterFree(): number | undefined {
    if (this.#state.kind !== 'closed' || this.#throttledUntil !== 0 || this.options.slowCallMs !== null)
      return undefined;
    this.inFlight++;
    return this.#generation;
  }

  /** The permit of a call of `enterFree`. */
  permitOf(generation: number): Permit {
    return new CallPermit(this, generation, Number.NaN, undefined);
  }

  /** The good end of a call of `enterFree`. */
  succeedFree(generation: number): void {
    this.inFlight--;
    const now = this.#clock.now();
    this.#lastUsed = now;
    // Every change of state is a new generation: it is closed as it was.
    if (generation === this.#generation) this.#succeeded(now);
    else this.lateResults++;
  }

  get state(): State {
    return this.#settled(this.#clock.now());
  }

  get generation(): number {
    return this.#generation;
  }

  get suspect(): boolean {
    return this.#state.kind === 'closed' && this.#clock.now() < this.#suspectUntil;
  }

  get throttledForMs(): number {
    return Math.max(0, this.#throttledUntil - this.#clock.now());
  }

  counts(): { failures: number; calls: number } {
    const now = this.#clock.now();
    return { failures: this.#window.failures(now), calls: this.#window.calls(now) };
  }

  /** Nothing would be lost by forgetting it: closed, nothing in the window, nothing in flight, unused for `idleMs`. */
  idleFor(idleMs: number): boolean {
    const now = this.#clock.now();
    return (
      this.#settled(now).kind === 'closed' &&
      this.inFlight === 0 &&
      now - this.#lastUsed >= idleMs &&
      now >= this.#throttledUntil &&
      this.#window.calls(now) === 0
    );
  }

  /** A peer saw this upstream fail: for `remainingMs` one failure opens the circuit, and three successes in a row end it. */
  markSuspect(remainingMs: number): void {
    if (this.#state.kind !== 'closed') return;
    this.#suspectUntil = Math.max(this.#suspectUntil, this.#clock.now() + remainingMs);
    this.#suspectSuccesses = 0;
  }

  /** A peer was told to wait: nothing goes out for `waitMs`, at most an hour. Lengthens what is in force and never shortens it. */
  holdBack(waitMs: number): void {
    this.#exhausted = true;
    const now = this.#clock.now();
    this.#throttledUntil = Math.max(this.#throttledUntil, now + Math.min(Math.max(waitMs, 0), RETRY_AFTER_MAX_MS));
  }

  /** This instance may try whether it is served again; the first success then tells so. */
  endHold(): void {
    this.#throttledUntil = 0;
  }

  /** A peer was served again. */
  endThrottle(): void {
    this.#exhausted = false;
    this.#throttledUntil = 0;
  }

  /** A peer's circuit opened and counts here as well, for `waitMs`, at most an hour. Never shortens a wait; an operator's word stays. */
  openFor(waitMs: number): void {
    const now = this.#clock.now();
    const state = this.#settled(now);
    const until = now + Math.min(Math.max(waitMs, 0), RETRY_AFTER_MAX_MS);
    if (state.kind === 'open') this.#state = { ...state, until: Math.max(state.until, until) };
    else if (state.kind === 'closed') this.#enter({ kind: 'open', since: now, until, round: 0 }, 'opened at a peer');
    else if (state.kind === 'half_open')
      this.#enter({ kind: 'open', since: now, until, round: state.round }, 'opened at a peer');
  }

  /** It may probe now, whatever was left to wait. */
  endWait(): void {
    if (this.#state.kind === 'open') this.#state = { ...this.#state, until: this.#clock.now() };
  }

  /** The probes of a peer succeeded. */
  recover(): void {
    const { kind } = this.state;
    if (kind === 'open' || kind === 'half_open')
      this.#enter({ kind: 'closed', since: this.#clock.now() }, 'recovered at a peer');
  }

  /** An operator's word; it beats everything until it runs out or is reset. */
  forceOpen(order: { by: string; reason: string; forMs?: number | undefined }): void {
    const now = this.#clock.now();
    const until = order.forMs === undefined ? null : now + order.forMs;
    this.#enter({ kind: 'forced_open', since: now, by: order.by, reason: order.reason, until }, order.reason);
  }

  /** Lets every call through and counts nothing, until reset. */
  disable(order: { by: string; reason: string }): void {
    this.#enter({ kind: 'disabled', since: this.#clock.now(), by: order.by, reason: order.reason }, order.reason);
  }

  /** Closed, with an empty window, as if it were new. */
  reset(reason = 'reset'): void {
    this.endThrottle();
    this.#suspectUntil = 0;
    this.#enter({ kind: 'closed', since: this.#clock.now() }, reason);
  }

  snapshot(): BreakerSnapshot {
    const now = this.#clock.now();
    const state = this.#settled(now);
    const until = state.kind === 'open' || state.kind === 'forced_open' ? state.until : null;
    return {
      state: state.kind,
      remainingMs: until === null ? null : Math.max(0, until - now),
      round: state.kind === 'open' || state.kind === 'half_open' ? state.round : 0,
      by: 'by' in state ? state.by : null,
      reason: 'reason' in state ? state.reason : null,
    };
  }

  /** Goes on from another process's snapshot. A half-open one begins as open with nothing left to wait. */
  hydrate(snapshot: BreakerSnapshot): void {
    const now = this.#clock.now();
    const by = snapshot.by ?? 'snapshot';
    const reason = snapshot.reason ?? 'snapshot';
    const remainingMs = Math.min(Math.max(snapshot.remainingMs ?? 0, 0), this.options.openMsMax);
    switch (snapshot.state) {
      case 'closed':
        return this.reset('snapshot');
      case 'open':
      case 'half_open':
        return this.#enter({ kind: 'open', since: now, until: now + remainingMs, round: snapshot.round }, 'snapshot');
      case 'forced_open':
        return this.forceOpen({ by, reason, forMs: snapshot.remainingMs ?? undefined });
      case 'disabled':
        return this.disable({ by, reason });
    }
  }

  /** For permits only: the result of a call that was let through in `generation`. */
  settle(permit: SettledPermit, result: Settlement, retryAfterMs: number): void {
    this.inFlight--;
    const now = this.#clock.now();
    this.#lastUsed = now;
    const state = this.#settled(now);
    if (permit.generation !== this.#generation) {
      this.lateResults++;
      return;
    }
    if (state.kind === 'closed') this.#settleClosed(permit, result, retryAfterMs, now);
    else if (state.kind === 'half_open') this.#settleProbe(state, permit, result, retryAfterMs, now);
  }

  #settleClosed(permit: SettledPermit, result: Settlement, retryAfterMs: number, now: number): void {
    if (result === 'ignore') return;
    if (result === 'throttled') return this.#throttle(retryAfterMs, now);
    const { slowCallMs } = this.options;
    const slow = result === 'success' && slowCallMs !== null && now - permit.startedAt > slowCallMs;
    if (result === 'success' && !slow) return this.#succeeded(now);
    this.#window.failure(now);
    this.#suspectSuccesses = 0;
    if (this.#shouldTrip(now)) this.#open(0, retryAfterMs, now, `${this.#window.failures(now)} failures in the window`);
  }

  #succeeded(now: number): void {
    this.#window.success(now);
    if (this.#exhausted && now >= this.#throttledUntil) this.#served();
    if (this.#suspectUntil > now && ++this.#suspectSuccesses >= SUSPECT_SUCCESSES) this.#suspectUntil = 0;
  }

  #settleProbe(state: HalfOpen, permit: SettledPermit, result: Settlement, retryAfterMs: number, now: number): void {
    if (permit.lease !== undefined) state.leases.delete(permit.lease);
    switch (result) {
      case 'ignore':
        return;
      case 'throttled':
        return this.#throttle(retryAfterMs, now);
      case 'failure':
        return this.#open(state.round + 1, retryAfterMs, now, 'a probe failed');
      case 'success':
        if (this.#exhausted) this.#served();
        state.successes++;
        if (state.successes >= this.options.probeSuccesses)
          this.#enter({ kind: 'closed', since: now }, 'probes succeeded');
    }
  }

  #shouldTrip(now: number): boolean {
    const { failures, minCalls, minFailureRate } = this.options;
    const failed = this.#window.failures(now);
    const threshold = this.#suspectUntil > now ? 1 : failures;
    if (failed < threshold) return false;
    const calls = this.#window.calls(now);
    return calls < minCalls || failed / calls >= minFailureRate;
  }

  #throttle(retryAfterMs: number, now: number): void {
    const waitMs = Math.min(retryAfterMs > 0 ? retryAfterMs : THROTTLE_DEFAULT_MS, RETRY_AFTER_MAX_MS);
    this.#throttledUntil = Math.max(this.#throttledUntil, now + waitMs);
    if (retryAfterMs <= 0) return;
    this.#exhausted = true;
    this.#tellQuota({ key: this.key, kind: 'throttled', waitMs });
  }

  #served(): void {
    this.#exhausted = false;
    this.#tellQuota({ key: this.key, kind: 'served', waitMs: 0 });
  }

  #tellQuota(event: QuotaEvent): void {
    try {
      this.#onQuota?.(event);
    } catch {
      // As with a transition: it is in force, whatever a listener makes of it.
      this.listenerFailures++;
    }
  }

  #open(round: number, retryAfterMs: number, now: number, reason: string): void {
    const { openMs, openMsMax, jitter } = this.options;
    const backoff = Math.min(openMs * 2 ** Math.min(round, 30), openMsMax);
    const drawn = Math.min(backoff * (1 + jitter * (2 * this.#random.next() - 1)), openMsMax);
    const waitMs = Math.max(drawn, Math.min(retryAfterMs, RETRY_AFTER_MAX_MS));
    this.trips++;
    this.#enter({ kind: 'open', since: now, until: now + waitMs, round }, reason);
  }

  #probe(state: HalfOpen, now: number): Permit | Rejection {
    if (state.leases.size >= this.options.probesConcurrent) {
      let soonest = Number.POSITIVE_INFINITY;
      for (const lease of state.leases) soonest = Math.min(soonest, lease.expires);
      return this.#reject('half_open_full', soonest - now);
    }
    const lease = { expires: now + state.probeTimeoutMs };
    state.leases.add(lease);
    this.inFlight++;
    return new CallPermit(this, this.#generation, now, lease);
  }

  /** The state as it is at `now`: what time alone has decided is put in force here, because no timer does it. */
  #settled(now: number): State {
    const state = this.#state;
    if (state.kind === 'closed' || state.kind === 'disabled') return state;
    if (state.kind === 'forced_open') {
      if (state.until !== null && now >= state.until) this.#enter({ kind: 'closed', since: now }, 'the order ran out');
    } else if (state.kind === 'open') {
      if (now >= state.until) {
        // One that was told late, or by a snapshot, has waited less than a probe may take.
        const probeTimeoutMs = Math.min(Math.max(state.until - state.since, this.options.openMs), PROBE_TIMEOUT_MAX_MS);
        this.#enter(
          { kind: 'half_open', since: now, round: state.round, probeTimeoutMs, successes: 0, leases: new Set() },
          'the wait is over',
        );
      }
    } else {
      for (const lease of state.leases) {
        if (now >= lease.expires) {
          this.#open(state.round + 1, 0, now, 'a probe did not come back');
          break;
        }
      }
    }
    return this.#state;
  }

  #enter(next: State, reason: string): void {
    const from = this.#state.kind;
    this.#state = next;
    this.#generation++;
    this.#suspectSuccesses = 0;
    if (next.kind === 'closed') this.#window.clear();
    if (this.#onTransition === undefined || from === next.kind) return;
    const remainingMs = next.kind === 'open' ? next.until - next.since : null;
    try {
      this.#onTransition({ key: this.key, from, to: next.kind, reason, generation: this.#generation, remainingMs });
    } catch {
      // A listener's failure is the listener's: the transition is in force already.
      this.listenerFailures++;
    }
  }

  #reject(reason: Rejection['reason'], retryAfterMs: number): Rejection {
    this.rejected++;
    return { granted: false, kind: 'open', key: this.key, reason, retryAfterMs: Math.max(1, Math.ceil(retryAfterMs)) };
  }
}
