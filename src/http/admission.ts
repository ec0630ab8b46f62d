/** Whether a request comes in, by what the instance has to do already: places, the queue before the work, event loop, memory. */
import type { Clock } from '#core/clock';
import { LimitError } from '#core/errors';
import type { LoadGate, LoadPriority, RefusalReason } from '#contract/load';
import type { Operation } from './operation.ts';
import { Refusal } from './refusal.ts';
import { Turns } from './turns.ts';

/** `always`: also where all places are taken. */
export type Admission = LoadPriority | 'always';

/** What is under way may take so many places more than new work. */
const RESERVED_SHARE = 0.1;
const RETRY_MS = 1_000;
const BEHIND = 'This instance has more to do than it can answer in time.';
const WORDS: Readonly<Record<Exclude<RefusalReason, 'full'>, string>> = {
  queue: BEHIND,
  event_loop: BEHIND,
  memory: 'This instance has hardly any memory left.',
};

export function priorityOf({ access, alwaysAdmitted, continues }: Operation): Admission {
  if (alwaysAdmitted === true) return 'always';
  if (Array.isArray(access) && access.length === 1 && access[0] === 'admin') return 'vital';
  return continues === true ? 'continuing' : 'new';
}

export interface QueueSettings {
  readonly enabled: boolean;
  /** So long may new work have to wait until it begins; what would wait longer is sent away. */
  readonly queueMs: number;
}

interface GateParts {
  readonly load: LoadGate;
  readonly clock: Clock;
  readonly settings: { readonly requestsInFlightMax: number; readonly loadShedding: QueueSettings };
}

/** At least one. */
type Refusals = readonly [Refusal, ...Refusal[]];

export class Gate {
  /** Those who came in and have not begun. */
  readonly turns: Turns;
  readonly #parts: GateParts;
  readonly #refusals: Readonly<Record<RefusalReason, Refusals>>;
  #refused = 0;

  constructor(parts: GateParts) {
    this.#parts = parts;
    const { requestsInFlightMax: places, loadShedding } = parts.settings;
    this.turns = new Turns(parts.clock, loadShedding.enabled ? loadShedding.queueMs : Number.POSITIVE_INFINITY);
    const full = `This instance serves ${places} requests at once, and all places are taken.`;
    this.#refusals = {
      full: [new Refusal('full', new LimitError('too_many_requests_in_flight', full, { retryAfterMs: RETRY_MS }))],
      queue: overloaded('queue'),
      event_loop: overloaded('event_loop'),
      memory: overloaded('memory'),
    };
  }

  /** Null: it comes in. `inFlight` counts it. */
  refusal(priority: LoadPriority, inFlight: number): Refusal | null {
    const places = this.#parts.settings.requestsInFlightMax;
    if (inFlight > (priority === 'new' ? places : places + Math.ceil(places * RESERVED_SHARE)))
      return this.#next('full');
    return this.overload(priority, inFlight);
  }

  /** As `refusal`, for what takes no place. */
  overload(priority: LoadPriority, inFlight: number): Refusal | null {
    if (priority === 'vital') return null;
    // What is under way already is turned away last.
    if (this.turns.isBehind(priority === 'new' ? 1 : 2)) return this.#next('queue');
    const { load, clock } = this.#parts;
    const reason = load.admit(priority, inFlight, clock.now());
    return reason === null ? null : this.#next(reason);
  }

  #next(reason: RefusalReason): Refusal {
    const refusals = this.#refusals[reason];
    return refusals[this.#refused++ % refusals.length] ?? refusals[0];
  }
}

/** Callers who are told different times do not all come back at once. */
function overloaded(reason: Exclude<RefusalReason, 'full'>): Refusals {
  const after = (retryAfterMs: number): Refusal =>
    new Refusal(reason, new LimitError('instance_overloaded', WORDS[reason], { retryAfterMs }));
  return [after(RETRY_MS), after(2 * RETRY_MS), after(3 * RETRY_MS)];
}
