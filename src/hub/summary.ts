/** What a person wants to know of a hub that has just started. */
import path from 'node:path';
import type { Config, Discovered } from '#config/index';

export interface StartSummary {
  readonly url: string;
  readonly version: string;
  readonly instance: string;
  readonly keyless: boolean;
  /** In words, without credentials. */
  readonly storage: string;
  readonly providers: readonly ProviderSummary[];
  /** A model name that can be asked for as it is; null where none is known. */
  readonly exampleModel: string | null;
}

interface ProviderSummary {
  readonly name: string;
  readonly kind: string;
  readonly address: string;
  /** Why it is there. */
  readonly because: string;
}

interface Running {
  readonly url: string;
  readonly version: string;
  readonly instance: string;
  readonly keyless: boolean;
  readonly addresses: ReadonlyMap<string, string>;
}

export function summaryOf(config: Config, discovered: readonly Discovered[], running: Running): StartSummary {
  const { url, version, instance, keyless, addresses } = running;
  return {
    url,
    version,
    instance,
    keyless,
    storage: storageInWords(config),
    providers: Object.entries(config.providers).map(([name, { kind }]) => ({
      name,
      kind,
      address: addresses.get(name) ?? '',
      because: discovered.find(({ provider }) => provider === name)?.because ?? 'configuration',
    })),
    exampleModel: exampleModel(config, discovered),
  };
}

/** Without credentials. */
export function storageInWords({ storage }: Config): string {
  return storage.url === undefined
    ? `embedded, in ${path.resolve(storage.dataDir)}`
    : `PostgreSQL at ${hostOf(storage.url.reveal())}`;
}

function exampleModel({ routes, providers }: Config, discovered: readonly Discovered[]): string | null {
  const exact = Object.keys(routes).find((name) => !name.endsWith('*'));
  if (exact !== undefined) return exact;
  const simulators = Object.entries(providers).flatMap(([provider, { kind }]) =>
    kind === 'simulator' ? [{ provider, model: 'chat' }] : [],
  );
  for (const { provider, model } of [...discovered, ...simulators]) {
    const name = model === undefined ? null : nameOf(routes, provider, model);
    if (name !== null) return name;
  }
  return null;
}

/** The name under which a pattern leads to this model of the provider, if one does. */
function nameOf(routes: Config['routes'], provider: string, model: string): string | null {
  const leads = (pattern: string): boolean =>
    routes[pattern]?.groups.flat().some((target) => target.provider === provider) ?? false;
  if (leads(`${provider}/*`)) return `${provider}/${model}`;
  return leads('*') ? model : null;
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'the configured address';
}
