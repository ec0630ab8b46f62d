/**
 * How many instances there should be, by the algorithm that Kubernetes publishes for its HorizontalPodAutoscaler
 * (https://kubernetes.io/docs/concepts/workloads/autoscale/horizontal-pod-autoscale/): for each metric
 * `ceil(current × value / target)` unless it is within a tenth of its target, the largest of them, and on the way down the largest of
 * what was wished in the last while. The same function moves a local stack and draws the curves in the documentation.
 */

export interface HpaSettings {
  readonly min: number;
  readonly max: number;
  /** Within this fraction of its target a metric asks for nothing. */
  readonly tolerance: number;
  /** Milliseconds whose largest wish counts on the way down. */
  readonly scaleDownWindowMs: number;
  /** Instances that go at once at most, in `scaleDownEveryMs`. */
  readonly scaleDownStep: number;
  readonly scaleDownEveryMs: number;
  /** Instances that come at once at most: so many, or as many as there are. */
  readonly scaleUpStep: number;
}

export const hpaDefaults: HpaSettings = {
  min: 2,
  max: 10,
  tolerance: 0.1,
  scaleDownWindowMs: 300_000,
  scaleDownStep: 1,
  scaleDownEveryMs: 60_000,
  scaleUpStep: 4,
};

export interface HpaMetric {
  /** The mean over all instances. Not a number where it could not be measured: such a metric takes no part in a step up, and forbids one down. */
  readonly value: number;
  readonly target: number;
}

export class Hpa {
  readonly #settings: HpaSettings;
  #wishes: { readonly at: number; readonly count: number }[] = [];
  #downAt = Number.NEGATIVE_INFINITY;

  constructor(settings: HpaSettings = hpaDefaults) {
    this.#settings = settings;
  }

  /** `now` in milliseconds of a clock that does not go back. */
  decide(now: number, current: number, metrics: readonly HpaMetric[]): number {
    const { min, max, scaleDownWindowMs, scaleDownStep, scaleDownEveryMs, scaleUpStep } = this.#settings;
    const wish = Math.min(max, Math.max(min, this.#wish(current, metrics)));
    this.#wishes = [...this.#wishes.filter(({ at }) => now - at < scaleDownWindowMs), { at: now, count: wish }];
    if (wish > current) return Math.min(wish, current + Math.max(scaleUpStep, current));
    const lately = Math.max(...this.#wishes.map(({ count }) => count));
    if (lately >= current || now - this.#downAt < scaleDownEveryMs) return current;
    this.#downAt = now;
    return Math.max(lately, current - scaleDownStep);
  }

  #wish(current: number, metrics: readonly HpaMetric[]): number {
    const wishes = metrics
      .filter(({ value }) => Number.isFinite(value))
      .map(({ value, target }) => {
        const ratio = value / target;
        return Math.abs(ratio - 1) <= this.#settings.tolerance ? current : Math.ceil(current * ratio);
      });
    const largest = wishes.length === 0 ? current : Math.max(...wishes);
    const unknown = metrics.some(({ value }) => !Number.isFinite(value));
    return unknown ? Math.max(largest, current) : largest;
  }
}
