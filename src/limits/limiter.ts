/**
 * Admits calls by all limits that hold for them, or by none. What Redis grants is counted in memory too, so that an instance that loses
 * Redis knows what it has let in: then it allows its share of each limit, never all of it and never none.
 */
import type { Clock, Timer } from '#core/clock';
import type { LiveInstances } from '#contract/instances';
import type { Admission, LimitAmounts, LimitStanding } from '#contract/admission';
import type { LimitedCall, LimitModeReport, LimitReport, Limits, LimitSubjects, SpendStore } from '#contract/limits';
import type { LimitObserver } from '#contract/limit-observer';
import type { Logger } from '#contract/logger';
import type { RedisPort } from '#redis/index';
import type { Breaker } from '#resilience/index';
import { additionsOf, placesOf, settlementOf } from './amendments.ts';
import { MemoryStore } from './memory-store.ts';
import { RedisStore } from './redis-store.ts';
import { Rules } from './rules.ts';
import type { LimitsSettings, Rule } from './rules.ts';
import { SharedCounts } from './shared.ts';
import { SpendBook } from './spend.ts';
import { amountOf } from './store.ts';
import type { Amendment, Claim, Mark, Reserved, RuleState } from './store.ts';
import { exceeded } from './words.ts';

export interface LimiterParts {
  readonly settings: LimitsSettings;
  /** What all instances count in; null where this one is alone. */
  readonly shared: { readonly redis: Pick<RedisPort, 'run' | 'onReady'>; readonly breaker: Breaker } | null;
  readonly instances: LiveInstances;
  /** Of this process alone. */
  readonly incarnation: string;
  readonly spend: SpendStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: LimitObserver;
  /** A minute; tests take a shorter one. */
  readonly windowMs?: number;
}

interface Answered {
  readonly reserved: Reserved;
  /** By all instances' count, not by this one's alone. */
  readonly shared: boolean;
  /** Where it is counted in memory. */
  readonly local: readonly Mark[];
}

interface Asked extends Pick<Answered, 'shared' | 'local'> {
  readonly states: readonly RuleState[];
  readonly granted: boolean;
}

const WINDOW_MS = 60_000;
/** Of a place, before it would end. */
const RENEWALS = 3;
/** Between two looks at what waits, or less where leases are short: spending to be written, places to be renewed, a Redis to be found again. */
const TICK_MS = 1_000;
const NOTHING: LimitAmounts = { tokens: 0, microUsd: 0 };

export class Limiter implements Limits {
  readonly #parts: LimiterParts;
  readonly #local: MemoryStore;
  readonly #shared: SharedCounts | null;
  readonly #book: SpendBook;
  /** Calls under way that hold a place. */
  readonly #live = new Set<Claim>();
  #tick: Timer | undefined;
  #renewedAt: number;
  #settings: LimitsSettings;
  #rules: Rules;

  constructor(parts: LimiterParts) {
    const { settings, shared, spend, clock, windowMs = WINDOW_MS } = parts;
    this.#parts = parts;
    this.#settings = settings;
    this.#rules = new Rules(settings);
    this.#local = new MemoryStore(clock, windowMs);
    if (shared === null) this.#shared = null;
    else {
      const { redis, breaker } = shared;
      const store = new RedisStore(redis, windowMs);
      const counts = new SharedCounts({ ...parts, store, breaker, windowMs, held: () => this.#held() });
      redis.onReady(() => counts.probe());
      this.#shared = counts;
    }
    this.#book = new SpendBook({ ...parts, store: spend });
    this.#renewedAt = clock.now();
    this.#tickLater();
  }

  /** Holds from the next call on; what has been counted stays. */
  configure(settings: LimitsSettings): void {
    this.#settings = settings;
    this.#rules = new Rules(settings);
  }

  admit(call: LimitedCall): Promise<Admission> | null {
    const rules = this.#rules.of(call);
    return rules.length === 0 ? null : this.#admit(call, rules);
  }

  mode(): LimitModeReport {
    if (this.#shared === null) return { mode: 'memory', dividedBy: 1 };
    return this.#shared.away ? { mode: 'share', dividedBy: this.#divisor() } : { mode: 'shared', dividedBy: 1 };
  }

  async report(subjects: LimitSubjects): Promise<LimitReport> {
    const rules = this.#rules.of(subjects);
    if (rules.length === 0) return { ...this.mode(), limits: [] };
    const { leaseMs } = this.#settings;
    const asked = await this.#reserve({ id: null, rules, ...NOTHING, leaseMs, seeds: null });
    return { ...this.mode(), limits: standingsOf(rules, asked.states) };
  }

  /** What waits is told and written. */
  async close(): Promise<void> {
    this.#tick?.cancel();
    await this.#shared?.close();
    await this.#book.close();
  }

  async #admit(call: LimitedCall, rules: readonly Rule[]): Promise<Admission> {
    const sized = rules.some(({ kind }) => kind === 'tokens' || kind === 'usd');
    const estimate = sized ? call.estimate() : NOTHING;
    const claim: Claim = { id: call.id, rules, ...estimate, leaseMs: this.#settings.leaseMs, seeds: null };
    const asked = await this.#reserve(claim);
    const standings = standingsOf(rules, asked.states);
    const worst = asked.granted ? -1 : longestOf(asked.states);
    const rule = rules[worst];
    const standing = standings[worst];
    this.#parts.observer.limitDecided(standings, standing ?? null);
    if (rule !== undefined && standing !== undefined) throw exceeded(standings, standing, amountOf(rule, claim));
    const holds = rules.some(({ kind }) => kind === 'concurrent');
    if (holds) this.#live.add(claim);
    let settled = false;
    return {
      standings,
      estimate,
      settle: (spent) => {
        if (settled) return;
        settled = true;
        this.#live.delete(claim);
        this.#settle(claim, asked, spent);
      },
    };
  }

  /** Asks again where a budget was not known. */
  async #reserve(claim: Claim): Promise<Asked> {
    let asked = await this.#ask(claim, this.#shared);
    if (asked.reserved.kind === 'unseeded') {
      const seeds = await this.#book.read(asked.reserved.budgets, (...budget) => this.#local.spentOf(...budget));
      // A Redis that did not answer is not asked for the same call again: what it may do yet is taken back by the call's id.
      const among = (): SharedCounts | null => (asked.shared ? this.#shared : null);
      asked = await this.#ask({ ...claim, seeds }, among());
      // Redis may be gone, or the day over, since it was asked.
      if (asked.reserved.kind === 'unseeded') asked = await this.#ask({ ...claim, seeds: zeros(claim.rules) }, among());
    }
    const { reserved, shared, local } = asked;
    return { states: statesOf(reserved), granted: reserved.kind === 'granted', shared, local };
  }

  async #ask(claim: Claim, among: SharedCounts | null): Promise<Answered> {
    const reserved = among === null ? null : await among.reserve(claim);
    if (reserved !== null) return { reserved, shared: true, local: this.#mirror(claim, reserved) };
    // A share also where Redis has answered something else meanwhile: this call it did not take.
    const taken = this.#local.take(claim, this.#divisor());
    return { reserved: taken, shared: false, local: statesOf(taken) };
  }

  #mirror(claim: Claim, reserved: Reserved): readonly Mark[] {
    const states = statesOf(reserved);
    claim.rules.forEach(({ kind, name }, place) => {
      const state = states[place];
      if (kind === 'usd' && state !== undefined) this.#local.learn(name, state.mark, state.used, state.generation);
    });
    return reserved.kind === 'granted' ? this.#local.mirror(claim) : [];
  }

  #settle(claim: Claim, { states, shared, local }: Asked, spent: LimitAmounts | null): void {
    const settlement = settlementOf(claim, states, spent);
    if (shared) {
      this.#shared?.owe(settlement);
      // Of budgets it knows what all have spent.
      void this.#local.amend(settlementOf(claim, local, spent).filter(({ kind }) => kind !== 'budget'));
    } else {
      void this.#local.amend(settlement);
      this.#shared?.owe([...additionsOf(claim, states, spent), ...placesOf(claim, null)]);
    }
    const { microUsd } = spent ?? claim;
    claim.rules.forEach(({ kind, name }, place) => {
      if (kind === 'usd') this.#book.spent({ name, startDay: states[place]?.mark ?? 0, microUsd });
    });
  }

  #divisor(): number {
    return this.#shared === null ? 1 : Math.max(1, this.#parts.instances.liveInstances());
  }

  #tickLater(): void {
    const waitMs = Math.min(TICK_MS, this.#settings.leaseMs / RENEWALS);
    this.#tick = this.#parts.clock.schedule(waitMs, () => {
      void this.#book.flush();
      const now = this.#parts.clock.now();
      const due = now - this.#renewedAt >= this.#settings.leaseMs / RENEWALS - TICK_MS / 2;
      if (due) this.#renewedAt = now;
      // Here too where Redis has them: when it is away, its places are those that are known here.
      if (due) void this.#local.amend(this.#held());
      void this.#shared?.renew(due);
      this.#tickLater();
    });
  }

  #held(): Amendment[] {
    return [...this.#live].flatMap((claim) => placesOf(claim, this.#settings.leaseMs));
  }
}

/** The refusal that lasts longest: who waits for it has waited for all. */
function longestOf(states: readonly RuleState[]): number {
  let worst = -1;
  states.forEach(({ refused, resetMs }, place) => {
    if (refused && (worst === -1 || resetMs > (states[worst]?.resetMs ?? 0))) worst = place;
  });
  return worst;
}

function statesOf(reserved: Reserved): readonly RuleState[] {
  return reserved.kind === 'unseeded' ? [] : reserved.states;
}

function standingsOf(rules: readonly Rule[], states: readonly RuleState[]): LimitStanding[] {
  return rules.map(({ scope, id, kind, period, max: limit }, place) => {
    const { used = 0, resetMs = 0, max = limit } = states[place] ?? {};
    return { scope, id, kind, period, max, used, resetMs };
  });
}

function zeros(rules: readonly Rule[]): Map<string, number> {
  return new Map(rules.filter(({ kind }) => kind === 'usd').map(({ name }) => [name, 0]));
}
