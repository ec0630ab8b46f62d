/** Options that commands share, and the configuration they lead to. */
import { loadConfig } from '#config/index';
import type { Loaded } from '#config/index';
import { providerKinds } from '#hub/index';

export interface CommonOptions {
  readonly config?: string;
  readonly json?: boolean;
}

export interface ServeOptions extends CommonOptions {
  readonly port?: string;
  readonly host?: string;
  readonly dataDir?: string;
}

export function load({ config, port, host, dataDir }: ServeOptions): Loaded {
  return loadConfig({
    file: config,
    kinds: providerKinds,
    flags: { 'server.port': port, 'server.host': host, 'storage.dataDir': dataDir },
  });
}

/** One JSON document on one line. */
export function writeJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
