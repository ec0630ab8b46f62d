/** Options that commands share, and the configuration they lead to. */
import { Option } from 'commander';
import { loadConfig } from '#config/index';
import type { Loaded, LocalOllama } from '#config/index';
import { findLocalOllama, providerKinds } from '#hub/index';

export interface CommonOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** What leads to a hub's data. */
export interface StoreOptions extends CommonOptions {
  readonly dataDir?: string;
}

export interface ServeOptions extends StoreOptions {
  readonly port?: string;
  readonly host?: string;
}

export const configOption = (): Option =>
  new Option('-c, --config <file>', 'configuration file (default: revoagent.yaml, where there is one)');
export const dataDirOption = (): Option => new Option('--data-dir <folder>', 'folder of the embedded database');
export const jsonOption = (): Option => new Option('--json', 'write JSON for machines');

export function load({ config, port, host, dataDir }: ServeOptions, ollama?: LocalOllama): Loaded {
  return loadConfig({
    file: config,
    kinds: providerKinds,
    ollama,
    flags: { 'server.port': port, 'server.host': host, 'storage.dataDir': dataDir },
  });
}

/** As `load`, with this machine's Ollama where nothing is configured and one answers. */
export async function loadAndLook(options: ServeOptions): Promise<Loaded & { ollama: LocalOllama | undefined }> {
  const loaded = load(options);
  const { ollamaAddress: address } = loaded;
  const ollama = address === undefined ? undefined : await findLocalOllama(address);
  return { ...(ollama === undefined ? loaded : load(options, ollama)), ollama };
}

/** One JSON document on one line. */
export function writeJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
