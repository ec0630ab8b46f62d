/** Puts every query of every panel to a real Prometheus. A panel that finds nothing under traffic of every kind shows nothing to anybody. */
import { boards } from './boards.ts';

/** As Grafana would fill them in: all instances, and a window of a few scrapes of one second. */
const filled = (expr: string): string => expr.replaceAll('$__rate_interval', '30s').replaceAll('$instance', '.*');

/** `Board / Row / Panel: legend` of the queries that gave no series, or an error. */
export async function emptyQueries(prometheus: string): Promise<string[]> {
  const empty: string[] = [];
  for (const { title, rows } of boards)
    for (const row of rows)
      for (const panel of row.panels)
        for (const { expr, legend } of panel.queries) {
          const found = await seriesOf(prometheus, filled(expr));
          if (found !== null) empty.push(`${title} / ${row.title} / ${panel.title}: ${legend}: ${found}`);
        }
  return empty;
}

/** What is wrong with the answer, or null. */
async function seriesOf(prometheus: string, query: string): Promise<string | null> {
  const response = await fetch(`${prometheus}/api/v1/query?query=${encodeURIComponent(query)}`);
  const answer = (await response.json()) as { error?: string; data?: { result: unknown[] } };
  if (answer.error !== undefined) return answer.error;
  return (answer.data?.result.length ?? 0) === 0 ? 'no series' : null;
}
