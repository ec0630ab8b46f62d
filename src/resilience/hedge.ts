/**
 * A second attempt beside a slow first one; the first answer wins, and the other is told to stop. It trades a few more calls for the
 * tail of the latency (Dean and Barroso, "The Tail at Scale", 2013), so it waits until the call is slower than most, and takes from
 * the retry budget. Only for what may be done twice.
 */
import type { Clock, Timer } from '#core/clock';
import type { Stage } from './attempt.ts';
import { inRange } from './in-range.ts';
import { OpenStream } from './open-stream.ts';
import type { Outcome } from './outcome.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { Operation, Scope } from './scope.ts';

export interface HedgeOptions {
  /** Wait in milliseconds before the second attempt. Default: the 95th percentile of the answers so far, once there were 20. */
  readonly delayMs?: number;
  /** Default: one budget for the pipeline's retries and hedges. */
  readonly budget?: RetryBudget;
}

export interface HedgeDependencies {
  readonly clock: Clock;
  readonly budget: RetryBudget;
  /** Whether the budget learns of calls here. */
  readonly counts: boolean;
  readonly hedged: (delayMs: number) => void;
}

export class Hedge implements Stage {
  readonly #next: Stage;
  readonly #dependencies: HedgeDependencies;
  readonly #delayMs: number | undefined;
  readonly #usual = new TailEstimate();

  constructor(next: Stage, { delayMs }: HedgeOptions, dependencies: HedgeDependencies) {
    this.#next = next;
    this.#dependencies = dependencies;
    this.#delayMs = delayMs === undefined ? undefined : inRange('delayMs', delayMs, 0);
  }

  run<T>(scope: Scope, operation: Operation<T>): Promise<Outcome<T>> {
    const { clock, budget, counts, hedged } = this.#dependencies;
    if (counts) budget.recordCall();
    return new Promise((resolve) => {
      const running = new Set<Scope>();
      let timer: Timer | undefined;
      let decided = false;
      const start = (): void => {
        const child = scope.fork();
        running.add(child);
        const startedAt = clock.now();
        // A stage never rejects.
        void this.#next.run(child, operation).then((outcome) => {
          if (outcome.kind === 'ok') this.#usual.add(clock.now() - startedAt);
          finish(child, outcome);
        });
      };
      const finish = (child: Scope, outcome: Outcome<T>): void => {
        running.delete(child);
        const stream = outcome.kind === 'ok' && outcome.value instanceof OpenStream ? outcome.value : undefined;
        // A stream lives on after its first part, and still ends with its caller.
        if (stream === undefined) scope.release(child);
        else stream.onEnd(() => scope.release(child));
        if (decided) {
          stream?.abandon();
          return;
        }
        // The other one may still answer.
        if (outcome.kind !== 'ok' && running.size > 0) return;
        decided = true;
        timer?.cancel();
        for (const loser of running) loser.cancel({ kind: 'superseded' });
        resolve(outcome);
      };
      const delayMs = this.#delayMs ?? this.#usual.p95Ms;
      if (delayMs !== undefined) {
        timer = clock.schedule(delayMs, () => {
          if (scope.ended !== undefined || !budget.tryRetry()) return;
          hedged(delayMs);
          start();
        });
      }
      start();
    });
  }
}

const SAMPLES_MIN = 20;
const STEP = 0.05;

/**
 * The 95th percentile of a stream of times in constant space: each sample moves the estimate by a share of itself, up 19 times as far
 * as down (stochastic approximation after Robbins and Monro, 1951). It follows a change within some hundred samples.
 */
class TailEstimate {
  #samples = 0;
  #p95Ms = 0;

  add(tookMs: number): void {
    this.#samples++;
    if (this.#samples <= SAMPLES_MIN) this.#p95Ms = Math.max(this.#p95Ms, tookMs);
    else this.#p95Ms *= tookMs > this.#p95Ms ? 1 + STEP * 0.95 : 1 - STEP * 0.05;
  }

  /** Undefined until enough was seen. */
  get p95Ms(): number | undefined {
    return this.#samples < SAMPLES_MIN ? undefined : this.#p95Ms;
  }
}
