/** The catalogue as files: `schema/metrics.json` for machines, `docs/metrics.md` for people. */
import { entries } from './catalogue.ts';

export function metricsJson(): string {
  return `${JSON.stringify({ metrics: entries }, null, 2)}\n`;
}

export function metricsMarkdown(): string {
  const rows = entries.map(({ name, type, unit, labels, help }) => {
    const bounds = Object.entries(labels).map(([label, bound]) => `\`${label}\` (${bound})`);
    return `| \`${name}\` | ${type} | ${unit} | ${bounds.join(', ') || '–'} | ${help} |`;
  });
  return [
    '# Metrics',
    '',
    'Generated from `src/telemetry/catalogue/` by `npm run generate`. Scraped at `/metrics`.',
    '',
    '| name | type | unit | labels | meaning |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
