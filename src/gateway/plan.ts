/**
 * Which deployment is tried next: the route's groups in order, a draw by weight inside a group, each deployment once; and only when
 * none is left, one whose failure may pass, again, after a pause. Owns the attempt budget of the request. Makes no call.
 */
import type { Random } from '#core/random';
import type { Classified } from './classify.ts';
import type { Deployment } from './deployment.ts';
import type { RetryBudget } from './protection.ts';
import type { Choice, Route } from './route.ts';
import type { GatewaySettings } from './settings.ts';

export interface Candidate {
  readonly deployment: Deployment;
  /** In words for a person who reads the run. */
  readonly reason: string;
  /** The pause before it. */
  readonly backoffMs: number;
}

export interface PlanParts {
  readonly route: Route;
  readonly settings: GatewaySettings;
  readonly random: Random;
  readonly retryBudget: RetryBudget;
  readonly onBudgetExhausted: () => void;
}

export class Plan {
  readonly #parts: PlanParts;
  readonly #untried: Choice[][];
  #group = 0;
  #dispatched = 0;
  #retries = 0;
  /** Failed in a way that may pass; the longest ago first. */
  readonly #passing: { deployment: Deployment; retryAfterMs: number; outcome: string }[] = [];

  constructor(parts: PlanParts) {
    this.#parts = parts;
    this.#untried = parts.route.groups.map((group) => [...group]);
  }

  /** Null: nobody is left, or the budget of attempts is spent. */
  next(): Candidate | null {
    if (this.#dispatched >= this.#parts.settings.attemptsMax) return null;
    return this.#another() ?? this.#again();
  }

  dispatched(): void {
    if (this.#dispatched === 0) this.#parts.retryBudget.recordCall();
    this.#dispatched++;
  }

  failed(deployment: Deployment, { verdict, retryAfterMs, outcome }: Classified): void {
    if (verdict === 'retry_same') this.#passing.push({ deployment, retryAfterMs: retryAfterMs ?? 0, outcome });
  }

  #another(): Candidate | null {
    for (; this.#group < this.#untried.length; this.#group++) {
      const group = this.#untried[this.#group];
      if (group === undefined || group.length === 0) continue;
      const { deployment, weight } = this.#draw(group);
      return { deployment, reason: this.#reason(group.length, weight), backoffMs: 0 };
    }
    return null;
  }

  /** Takes one out of the group, by weight. A group whose weights are all 0 is drawn from evenly. */
  #draw(group: Choice[]): Choice {
    let total = 0;
    for (const { weight } of group) total += weight;
    let at = 0;
    if (group.length > 1) {
      let drawn = this.#parts.random.next() * (total > 0 ? total : group.length);
      while (at < group.length - 1) {
        drawn -= total > 0 ? (group[at]?.weight ?? 0) : 1;
        if (drawn < 0) break;
        at++;
      }
    }
    const [choice] = group.splice(at, 1);
    if (choice === undefined) throw new RangeError('a draw from an empty group');
    return choice;
  }

  #reason(left: number, weight: number): string {
    const { name, groups } = this.#parts.route;
    if (groups.length === 1 && groups[0]?.length === 1) return `the only deployment of route "${name}"`;
    const where = `group ${this.#group + 1} of ${groups.length} of route "${name}"`;
    return left === 1 ? `the last one left in ${where}` : `drawn with weight ${weight} from ${left} in ${where}`;
  }

  #again(): Candidate | null {
    const { retry } = this.#parts.settings;
    const failed = this.#passing.shift();
    if (failed === undefined || this.#retries >= retry.retries || failed.retryAfterMs > retry.maxMs) return null;
    if (!this.#parts.retryBudget.tryRetry()) {
      this.#parts.onBudgetExhausted();
      return null;
    }
    const ceilingMs = Math.min(retry.maxMs, retry.baseMs * 2 ** this.#retries);
    this.#retries++;
    return {
      deployment: failed.deployment,
      reason: `tried again after "${failed.outcome}": no other is left`,
      backoffMs: Math.max(failed.retryAfterMs, this.#parts.random.next() * ceilingMs),
    };
  }
}
