/**
 * Local decisions, shared evidence. A trip here makes the same circuit suspect at the peers and opens none of them, or where `any` is
 * configured opens it at all of them, and one then probes for all. Two things are true for all alike and are done by all: an
 * exhausted quota, which one instance then probes for all, and an operator's word. Told by
 * publication, which may be lost, and by marks that every instance reads again and again. No call waits for any of it, and without
 * Redis each instance decides by itself.
 */
import type { Clock, Timer } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Random } from '#core/random';
import type { BreakerOrder, SharedEvidence } from '#contract/evidence';
import type { Logger } from '#contract/logger';
import type { RedisPort } from '#redis/index';
import type { Breaker, BreakerRegistry, QuotaEvent, Transition } from '#resilience/index';
import { messageFields, parseMessage } from './messages.ts';
import type { Message, MessageKind } from './messages.ts';
import { circuitGate, ProbeLeases, quotaGate } from './probe-leases.ts';
import { triplesOf } from './registry.ts';
import { NUMBERS, readMarks, tell } from './scripts.ts';

const CHANNEL = 'revoagent:breakers';
const MARKS = 'revoagent:breakers:marks';
const RECONCILE_MS = 5_000;
const JITTER = 0.2;
/** Over a trip's own time, for peers who read the marks late. */
const GRACE_MS = 2_000;
/** Of all instances together. A reset's mark is made in the lower half alone: what is in force has room before what is over. */
const MARKS_MAX = 1_000;
/**
 * A reset stays as a mark in place of the order that it ends, for those who could not hear it; and an order that Redis did not take
 * is told again for as long, because what came after it may be forgotten then.
 */
const ORDER_KEPT_MS = 3_600_000;
/** Versions that are remembered here; the oldest is forgotten, and its mark would be heeded once more. */
const HEARD_MAX = 4_096;
/** Upstreams are the same for all; a dependency such as the database may be away for one alone. */
const SHARED = /^(?:provider|external):/;

export interface EvidenceParts {
  readonly incarnation: string;
  readonly instance: string;
  /** What a peer's trip is here: a reason for suspicion, or as good as one's own. */
  readonly mode: 'advise' | 'any';
  readonly redis: RedisPort;
  readonly breakers: BreakerRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

type About = Pick<Message, 'kind' | 'breaker' | 'remainingMs'> & Partial<Pick<Message, 'by' | 'reason'>>;

/** An order of this instance that Redis has not taken yet. */
interface Untold {
  readonly about: About;
  readonly orderedAt: number;
  /** Redis is being told; what became of that is not known. */
  telling: boolean;
}

export class BreakerEvidence implements SharedEvidence {
  readonly #parts: EvidenceParts;
  readonly #quotas: ProbeLeases;
  /** Null where each instance decides on its circuits itself. */
  readonly #circuits: ProbeLeases | null;
  readonly #unsubscribe: (() => void)[];
  /** By breaker and what it is about: the last version that was heeded. */
  readonly #heard = new Map<string, number>();
  /** By breaker, the last order alone. */
  readonly #untold = new Map<string, Untold>();
  /** What is done here because a peer has told it: nobody needs to hear it again. */
  #heeding: string | null = null;
  #degraded = true;
  #timer: Timer | undefined;
  #closed = false;

  constructor(parts: EvidenceParts) {
    this.#parts = parts;
    this.#quotas = new ProbeLeases(
      quotaGate,
      parts,
      (key) => void this.#tell({ kind: 'recovered', breaker: key, remainingMs: null }),
    );
    // That a circuit closed is told when it closes.
    this.#circuits = parts.mode === 'any' ? new ProbeLeases(circuitGate, parts, () => undefined) : null;
    this.#unsubscribe = [
      parts.breakers.onTransition((transition) => this.#onTransition(transition)),
      parts.breakers.onQuota((event) => this.#onQuota(event)),
    ];
    parts.redis.subscribe(CHANNEL, (text) => {
      const message = parseMessage(text);
      if (message !== null) this.#heed(message, message.remainingMs);
    });
    this.#reconcileAndGoOn();
  }

  get degraded(): boolean {
    return this.#degraded;
  }

  order(key: string, order: BreakerOrder): void {
    const { by, reason } = order;
    const about = { ...wordOf(order), breaker: key, by, reason };
    const untold = { about, orderedAt: this.#parts.clock.now(), telling: false };
    keepLast(this.#untold, key, untold, MARKS_MAX);
    this.#tellOrder(untold, 0);
  }

  /** Reads the marks now: Redis answers again. */
  reconcile(): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    this.#reconcileAndGoOn();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#quotas.close();
    this.#circuits?.close();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  #onTransition({ key, to, remainingMs }: Transition): void {
    if (!SHARED.test(key) || key === this.#heeding) return;
    if (to === 'open') {
      void this.#tell({ kind: 'trip', breaker: key, remainingMs: remainingMs ?? 0 });
      this.#circuits?.holdBack(key, remainingMs ?? 0);
    } else if (to === 'closed') {
      void this.#tell({ kind: 'closed', breaker: key, remainingMs: null });
      this.#circuits?.served(key);
      this.#circuits?.recovered(key);
    }
  }

  #onQuota({ key, kind, waitMs }: QuotaEvent): void {
    if (!SHARED.test(key)) return;
    if (kind === 'throttled') {
      void this.#tell({ kind: 'exhausted', breaker: key, remainingMs: waitMs });
      this.#quotas.holdBack(key, waitMs);
    } else this.#quotas.served(key);
  }

  /** Resolves with whether Redis took it. */
  #tell(about: About, agoMs = 0): Promise<boolean> {
    const { incarnation, instance, redis, logger } = this.#parts;
    const text = messageFields({ by: null, reason: null, ...about, incarnation, instance });
    const field = `${topicOf(about.kind)} ${about.breaker}`;
    const marksMax = about.kind === 'reset' ? MARKS_MAX / 2 : MARKS_MAX;
    const args = [CHANNEL, field, markMs(about), text, marksMax, agoMs, this.#heard.get(field) ?? 0];
    return redis.run(tell, [MARKS, NUMBERS], args).then(
      (version) => {
        this.#remember(about.kind, about.breaker, Number(version));
        return true;
      },
      (error: unknown) => {
        logger.debug('evidence-not-told', { reason: messageOf(error) });
        return false;
      },
    );
  }

  #tellOrder(untold: Untold, agoMs: number): void {
    const { about } = untold;
    const remainingMs = about.remainingMs === null ? null : about.remainingMs - agoMs;
    untold.telling = true;
    void this.#tell({ ...about, remainingMs }, agoMs).then((told) => {
      untold.telling = false;
      if (told && this.#untold.get(about.breaker) === untold) this.#untold.delete(about.breaker);
    });
  }

  /** What Redis has not taken, with the age that it has by now: a newer order wins over it. */
  #tellAgain(): void {
    const { clock, logger } = this.#parts;
    for (const [breaker, untold] of this.#untold) {
      if (untold.telling) continue;
      const { kind, remainingMs } = untold.about;
      const agoMs = clock.now() - untold.orderedAt;
      const tooLate = agoMs >= ORDER_KEPT_MS;
      if (tooLate) logger.warn('order-not-told', { breaker, kind });
      if (tooLate || (remainingMs !== null && remainingMs <= agoMs)) this.#untold.delete(breaker);
      else this.#tellOrder(untold, agoMs);
    }
  }

  #reconcileAndGoOn(): void {
    const { clock, random, redis, logger } = this.#parts;
    const waitMs = RECONCILE_MS * (1 + JITTER * (2 * random.next() - 1));
    this.#timer = clock.schedule(waitMs, () => this.#reconcileAndGoOn());
    this.#tellAgain();
    redis.run(readMarks, [MARKS], []).then(
      (reply) => {
        this.#degraded = false;
        for (const [, remainingMs, text] of triplesOf(reply)) {
          const message = parseMessage(text);
          if (message !== null) this.#heed(message, remainingMs === 0 ? null : remainingMs);
        }
      },
      (error: unknown) => {
        if (!this.#degraded) logger.warn('evidence-not-shared', { reason: messageOf(error) });
        this.#degraded = true;
      },
    );
  }

  #heed(message: Message, remainingMs: number | null): void {
    const { breakers, incarnation, logger } = this.#parts;
    const { kind, breaker: key, version } = message;
    const topic = topicOf(kind);
    if (message.incarnation === incarnation || version <= (this.#heard.get(`${topic} ${key}`) ?? 0)) return;
    // Whether it is newer than the own one is known when Redis has taken that: its mark is read again.
    if (topic === 'order' && this.#untold.has(key)) return;
    const breaker = breakers.find(key);
    // One that is not used here yet: its mark is read again.
    if (breaker === undefined) return;
    this.#remember(kind, key, version);
    logger.info('evidence-heard', { breaker: key, kind, from: message.instance, remainingMs });
    this.#heeding = key;
    this.#act(breaker, message, remainingMs);
    this.#heeding = null;
  }

  #act(breaker: Breaker, { kind, by, reason, instance }: Message, remainingMs: number | null): void {
    const order = { by: by ?? instance, reason: reason ?? `told by ${instance}` };
    switch (kind) {
      case 'trip':
        if (this.#circuits === null) return breaker.markSuspect(remainingMs ?? 0);
        return this.#circuits.holdBack(breaker.key, remainingMs ?? 0);
      case 'closed':
        // Without `any`, who is suspect finds out by itself.
        return this.#circuits?.recovered(breaker.key);
      case 'exhausted':
        return this.#quotas.holdBack(breaker.key, remainingMs ?? 0);
      case 'recovered':
        return this.#quotas.recovered(breaker.key);
      case 'forced':
        return breaker.forceOpen({ ...order, forMs: remainingMs ?? undefined });
      case 'disabled':
        return breaker.disable(order);
      case 'reset':
        if (isEndedBy(breaker.state, this.#parts.clock.now(), remainingMs)) breaker.reset(order.reason);
    }
  }

  #remember(kind: MessageKind, key: string, version: number): void {
    const name = `${topicOf(kind)} ${key}`;
    if (version <= (this.#heard.get(name) ?? 0)) return;
    keepLast(this.#heard, name, version, HEARD_MAX);
  }
}

/** It is the newest from now on; the oldest goes where there are more than `max`. */
function keepLast<Value>(map: Map<string, Value>, key: string, value: Value, max: number): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > max && oldest !== undefined) map.delete(oldest);
}

function wordOf(order: BreakerOrder): Pick<Message, 'kind' | 'remainingMs'> {
  if (order.kind === 'force-open') return { kind: 'forced', remainingMs: order.forMs ?? null };
  return order.kind === 'disable'
    ? { kind: 'disabled', remainingMs: null }
    : { kind: 'reset', remainingMs: ORDER_KEPT_MS };
}

/** What follows on something takes its place. */
function topicOf(kind: MessageKind): 'trip' | 'quota' | 'order' {
  if (kind === 'trip' || kind === 'closed') return 'trip';
  return kind === 'exhausted' || kind === 'recovered' ? 'quota' : 'order';
}

/** Whether a reset ends this state: an operator's order always, and what the circuit found out itself unless that came after the reset. */
function isEndedBy({ kind, since }: Breaker['state'], now: number, keptForMs: number | null): boolean {
  const agoMs = ORDER_KEPT_MS - (keptForMs ?? ORDER_KEPT_MS);
  return kind === 'forced_open' || kind === 'disabled' || now - since >= agoMs;
}

/** How long the mark stays; 0 until it is taken back, '' not at all. */
function markMs({ kind, remainingMs }: Pick<Message, 'kind' | 'remainingMs'>): number | '' {
  switch (kind) {
    case 'trip':
      return Math.ceil((remainingMs ?? 0) + GRACE_MS);
    case 'exhausted':
    case 'forced':
    case 'reset':
      return remainingMs === null ? 0 : Math.max(1, Math.ceil(remainingMs));
    case 'disabled':
      return 0;
    case 'closed':
    case 'recovered':
      return '';
  }
}
