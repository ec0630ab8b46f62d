/**
 * Idempotency keys. That a request runs or was done is in the database, so that it holds over instances and restarts; the answer itself
 * is kept in the memory of the instance that gave it, because what was said is nobody's to store unless a route says so. Without the
 * database a key holds within the instance, and the log says that.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock, Timer } from '#core/clock';
import { messageOf, UnavailableError } from '#core/errors';
import { newId } from '#core/ids';
import { limits } from '#core/limits';
import type { Claim, Idempotency, IdempotentRequest, KeptAnswer } from '#contract/idempotency';
import type { Logger } from '#contract/logger';
import type { ClaimRecord, ClaimStore } from '#contract/stores';

/** How long a claim outlives the instance that has it. */
const LEASE_MS = 30_000;
const RENEW_MS = 10_000;

export interface IdempotencyParts {
  readonly claims: ClaimStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Kept {
  readonly fingerprint: string;
  /** Null: it was done, and its answer is not to be had. */
  readonly answer: KeptAnswer | null;
  readonly untilMs: number;
}

export function createIdempotency(parts: IdempotencyParts): Idempotency {
  return new Claims(parts);
}

class Claims implements Idempotency {
  readonly #parts: IdempotencyParts;
  /** Under way in this instance, by id; as many as there are requests in flight at most. */
  readonly #running = new Map<string, ClaimRecord>();
  readonly #kept = new LRUCache<string, Kept>({
    maxSize: limits.idempotentBytesMax,
    // An empty answer takes room too: what surrounds it.
    sizeCalculation: ({ answer }) => (answer?.body.byteLength ?? 0) + 1_024,
  });
  #timer: Timer | undefined;

  constructor(parts: IdempotencyParts) {
    this.#parts = parts;
  }

  async claim(request: IdempotentRequest): Promise<Claim> {
    const { clock, claims } = this.#parts;
    const { projectId, keyId, operation, key, body } = request;
    const id = hash('sha256', JSON.stringify([projectId, keyId, operation, key]), 'hex');
    const fingerprint = hash('sha256', body, 'hex');
    const here = this.#here(id, fingerprint);
    if (here !== null) return here;
    const wallMs = clock.wallMs();
    const record: ClaimRecord = { id, projectId, owner: newId('clm', wallMs), fingerprint };
    // Before the database is asked: two requests at once in one instance must not both go on when it is away.
    this.#running.set(id, record);
    try {
      const there = await this.#reach('taken', () => claims.take(record, wallMs, wallMs + LEASE_MS));
      if (there !== null && there !== undefined) {
        this.#running.delete(id);
        if (there.fingerprint !== fingerprint) return { kind: 'other-request' };
        return { kind: there.done ? 'not-kept' : 'running' };
      }
    } catch (error) {
      this.#running.delete(id);
      throw error;
    }
    this.#arm();
    return { kind: 'mine', settle: (answer) => this.#settle(record, answer) };
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #here(id: string, fingerprint: string): Claim | null {
    const kept = this.#kept.get(id);
    if (kept !== undefined && kept.untilMs > this.#parts.clock.now()) {
      if (kept.fingerprint !== fingerprint) return { kind: 'other-request' };
      return kept.answer === null ? { kind: 'not-kept' } : { kind: 'answered', answer: kept.answer };
    }
    const running = this.#running.get(id);
    return running === undefined ? null : { kind: running.fingerprint === fingerprint ? 'running' : 'other-request' };
  }

  /** The answer is there for others as soon as this is called, before the database has heard of it. */
  async #settle(record: ClaimRecord, answer: KeptAnswer | 'too-large' | 'failed'): Promise<void> {
    const { clock, claims } = this.#parts;
    const { id, owner, fingerprint } = record;
    if (answer !== 'failed') {
      const kept = answer === 'too-large' ? null : answer;
      this.#kept.set(id, { fingerprint, answer: kept, untilMs: clock.now() + limits.idempotencyKeepMs });
    }
    try {
      await (answer === 'failed'
        ? this.#reach('released', () => claims.release(id, owner))
        : this.#reach('finished', () => claims.finish(id, owner, clock.wallMs() + limits.idempotencyKeepMs)));
    } finally {
      // Also where the database refused to hear of it: what is renewed no more ends by its lease there.
      this.#running.delete(id);
    }
  }

  /** Undefined where the database is away. */
  async #reach<T>(what: string, ask: () => Promise<T>): Promise<T | undefined> {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      this.#parts.logger.warn('idempotency-local', { claim: what, reason: messageOf(error) });
      return undefined;
    }
  }

  #arm(): void {
    this.#timer ??= this.#parts.clock.schedule(RENEW_MS, () => {
      this.#timer = undefined;
      if (this.#running.size === 0) return;
      this.#renew()
        .catch((error: unknown) => this.#parts.logger.warn('claims-not-renewed', { reason: messageOf(error) }))
        .finally(() => this.#arm());
    });
  }

  async #renew(): Promise<void> {
    const { claims, clock } = this.#parts;
    const owners = [...this.#running.values()].map(({ owner }) => owner);
    await this.#reach('renewed', () => claims.extend(owners, clock.wallMs() + LEASE_MS));
  }
}
