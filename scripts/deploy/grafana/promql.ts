/** The few forms that queries of dashboards have. Names of the hub's metrics come from the catalogue, so that one that is gone does not compile. */
import { catalogue } from '#telemetry/catalogue';
import type { MetricKey } from '#telemetry/catalogue';

/** Requests of people and programs; not those of probes and of Prometheus itself. */
export const SERVED = 'http_route!~"/health.*|/metrics"';

/** The series of a metric on the instances that were chosen. */
export function of(key: MetricKey, more = '', suffix = ''): string {
  const labels = ['job="hub"', 'instance=~"$instance"', ...(more === '' ? [] : [more])].join(', ');
  return `${catalogue[key].name}${suffix}{${labels}}`;
}

/** A second; summed over all but `by`. */
export function rate(key: MetricKey, by = '', more = '', suffix = ''): string {
  return `sum${by === '' ? '' : ` by (${by})`} (rate(${of(key, more, suffix)}[$__rate_interval]))`;
}

/** How many there were a second of what a histogram holds. */
export const countRate = (key: MetricKey, by = '', more = ''): string => rate(key, by, more, '_count');

export function quantile(share: number, key: MetricKey, by = '', more = ''): string {
  return `histogram_quantile(${share}, ${rate(key, by === '' ? 'le' : `le, ${by}`, more, '_bucket')})`;
}

/** One part of a whole; nothing where the whole is nothing. */
export const ratio = (part: string, whole: string): string => `${part} / (${whole} > 0)`;

/** Zero where the series is not there yet. */
export const orZero = (expr: string): string => `(${expr} or vector(0))`;
