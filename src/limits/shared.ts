/**
 * The Redis that all instances count in, behind its breaker: one question before a call, with a deadline; what ends calls is told behind
 * them, all that ended in one turn together. While Redis is away it keeps what it is to be told, and tells it when it is back.
 */
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import { TooSlowError, within } from '#core/within';
import type { LimitObserver } from '#contract/limit-observer';
import type { Logger } from '#contract/logger';
import { createConvoy, RedisNotSentError } from '#redis/index';
import type { Breaker } from '#resilience/index';
import { placesOf, undoOf } from './amendments.ts';
import { Debts } from './debts.ts';
import { Receipts } from './receipts.ts';
import type { Amendment, Claim, LimitStore, Receipt, Reserved } from './store.ts';

export interface SharedParts {
  readonly store: LimitStore;
  readonly breaker: Breaker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: LimitObserver;
  readonly windowMs: number;
  /** Of this process alone. */
  readonly incarnation: string;
  /** What is held just now, for a Redis that may have lost it. */
  readonly held: () => Amendment[];
}

/** Redis answers in a tenth of a millisecond; a call waits this long for it and no longer. */
const DEADLINE_MS = 250;
/** Amendments of one script: longer ones would hold up the other instances. */
const BATCH_MAX = 500;
/** A connection that comes and goes again and again is no reason to ask more often. */
const PROBES_MS = 1_000;
/** Takes nothing. */
const NOBODY: Claim = { id: null, rules: [], tokens: 0, microUsd: 0, leaseMs: 0, seeds: null };

/** `unsent`: nothing went out, so nothing happened. `unknown`: it may have, or may yet. */
type Answer<T> = { readonly kind: 'answered'; readonly value: T } | { readonly kind: 'unsent' | 'unknown' };

export class SharedCounts {
  away = false;
  readonly #parts: SharedParts;
  readonly #debts: Debts;
  readonly #receipts: Receipts;
  readonly #never = new AbortController().signal;
  readonly #pending: Amendment[] = [];
  readonly #together = createConvoy<Claim, Reserved>((claims) => this.#reserve(claims));
  #telling = 0;
  #probedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: SharedParts) {
    this.#parts = parts;
    this.#debts = new Debts(parts.clock, parts.windowMs);
    this.#receipts = new Receipts(parts.clock, parts.incarnation);
  }

  /** Null: Redis does not answer. Once for each id: what an unanswered one took is taken back by it. */
  async reserve(claim: Claim): Promise<Reserved | null> {
    try {
      return await this.#together(claim);
    } catch {
      return null;
    }
  }

  async #reserve(claims: readonly Claim[]): Promise<readonly Reserved[]> {
    this.#flush();
    const answer = await this.#ask('reserve', (store) => store.reserve(claims));
    if (answer.kind === 'answered') return answer.value;
    // A Redis that hangs does what it was asked when it goes on, and the calls are let in without it, or refused. Places of those
    // that are let in are held when it is back.
    if (answer.kind === 'unknown') this.owe([...undoOf(claims), ...claims.flatMap((claim) => placesOf(claim, null))]);
    this.#blame(claims.length - 1);
    throw new Error('Redis did not answer.');
  }

  /** Each of those that asked together has had no answer. */
  #blame(others: number): void {
    for (let count = 0; count < others; count++) {
      const permit = this.#parts.breaker.tryAcquire();
      if (!permit.granted) return;
      permit.failure();
    }
  }

  /** Told with the next question, or at the end of this turn, or of what is being told just now. */
  amend(amendments: readonly Amendment[]): void {
    if (amendments.length === 0) return;
    if (this.#pending.length === 0 && this.#telling === 0) process.nextTick(() => this.#flush());
    // One by one: as arguments of one call, what is owed after a long time away is more than a stack holds.
    for (const amendment of amendments) this.#pending.push(amendment);
  }

  /** Told when Redis is back. */
  owe(amendments: readonly Amendment[]): void {
    if (this.away) this.#debts.add(amendments);
    else this.amend(amendments);
  }

  /** Holds what is held, where that is due; and finds out whether Redis is back, or away where nothing is held that would show it. */
  async renew(due: boolean): Promise<void> {
    const held = due && !this.away ? this.#parts.held() : [];
    if (held.length > 0) await this.#tell(held);
    else if (due || this.away) await this.#ask('reserve', (store) => store.reserve([NOBODY]));
  }

  /** The connection is there again: asked at once, whatever its circuit had left to wait. */
  probe(): void {
    const { clock, breaker } = this.#parts;
    if (!this.away || clock.now() - this.#probedAt < PROBES_MS) return;
    this.#probedAt = clock.now();
    breaker.endWait();
    void this.renew(false);
  }

  async close(): Promise<void> {
    await this.#tell(this.#pending.splice(0));
  }

  #flush(): void {
    if (this.#pending.length > 0) void this.#tell(this.#pending.splice(0));
  }

  /** Never rejects. */
  async #tell(amendments: readonly Amendment[]): Promise<void> {
    this.#telling++;
    for (let from = 0; from < amendments.length; from += BATCH_MAX) {
      const next = amendments.slice(from, from + BATCH_MAX);
      const batch = from === 0 ? next : this.#stillHeld(next);
      const receipt = this.#receipts.next(batch);
      const { kind } = await this.#ask('amend', (store) => store.amend(batch, receipt));
      if (kind === 'answered' && receipt !== undefined) this.#receipts.answered(receipt);
      // What is held is told anew when Redis is back, and may have been left by then.
      if (kind === 'unsent') this.owe(batch.filter((amendment) => amendment.kind !== 'hold'));
      if (kind !== 'unknown') continue;
      // What windows hold runs out before long. Leaving a place twice is leaving it.
      this.owe(batch.filter((each) => each.kind === 'leave' || each.kind === 'undo'));
      if (receipt !== undefined) this.#receipts.unsure(receipt, batch);
    }
    this.#telling--;
    if (this.#telling === 0) this.#flush();
  }

  /** Never rejects. */
  async #tellAgain(receipt: Receipt, sums: readonly Amendment[]): Promise<void> {
    const { kind } = await this.#ask('amend', (store) => store.amend(sums, receipt));
    if (kind !== 'answered') this.#receipts.unsure(receipt, sums);
  }

  /** Without the places that were left while others were told: a question since then has told that already, and nobody would leave them again. */
  #stillHeld(amendments: readonly Amendment[]): readonly Amendment[] {
    if (!amendments.some(({ kind }) => kind === 'hold')) return amendments;
    const held = new Set(this.#parts.held().flatMap((each) => (each.kind === 'hold' ? [each.id] : [])));
    return amendments.filter((each) => each.kind !== 'hold' || held.has(each.id));
  }

  /** Never rejects. */
  async #ask<T>(operation: 'reserve' | 'amend', ask: (store: LimitStore) => Promise<T>): Promise<Answer<T>> {
    const { store, breaker, clock, observer, logger } = this.#parts;
    const permit = breaker.tryAcquire();
    if (!permit.granted) {
      this.away = true;
      return { kind: 'unsent' };
    }
    const startedAt = clock.now();
    const limits = { clock, limitMs: DEADLINE_MS, signal: this.#never };
    try {
      const value = await within(limits, () => ask(store));
      permit.success();
      observer.limitStoreAsked(operation, 'ok', clock.now() - startedAt);
      // A full one takes amendments, and reserves nothing.
      if (this.away && operation === 'reserve') this.#back();
      return { kind: 'answered', value };
    } catch (error) {
      permit.failure();
      observer.limitStoreAsked(
        operation,
        error instanceof TooSlowError ? 'timeout' : 'failed',
        clock.now() - startedAt,
      );
      if (!this.away) logger.warn('limits-divided', { reason: messageOf(error) });
      this.away = true;
      return { kind: error instanceof RedisNotSentError ? 'unsent' : 'unknown' };
    }
  }

  #back(): void {
    this.away = false;
    this.#parts.logger.info('limits-shared-again', { owed: this.#debts.size });
    for (const { receipt, sums } of this.#receipts.take()) void this.#tellAgain(receipt, sums);
    this.amend([...this.#debts.take(), ...this.#parts.held()]);
  }
}
