/** The configuration that a command's options lead to. */
import { loadConfig } from '#config/index';
import type { Loaded, LocalOllama } from '#config/index';
import { findLocalOllama, providerKinds } from '#hub/index';
import type { ServeOptions } from './options.ts';

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
