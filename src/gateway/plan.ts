/**
 * Which deployment is tried next: the route's groups in order, inside a group by the route's strategy, each deployment once; and only
 * when none is left, one whose failure may pass, again, after a pause. Owns the attempt budget of the request. Makes no call.
 */
import type { Clock } from '#core/clock';
import { flatText } from '#core/flat-text';
import type { Random } from '#core/random';
import type { AttemptKind, StopReason } from '#contract/runs';
import type { Classified } from './classify.ts';
import type { RetryBudget } from './protection.ts';
import type { Choice, Route } from './route.ts';
import type { GatewaySettings } from './settings.ts';

export interface Candidate {
  readonly choice: Choice;
  readonly kind: AttemptKind;
  /** In words for a person who reads the run. */
  readonly reason: string;
  /** The pause before it. */
  readonly backoffMs: number;
}

export interface PlanParts {
  readonly route: Route;
  readonly stream: boolean;
  /** False: the first deployment that is drawn is the only one. */
  readonly fallback: boolean;
  readonly settings: GatewaySettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly retryBudget: RetryBudget;
  readonly onBudgetExhausted: () => void;
}

interface Passing {
  readonly choice: Choice;
  readonly retryAfterMs: number;
  readonly outcome: string;
}

export class Plan {
  readonly #parts: PlanParts;
  readonly #untried: Choice[][];
  readonly #returned: Choice[] = [];
  #group = 0;
  #drawn = 0;
  #dispatched = 0;
  #earned = false;
  #retries = 0;
  #stop: StopReason = 'nobody_left';
  /** Failed in a way that may pass; the longest ago first. */
  readonly #passing: Passing[] = [];

  constructor(parts: PlanParts) {
    this.#parts = parts;
    this.#untried = parts.route.groups.map((group) => [...group]);
  }

  /** Null: nobody is left, or the budget of attempts is spent. */
  next(): Candidate | null {
    if (this.#spent) return this.#stopped('attempts_spent');
    return this.#another(this.#dispatched === 0 ? 'first' : 'fallback') ?? this.#again();
  }

  /** Why `next` gave none. */
  get stop(): StopReason {
    return this.#stop;
  }

  /** One to ask beside one that is slow; null where there is none, or where the retry budget allows none. */
  beside(): Candidate | null {
    if (this.#spent) return null;
    this.sent();
    const candidate = this.#another('hedge');
    if (candidate === null || this.#mayRepeat()) return candidate;
    // It stays what it was: untried.
    this.#untried[this.#group]?.push(candidate.choice);
    return null;
  }

  /** It is untried again, before all others. */
  putBack(choice: Choice): void {
    this.#returned.push(choice);
  }

  /** One goes out, if its provider can be told the request. */
  dispatched(): void {
    this.#dispatched++;
  }

  /** It did not go out after all. */
  withdrawn(): void {
    this.#dispatched--;
  }

  /** One has gone out: the call earns its share of retries, once. */
  sent(): void {
    if (!this.#earned) this.#parts.retryBudget.recordCall();
    this.#earned = true;
  }

  failed(choice: Choice, { verdict, retryAfterMs, outcome }: Classified): void {
    if (verdict === 'retry_same') this.#passing.push({ choice, retryAfterMs: retryAfterMs ?? 0, outcome });
  }

  get #spent(): boolean {
    return this.#dispatched >= this.#parts.settings.attemptsMax;
  }

  #another(kind: AttemptKind): Candidate | null {
    if (!this.#parts.fallback && this.#drawn > 0) return null;
    const returned = this.#returned.shift();
    if (returned !== undefined) return { choice: returned, kind, reason: 'asked again, from the start', backoffMs: 0 };
    for (; this.#group < this.#untried.length; this.#group++) {
      const group = this.#untried[this.#group];
      if (group === undefined || group.length === 0) continue;
      const left = group.length;
      const choice = this.#take(group);
      this.#drawn++;
      return { choice, kind, reason: flatText(this.#reason(left, choice)), backoffMs: 0 };
    }
    return null;
  }

  /** Takes one out of the group. */
  #take(group: Choice[]): Choice {
    const at = group.length === 1 ? 0 : this.#pick(group);
    const [choice] = group.splice(at, 1);
    if (choice === undefined) throw new RangeError('a draw from an empty group');
    return choice;
  }

  #pick(group: readonly Choice[]): number {
    switch (this.#parts.route.settings.strategy) {
      case 'least-busy':
        return this.#least(group, ({ deployment, weight }) => (deployment.inFlight + 1) / weight);
      case 'least-latency': {
        const now = this.#parts.clock.now();
        return this.#least(group, ({ deployment }) => {
          const latency = this.#parts.stream ? deployment.streamLatency : deployment.plainLatency;
          return latency.expectedMs(now) * (deployment.inFlight + 1);
        });
      }
      default:
        return this.#draw(group);
    }
  }

  /** The position of the smallest; among equals, drawn by weight. */
  #least(group: readonly Choice[], costOf: (choice: Choice) => number): number {
    const costs = group.map(costOf);
    const least = Math.min(...costs);
    const equals = group.filter((_, at) => costs[at] === least);
    const chosen = equals[this.#draw(equals)];
    return chosen === undefined ? 0 : group.indexOf(chosen);
  }

  /** A position drawn by weight. A group whose weights are all 0 is drawn from evenly. */
  #draw(group: readonly Choice[]): number {
    let total = 0;
    for (const { weight } of group) total += weight;
    let drawn = this.#parts.random.next() * (total > 0 ? total : group.length);
    for (let at = 0; at < group.length - 1; at++) {
      drawn -= total > 0 ? (group[at]?.weight ?? 0) : 1;
      if (drawn < 0) return at;
    }
    return group.length - 1;
  }

  #reason(left: number, { weight, deployment }: Choice): string {
    const { name, groups, settings } = this.#parts.route;
    if (groups.length === 1 && groups[0]?.length === 1) return `the only deployment of route "${name}"`;
    const where = `group ${this.#group + 1} of ${groups.length} of route "${name}"`;
    if (left === 1) return `the last one left in ${where}`;
    switch (settings.strategy) {
      case 'least-busy':
        return `the least busy of ${left} in ${where}, ${deployment.inFlight} in flight`;
      case 'least-latency':
        return `the fastest of ${left} of late in ${where}`;
      default:
        return `drawn with weight ${weight} from ${left} in ${where}`;
    }
  }

  #again(): Candidate | null {
    const { retry } = this.#parts.settings;
    if (this.#passing.length === 0) return this.#stopped(this.#parts.fallback ? 'nobody_left' : 'no_fallback');
    if (this.#retries >= retry.retries) return this.#stopped('retries_spent');
    // One that asks for a long pause is no reason not to ask another that does not.
    const at = this.#passing.findIndex(({ retryAfterMs }) => retryAfterMs <= retry.maxMs);
    const failed = this.#passing[at];
    if (failed === undefined) return this.#stopped('pause_too_long');
    if (!this.#mayRepeat()) return this.#stopped('retry_budget');
    this.#passing.splice(at, 1);
    const ceilingMs = Math.min(retry.maxMs, retry.baseMs * 2 ** this.#retries);
    this.#retries++;
    return {
      choice: failed.choice,
      kind: 'retry',
      reason: `tried again after "${failed.outcome}": no other is left`,
      backoffMs: Math.max(failed.retryAfterMs, this.#parts.random.next() * ceilingMs),
    };
  }

  #stopped(reason: StopReason): null {
    this.#stop = reason;
    return null;
  }

  #mayRepeat(): boolean {
    if (this.#parts.retryBudget.tryRetry()) return true;
    this.#parts.onBudgetExhausted();
    return false;
  }
}
