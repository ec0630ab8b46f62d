/** What a PromQL query speaks of, held against what there is. Reads the few forms that rules and dashboards use, not the whole language. */
import { entries } from '#telemetry/catalogue';

/** What exporters and Prometheus itself have, with the labels that are used here. Proven against running ones by `npm run dashboards`. */
export const FOREIGN: ReadonlyMap<string, readonly string[]> = new Map([
  ['up', ['service']],
  ['ALERTS', ['alertname', 'alertstate', 'severity']],
  ['pg_up', []],
  ['pg_database_size_bytes', ['datname']],
  ['pg_stat_activity_count', ['datname', 'state']],
  ['pg_stat_database_xact_commit', ['datname']],
  ['pg_stat_database_xact_rollback', ['datname']],
  ['pg_settings_max_connections', []],
  ['redis_up', []],
  ['redis_memory_used_bytes', []],
  ['redis_memory_max_bytes', []],
  ['redis_evicted_keys_total', []],
  ['redis_keyspace_hits_total', []],
  ['redis_keyspace_misses_total', []],
  ['redis_commands_processed_total', []],
  ['redis_connected_clients', []],
  ['nginx_up', []],
  ['nginx_http_requests_total', []],
  ...['active', 'reading', 'writing', 'waiting', 'accepted', 'handled'].map((state): [string, string[]] => [
    `nginx_connections_${state}`,
    [],
  ]),
  // The local stack's own, through the node exporter.
  ['revoagent_certificate_not_after_seconds', ['file']],
  ['node_cpu_seconds_total', ['mode', 'cpu']],
  ['node_memory_MemAvailable_bytes', []],
  ['node_memory_MemTotal_bytes', []],
  ['node_filesystem_avail_bytes', ['mountpoint', 'fstype', 'device']],
  ['node_filesystem_size_bytes', ['mountpoint', 'fstype', 'device']],
]);

/** Labels that Prometheus adds to each series. */
const ALWAYS = ['job', 'instance', 'service', 'namespace', 'pod'];
const OWN = new Map<string, readonly string[]>(
  entries.flatMap(({ name, type, labels }): [string, string[]][] => {
    const names = Object.keys(labels);
    if (type !== 'histogram') return [[name, names]];
    return [
      [`${name}_bucket`, [...names, 'le']],
      [`${name}_sum`, names],
      [`${name}_count`, names],
    ];
  }),
);
const SERIES =
  /(?<![\w:"$])(revoagent_\w+|http_\w+|gen_ai_\w+|process_\w+|node_\w+|pg_\w+|redis_\w+|nginx_\w+|up|ALERTS)(?![\w:])(?:\{([^}]*)\})?/g;
const GROUPS = /\b(?:by|without|on|group_left|group_right)\s*\(([^)]*)\)/g;

/** The metrics of a query, as the catalogue calls them: without a histogram's endings. */
export function namesIn(expr: string): string[] {
  return seriesIn(expr).map(({ name }) => (OWN.has(name) ? name.replace(/_(bucket|sum|count)$/, '') : name));
}

/** What the query names and nobody has: `metric`, `metric{label}`, `by (label)`. */
export function unknownIn(expr: string): string[] {
  const unknown: string[] = [];
  const known = new Set(ALWAYS);
  for (const { name, labels } of seriesIn(expr)) {
    const has = OWN.get(name) ?? FOREIGN.get(name);
    if (has === undefined) unknown.push(name);
    for (const label of has ?? []) known.add(label);
    for (const label of labels)
      if (has?.includes(label) === false && !ALWAYS.includes(label)) unknown.push(`${name}{${label}}`);
  }
  for (const [, group = ''] of withoutSelectors(expr).matchAll(GROUPS))
    for (const label of group.split(',').map((each) => each.trim()))
      if (label !== '' && !known.has(label)) unknown.push(`by (${label})`);
  return unknown;
}

function seriesIn(expr: string): { name: string; labels: string[] }[] {
  // What follows `by` are labels.
  const bare = expr.replaceAll(GROUPS, '');
  return [...bare.matchAll(SERIES)].map(([, name = '', selector = '']) => ({
    name,
    labels: [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
  }));
}

const withoutSelectors = (expr: string): string => expr.replaceAll(/\{[^}]*\}/g, '');
