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

/**
 * What `make` gives for these labels, made once. Label by label: a text put together of them would be flattened, hashed and looked up
 * among all texts of the process before it is found. They are bounded by what labels are made of: methods, routes, statuses, providers.
 */
export function memoised<T>(make: (...labels: string[]) => T): (...labels: (string | number)[]) => T {
  const root: Branch<T> = { value: undefined, branches: new Map() };
  return (...labels) => {
    let at = root;
    for (const label of labels) {
      let next = at.branches.get(label);
      if (next === undefined) at.branches.set(label, (next = { value: undefined, branches: new Map() }));
      at = next;
    }
    return (at.value ??= make(...labels.map(String)));
  };
}

interface Branch<T> {
  value: T | undefined;
  readonly branches: Map<string | number, Branch<T>>;
}

/** A counter whose sum is kept elsewhere. */
export function setCounter(counter: TallyCounter, value: number): void {
  counter.reset();
  counter.inc(value);
}
