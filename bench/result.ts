/**
 * What every benchmark hands back. A label is `group · what was measured`: rows of one group become one table of
 * docs/benchmarks.md, so they carry the same metrics. Metric names end in their unit.
 */

export type BenchResult = {
  name: string;
  rows: { label: string; metrics: Record<string, number>; target?: string; met?: boolean }[];
  notes: string[];
};
