/** What a metric of the catalogue is, and what its labels and buckets are taken from. */

export interface MetricEntry {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly unit: string;
  readonly help: string;
  /** Each label with what bounds its values. */
  readonly labels: Readonly<Record<string, string>>;
  readonly buckets?: readonly number[];
}

/** Seconds. Holds the 0.1, 1 and 2 s that targets and alerts ask about. */
export const LATENCY = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600];
export const SHORT = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5];

export const route = 'a template of openapi.json, or unmatched';
export const deployment = 'providers in the configuration';
