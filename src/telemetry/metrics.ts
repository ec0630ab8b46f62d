/** The metrics of the catalogue as prom-client keeps them. What is not in the catalogue cannot be counted. */
import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import { catalogue } from './catalogue.ts';
import type { MetricKey } from './catalogue.ts';
import type { MetricEntry } from './catalogue/entry.ts';
import { TallyCounter, TallyHistogram } from './tally.ts';

export interface Metrics {
  counter(key: MetricKey): TallyCounter;
  gauge(key: MetricKey): Gauge;
  /** What prom-client's own class would offer besides would be counted and never shown. */
  histogram(key: MetricKey): Pick<TallyHistogram, 'series'>;
}

export function createMetrics(registry: Registry): Metrics {
  const counters = new Map<MetricKey, TallyCounter>();
  const gauges = new Map<MetricKey, Gauge>();
  const histograms = new Map<MetricKey, TallyHistogram>();
  for (const key of Object.keys(catalogue) as MetricKey[]) {
    const entry: MetricEntry = catalogue[key];
    const common = { name: entry.name, help: entry.help, labelNames: Object.keys(entry.labels), registers: [registry] };
    if (entry.type === 'counter') counters.set(key, new TallyCounter(common));
    else if (entry.type === 'gauge') gauges.set(key, new Gauge(common));
    else histograms.set(key, new TallyHistogram({ ...common, buckets: [...(entry.buckets ?? [])] }));
  }
  return {
    counter: (key) => there(counters, key),
    gauge: (key) => there(gauges, key),
    histogram: (key) => there(histograms, key),
  };
}

function there<T>(metrics: ReadonlyMap<MetricKey, T>, key: MetricKey): T {
  const metric = metrics.get(key);
  if (metric === undefined) throw new Error(`${key} is in the catalogue with another type`);
  return metric;
}

/** Keys are bounded by what the labels are made of: methods, routes and status codes of the API. */
export function memoised<T>(make: (key: string) => T): (key: string) => T {
  const made = new Map<string, T>();
  return (key) => {
    let value = made.get(key);
    if (value === undefined) {
      value = make(key);
      made.set(key, value);
    }
    return value;
  };
}

/** A counter whose sum is kept elsewhere. */
export function setCounter(counter: TallyCounter, value: number): void {
  counter.reset();
  counter.inc(value);
}
