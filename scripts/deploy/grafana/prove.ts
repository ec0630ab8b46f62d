/** Puts every query of every panel to a real Prometheus. A panel that finds nothing under traffic and faults of every kind shows nothing to anybody. */
import { boards } from './boards.ts';

/** As Grafana would fill them in: all instances, and a window of a few scrapes of one second. */
const filled = (expr: string): string => expr.replaceAll('$__rate_interval', '30s').replaceAll('$instance', '.*');

/** Query by `Board / Row / Panel: legend`. */
export function panelQueries(): Map<string, string> {
  const queries = new Map<string, string>();
  for (const { title, rows } of boards)
    for (const row of rows)
      for (const panel of row.panels)
        for (const { expr, legend } of panel.queries)
          queries.set(`${title} / ${row.title} / ${panel.title}: ${legend}`, filled(expr));
  return queries;
}

/** Takes away what gives a series now. Throws where Prometheus refuses a query. */
export async function dropShown(prometheus: string, queries: Map<string, string>): Promise<void> {
  for (const [panel, query] of queries) {
    const response = await fetch(`${prometheus}/api/v1/query?query=${encodeURIComponent(query)}`);
    const answer = (await response.json()) as { error?: string; data?: { result: unknown[] } };
    if (answer.error !== undefined) throw new Error(`${panel}: ${answer.error}`);
    if ((answer.data?.result.length ?? 0) > 0) queries.delete(panel);
  }
}
