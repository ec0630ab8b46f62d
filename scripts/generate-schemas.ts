/**
 * `npm run generate`: writes what is generated from the source and checked in, so that a change of the API, the settings, the
 * metrics or the errors shows in review as a diff. With `--check` it writes nothing and fails where a file is not what the
 * source says now.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { configJson, settingsMarkdown } from '#config/index';
import { errorsJson, errorsMarkdown } from '#http/errors/document';
import { idempotentOperations } from '#http/idempotency';
import { unservedMarkdown } from '#http/unserved';
import { openApiJson } from '#http/openapi-json';
import { operations } from '#http/routes/index';
import { asyncApiJson, closeCodeTable } from '#http/websocket/asyncapi';
import { readVersion } from '#hub/version';
import { capabilityTable } from '#providers/capability-table';
import { providerKinds } from '#providers/index';
import { alertmanagerConfig } from '#stack/index';
import { metricsJson, metricsMarkdown } from '#telemetry/documents';
import { autoscalingChart } from './deploy/autoscaling-chart.ts';
import { breakerSimulationPage } from './breaker-simulation.ts';
import { dependencyPage } from './dependency-page.ts';
import { fleetSimulationPage } from './fleet-simulation.ts';
import { composeBalancer } from './deploy/balancer.ts';
import { boardFiles } from './deploy/grafana/boards.ts';
import { kubernetesFiles } from './deploy/kubernetes/tree.ts';

export interface Generated {
  /** From the root of the repository. */
  readonly file: string;
  render(): Promise<string>;
}

export const generated: readonly Generated[] = [
  { file: 'schema/openapi.json', render: async () => openApiJson(readVersion()) },
  { file: 'schema/asyncapi.json', render: async () => asyncApiJson(readVersion()) },
  { file: 'schema/config.json', render: async () => configJson(providerKinds) },
  { file: 'schema/errors.json', render: async () => errorsJson() },
  { file: 'schema/metrics.json', render: async () => metricsJson() },
  { file: 'docs/settings.md', render: async () => settingsMarkdown(providerKinds) },
  { file: 'docs/metrics.md', render: async () => metricsMarkdown() },
  { file: 'docs/errors.md', render: async () => errorsMarkdown() },
  { file: 'docs/dependencies.md', render: async () => dependencyPage() },
  {
    file: 'docs/instances.md',
    render: async () => withTable('docs/instances.md', await breakerSimulationPage()),
  },
  { file: 'docs/capacity.md', render: async () => withTable('docs/capacity.md', await fleetSimulationPage()) },
  { file: 'docs/websocket.md', render: () => withTable('docs/websocket.md', closeCodeTable()) },
  {
    file: 'docs/providers/README.md',
    render: () => withTable('docs/providers/README.md', capabilityTable(providerKinds)),
  },
  {
    file: 'docs/idempotency.md',
    render: () => withTable('docs/idempotency.md', idempotentOperations(operations)),
  },
  { file: 'docs/clients.md', render: () => withTable('docs/clients.md', unservedMarkdown()) },
  { file: 'docs/images/autoscaling.svg', render: async () => autoscalingChart() },
  { file: 'deploy/alertmanager/alertmanager.yml', render: async () => shippedAlertmanager() },
  { file: 'deploy/nginx/compose.conf', render: async () => composeBalancer(2) },
  { file: 'deploy/nginx/compose-scale.conf', render: async () => composeBalancer(4) },
  ...[...boardFiles()].map(([file, text]) => ({ file: `deploy/grafana/dashboards/${file}`, render: async () => text })),
  ...[...kubernetesFiles()].map(([file, text]) => ({ file: `deploy/kubernetes/${file}`, render: async () => text })),
];

/** As it is where nobody is named. */
function shippedAlertmanager(): string {
  const how = '# By npm run generate: alerts are shown and nobody is called. Name receivers: docs/monitoring.md.\n';
  return how + alertmanagerConfig({});
}

const ROOT = new URL('../', import.meta.url);

/** The page as it is, with the table between its marks. */
async function withTable(file: string, table: string): Promise<string> {
  const [before, after] = (await readFile(new URL(file, ROOT), 'utf8')).split(
    /(?<=<!-- generated -->\n)[^]*(?=<!-- \/generated -->)/,
  );
  if (after === undefined) throw new Error(`${file} has no place for what is generated`);
  return `${before}\n${table}\n\n${after}`;
}

/** The files that are missing under `root` or differ from what the source says now. */
export async function staleFiles(list: readonly Generated[], root: URL): Promise<string[]> {
  const stale: string[] = [];
  for (const each of list) {
    if ((await textIn(new URL(each.file, root))) !== (await each.render())) stale.push(each.file);
  }
  return stale;
}

/** Writes every file; the same source gives the same bytes. */
export async function writeFiles(list: readonly Generated[], root: URL): Promise<void> {
  for (const each of list) {
    const file = new URL(each.file, root);
    await mkdir(dirname(fileURLToPath(file)), { recursive: true });
    await writeFile(file, await each.render());
  }
}

async function textIn(file: URL): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

async function main(): Promise<void> {
  if (!process.argv.includes('--check')) {
    await writeFiles(generated, ROOT);
    console.log(`wrote ${generated.map(({ file }) => file).join(', ')}`);
    return;
  }
  const stale = await staleFiles(generated, ROOT);
  for (const file of stale)
    console.error(`${file} is not what the source says now: npm run generate, and look at the diff`);
  process.exitCode = stale.length === 0 ? 0 : 1;
}

if (import.meta.main) await main();
