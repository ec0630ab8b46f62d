/**
 * The circuit breaker: CLOSED → OPEN → HALF_OPEN, with FORCED_OPEN and DISABLED for an operator. It decides on its own clock when
 * it is asked, and keeps no timer. A result counts only in the generation its permit was given in; a probe is a lease that runs
 * out; a rejection allocates no error. What it refuses: to queue, to guess, and to be stuck in any state.
 */
import { recentTime } from '#core/clock';
import type { Clock } from '#core/clock';
import { checkedOptions, openWaitMs, saidWaitMs } from './options.ts';
import type { BreakerDependencies, BreakerOptions } from './options.ts';
import { CallPermit } from './permit.ts';
import type { Permit, Rejection, Settlement, SettledPermit } from './permit.ts';
import { goesOn, halfOpenAfter, snapshotOf, soonestBack } from './state.ts';
import type { BreakerSnapshot, HalfOpen, Open, State, Tried } from './state.ts';
import { SlidingWindow } from './window.ts';

const THROTTLE_DEFAULT_MS = 1_000;
const SUSPECT_SUCCESSES = 3;

export class Breaker {
  readonly key: string;
  readonly options: BreakerOptions;
  readonly #clock: Clock;
  readonly #dependencies: BreakerDependencies;
  readonly #window: SlidingWindow;
  #state: State;
  #generation = 0;
  /** The generation in which the probing began: while probes are only slow, it goes on over several. */
  #series = 0;
  #suspectUntil = 0;
  #suspectSuccesses = 0;
  #throttledUntil = 0;
  /** Its quota was exhausted, and nothing has been served since. */
  #exhausted = false;
  /** On its clock. */
  lastUsed: number;
  inFlight = 0;
  trips = 0;
  rejected = 0;
  lateResults = 0;
  listenerFailures = 0;

  /** Throws a `RangeError` for options that are out of bounds. */
  constructor(key: string, options: BreakerOptions, dependencies: BreakerDependencies) {
    this.key = key;
    this.options = checkedOptions(options);
    this.#clock = dependencies.clock;
    this.#dependencies = dependencies;
    this.#window = new SlidingWindow(this.options.windowMs);
    this.lastUsed = this.#clock.now();
    this.#state = { kind: 'closed', since: this.lastUsed };
  }

  /** Asks for leave to make one call. Never waits. */
  tryAcquire(): Permit | Rejection {
    const free = this.enterFree();
    if (free !== undefined) return this.permitOf(free);
    const now = this.#clock.now();
    this.lastUsed = now;
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
    const now = recentTime(this.#clock);
    this.lastUsed = now;
    // Every change of state is a new generation: it is closed as it was.
    if (generation === this.#generation) this.#succeeded(now);
    else this.lateResults++;
  }

  get state(): State {
    return this.#settled(this.#clock.now());
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

  /**
   * Nothing would be lost by forgetting it: nothing in the window, nothing in flight, unused for `idleMs`; and closed, or with its wait
   * over and unused for as long as a failure counts.
   */
  idleFor(idleMs: number): boolean {
    const now = this.#clock.now();
    const { kind } = this.#settled(now);
    const unusedMs = now - this.lastUsed;
    if (kind !== 'closed' && (kind !== 'half_open' || unusedMs < this.options.windowMs)) return false;
    return this.inFlight === 0 && unusedMs >= idleMs && now >= this.#throttledUntil && this.#window.calls(now) === 0;
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
    this.#throttledUntil = Math.max(this.#throttledUntil, now + saidWaitMs(waitMs));
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
    const until = now + saidWaitMs(waitMs);
    if (state.kind === 'open') this.#state = { ...state, until: Math.max(state.until, until) };
    else if (state.kind === 'closed' || state.kind === 'half_open') {
      const round = state.kind === 'closed' ? 0 : state.round;
      this.#enter({ kind: 'open', since: now, until, round, successes: 0 }, 'opened at a peer');
    }
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
    return snapshotOf(this.#settled(now), now);
  }

  /** Goes on from another process's snapshot. A half-open one begins as open with nothing left to wait. */
  hydrate(snapshot: BreakerSnapshot): void {
    const now = this.#clock.now();
    const by = snapshot.by ?? 'snapshot';
    const reason = snapshot.reason ?? 'snapshot';
    const remainingMs = Math.min(saidWaitMs(snapshot.remainingMs ?? 0), this.options.openMsMax);
    switch (snapshot.state) {
      case 'closed':
        return this.reset('snapshot');
      case 'open':
      case 'half_open': {
        const { round } = snapshot;
        return this.#enter({ kind: 'open', since: now, until: now + remainingMs, round, successes: 0 }, 'snapshot');
      }
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
    this.lastUsed = now;
    const state = this.#settledFor(permit, now);
    const current = permit.generation === this.#generation;
    if (state.kind === 'closed' && (current || goesOn(state, permit.lease)))
      this.#settleClosed(permit, result, retryAfterMs, now);
    else if (this.#probesStill(state, permit)) this.#settleProbe(state, permit, result, retryAfterMs, now);
    else if (!current) this.lateResults++;
  }

  /** For permits only: the upstream of a probe answers, and the answer goes on. */
  prove(permit: SettledPermit): void {
    const now = this.#clock.now();
    const state = this.#settledFor(permit, now);
    if (permit.lease === undefined || permit.lease.proved || !this.#probesStill(state, permit)) return;
    this.lastUsed = now;
    permit.lease.proved = true;
    this.#probeSucceeded(state, now);
  }

  /** A probe that is back now has not been lost, whenever anybody last looked. */
  #settledFor({ lease }: SettledPermit, now: number): State {
    if (lease !== undefined && this.#state.kind === 'half_open') this.#state.leases.delete(lease);
    return this.#settled(now);
  }

  /** A probe of the series that is not decided yet: its result counts, although it may have been given up meanwhile. */
  #probesStill(state: State, { lease }: SettledPermit): state is HalfOpen | Open {
    return (state.kind === 'half_open' || state.kind === 'open') && lease?.series === this.#series;
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

  #settleProbe(
    state: HalfOpen | Open,
    permit: SettledPermit,
    result: Settlement,
    retryAfterMs: number,
    now: number,
  ): void {
    const proved = permit.lease?.proved === true;
    switch (result) {
      case 'ignore':
        return;
      case 'throttled':
        return this.#throttle(retryAfterMs, now);
      case 'failure':
        // One that was given up has failed already; one that had begun well has not.
        if (permit.generation !== this.#generation && !proved) this.lateResults++;
        else
          this.#open(state.round + 1, retryAfterMs, now, 'a probe failed', proved ? {} : { askedAt: permit.startedAt });
        return;
      case 'success':
        if (!proved) this.#probeSucceeded(state, now);
    }
  }

  #probeSucceeded(state: HalfOpen | Open, now: number): void {
    if (this.#exhausted) this.#served();
    state.successes++;
    if (state.successes >= this.options.probeSuccesses)
      this.#enter({ kind: 'closed', since: now, probedBy: this.#series }, 'probes succeeded');
    else if (state.kind === 'open') this.#halfOpen(state, now, 'a probe came back');
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
    const waitMs = saidWaitMs(retryAfterMs) || THROTTLE_DEFAULT_MS;
    this.#throttledUntil = Math.max(this.#throttledUntil, now + waitMs);
    if (retryAfterMs <= 0) return;
    this.#exhausted = true;
    this.#tell(this.#dependencies.onQuota, { key: this.key, kind: 'throttled', waitMs });
  }

  #served(): void {
    this.#exhausted = false;
    this.#tell(this.#dependencies.onQuota, { key: this.key, kind: 'served', waitMs: 0 });
  }

  /** Of what is in force already, whatever the listener makes of it. */
  #tell<Event>(listener: ((event: Event) => void) | undefined, event: Event): void {
    try {
      listener?.(event);
    } catch {
      this.listenerFailures++;
    }
  }

  #open(round: number, retryAfterMs: number, now: number, reason: string, tried: Tried = {}): void {
    const { askedAt = now, successes } = tried;
    const waitMs = openWaitMs(this.options, round, this.#dependencies.random);
    const until = Math.max(askedAt + waitMs, now + saidWaitMs(retryAfterMs));
    this.trips++;
    this.#enter({ kind: 'open', since: now, until, round, successes: successes ?? 0 }, reason, successes !== undefined);
  }

  #probe(state: HalfOpen, now: number): Permit | Rejection {
    if (state.leases.size >= this.options.probesConcurrent)
      return this.#reject('half_open_full', soonestBack(state) - now);
    const lease = { expires: now + state.probeTimeoutMs, series: this.#series, proved: false };
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
      if (now >= state.until) this.#halfOpen(state, now, 'the wait is over');
    } else if (now >= soonestBack(state)) {
      const askedAt = soonestBack(state) - state.probeTimeoutMs;
      this.#open(state.round + 1, 0, now, 'a probe did not come back', { askedAt, successes: state.successes });
      // Where nobody looked until the wait after it was over as well.
      return this.#settled(now);
    }
    return this.#state;
  }

  #halfOpen(open: Open, now: number, reason: string): void {
    this.#enter(halfOpenAfter(open, this.options.openMs, now), reason, true);
  }

  /** `probing`: whether what probes did and may still do counts on. */
  #enter(next: State, reason: string, probing = false): void {
    const from = this.#state.kind;
    this.#state = next;
    this.#generation++;
    if (!probing) this.#series = this.#generation;
    this.#suspectSuccesses = 0;
    if (next.kind === 'closed') this.#window.clear();
    if (from === next.kind) return;
    const remainingMs = next.kind === 'open' ? next.until - next.since : null;
    const transition = { key: this.key, from, to: next.kind, reason, generation: this.#generation, remainingMs };
    this.#tell(this.#dependencies.onTransition, transition);
  }

  #reject(reason: Rejection['reason'], retryAfterMs: number): Rejection {
    this.rejected++;
    return { granted: false, kind: 'open', key: this.key, reason, retryAfterMs: Math.max(1, Math.ceil(retryAfterMs)) };
  }
}
