/**
 * A whole hub in the test's own process, composed and listening as `serve` composes it, for the tests that ask what a hub says and does
 * and neither kill nor signal it: a process of its own costs over a second of a core, most of it for loading what is loaded here already.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { loadConfig } from '#config/index';
import { providerKinds, startHub } from '#hub/index';
import { temporaryFolder, withDefaults } from './hub-process.ts';
import type { HubProcess, HubProcessOptions } from './hub-process.ts';
import { readyDatabase } from './ready-database.ts';
import type { Cleanup } from './suite.ts';

export interface HubHere extends Pick<HubProcess, 'url' | 'dataDir' | 'configFile' | 'output'> {
  /** As at SIGTERM; resolves when everything that it opened is closed. It also happens when the test ends. */
  end(): Promise<void>;
}

/** Takes what `startHubProcess` takes, and means the same by it. */
export async function startHubHere(t: Cleanup, options: HubProcessOptions = {}): Promise<HubHere> {
  const dataDir = options.dataDir ?? (await temporaryFolder(t));
  const file = path.join(dataDir, 'revoagent.json');
  const { server, ...others } = withDefaults(options.config ?? {}, path.join(dataDir, 'data'));
  await writeFile(file, JSON.stringify({ ...others, server: { shutdownGraceMs: 0, ...server } }));
  const { config } = loadConfig({ file, kinds: providerKinds, env: options.env ?? {} });
  if (config.storage.url === undefined) await readyDatabase(config.storage.dataDir);
  let output = '';
  const hub = await startHub(config, [], { logTo: { write: (text) => (output += text) } });
  const end = (): Promise<void> => hub.shutdown('SIGTERM');
  t.after(end);
  return { url: hub.url, dataDir, configFile: file, output: () => output, end };
}
