/**
 * Every metric the hub has, in one list: what is not here does not exist, and dashboards and alerts may name only what is.
 * Names follow OpenTelemetry's semantic conventions where those have one. Labels are bounded; none holds a key or a user.
 */
import { cacheMetrics } from './catalogue/cache.ts';
import type { MetricEntry } from './catalogue/entry.ts';
import { limitsMetrics } from './catalogue/limits.ts';
import { modelsMetrics } from './catalogue/models.ts';
import { processMetrics } from './catalogue/process.ts';
import { requestsMetrics } from './catalogue/requests.ts';
import { resilienceMetrics } from './catalogue/resilience.ts';
import { storageMetrics } from './catalogue/storage.ts';

export const catalogue = {
  ...requestsMetrics,
  ...modelsMetrics,
  ...resilienceMetrics,
  ...cacheMetrics,
  ...limitsMetrics,
  ...storageMetrics,
  ...processMetrics,
} as const satisfies Record<string, MetricEntry>;

export type MetricKey = keyof typeof catalogue;

export const entries: readonly MetricEntry[] = Object.values(catalogue);
