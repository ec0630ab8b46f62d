/** The dashboards there are, and the files Grafana reads. */
import type { Board } from './board.ts';
import { boardJson } from './board.ts';
import { cache } from './cache.ts';
import { data } from './data.ts';
import { instances } from './instances.ts';
import { models } from './models.ts';
import { overview } from './overview.ts';
import { resilience } from './resilience.ts';
import { slo } from './slo.ts';

export const boards: readonly Board[] = [overview, models, resilience, cache, data, instances, slo];

/** Content by name below deploy/grafana/dashboards. */
export function boardFiles(): ReadonlyMap<string, string> {
  return new Map(boards.map((board) => [`${board.uid}.json`, boardJson(board)]));
}
