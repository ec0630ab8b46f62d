/**
 * Whether a request comes in, by what the instance has to do already. A refusal is made once and thrown many times: it must cost
 * next to nothing, because there are most of them when there is least time.
 */
import type { Clock } from '#core/clock';
import type { HubError } from '#core/errors';
import { LimitError } from '#core/errors';
import type { LoadGate, LoadPriority, ShedReason } from '#contract/load';
import type { Observer } from '#contract/observer';
import type { Connections } from './connections.ts';
import type { Operation } from './operation.ts';
import type { RequestContext } from './request-context.ts';

/** `always`: also where all places are taken. */
export type Admission = LoadPriority | 'always';

/** What is under way may take so many places more than new work. */
const RESERVED_SHARE = 0.1;
const RETRY_MS = 1_000;
const WORDS: Readonly<Record<ShedReason, string>> = {
  event_loop: 'This instance has more to do than it can answer in time.',
  memory: 'This instance has hardly any memory left.',
};

export function priorityOf({ access, alwaysAdmitted, continues }: Operation): Admission {
  if (alwaysAdmitted === true) return 'always';
  if (Array.isArray(access) && access.length === 1 && access[0] === 'admin') return 'vital';
  return continues === true ? 'continuing' : 'new';
}

interface GateParts {
  readonly load: LoadGate;
  readonly observer: Pick<Observer, 'requestShed'>;
  readonly clock: Clock;
  readonly settings: { readonly requestsInFlightMax: number };
}

/** At least one. */
type Refusals = readonly [HubError, ...HubError[]];

export class Gate {
  readonly #parts: GateParts;
  readonly #connections: Pick<Connections, 'requestsInFlight'>;
  readonly #full: Refusals;
  readonly #shed: Readonly<Record<ShedReason, Refusals>>;
  #refusals = 0;

  constructor(parts: GateParts, connections: Pick<Connections, 'requestsInFlight'>) {
    this.#parts = parts;
    this.#connections = connections;
    const places = parts.settings.requestsInFlightMax;
    this.#full = [
      new LimitError(
        'too_many_requests_in_flight',
        `This instance serves ${places} requests at once, and all places are taken.`,
        { retryAfterMs: RETRY_MS },
      ),
    ];
    const overloaded = (reason: ShedReason): Refusals => {
      const after = (retryAfterMs: number): HubError =>
        new LimitError('instance_overloaded', WORDS[reason], { retryAfterMs });
      // Callers who are told different times do not all come back at once.
      return [after(RETRY_MS), after(2 * RETRY_MS), after(3 * RETRY_MS)];
    };
    this.#shed = { event_loop: overloaded('event_loop'), memory: overloaded('memory') };
  }

  /** Throws what it is sent away with. */
  admit({ local, receivedAt }: RequestContext, admission: Admission): void {
    if (admission === 'always') return;
    // Whoever may open the local socket is an operator of this machine.
    const priority = local ? 'vital' : admission;
    const { load, settings } = this.#parts;
    const places = settings.requestsInFlightMax;
    const inFlight = this.#connections.requestsInFlight;
    if (inFlight > (priority === 'new' ? places : places + Math.ceil(places * RESERVED_SHARE)))
      this.#refuse(this.#full, 'full', priority);
    const reason = load.admit(priority, inFlight, receivedAt);
    if (reason !== null) this.#refuse(this.#shed[reason], reason, priority);
  }

  /** As `admit`, for a run that begins on a socket. */
  admitRun(): void {
    const reason = this.#parts.load.admit('new', this.#connections.requestsInFlight, this.#parts.clock.now());
    if (reason !== null) this.#refuse(this.#shed[reason], reason, 'new');
  }

  #refuse(errors: Refusals, reason: ShedReason | 'full', priority: LoadPriority): never {
    this.#parts.observer.requestShed(reason, priority);
    throw errors[this.#refusals++ % errors.length] ?? errors[0];
  }
}
