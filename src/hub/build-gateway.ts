/** A gateway from a configuration: at the start, and again at every reload. */
import { limits } from '#core/limits';
import type { Config } from '#config/index';
import { createGateway } from '#gateway/gateway';
import { Prices } from '#gateway/prices';
import { createProvider } from '#providers/index';
import { RetryBudget } from '#resilience/index';
import type { GatewayBuild } from './gateway-switch.ts';
import { loadGuardrails } from './guardrails.ts';

export type GatewayParts = Omit<
  Parameters<typeof createGateway>[0],
  'providers' | 'routes' | 'settings' | 'guardrails' | 'prices' | 'retryBudget'
>;

/** Throws an `Error` that names the guardrail which cannot be loaded; nothing is left open then. */
export async function buildGateway(config: Config, parts: GatewayParts): Promise<GatewayBuild> {
  const { clock, random } = parts;
  const guardrails = await loadGuardrails(Object.values(config.routes), clock);
  const providers = Object.entries(config.providers).map(([name, { kind, settings }]) =>
    createProvider(kind, settings, { name, clock, random }),
  );
  const { timeouts, retry, concurrentMax, retryBudget: ratio } = config.resilience;
  const settings = { timeouts, retry, concurrentMax, attemptsMax: limits.attemptsMax, cache: config.cache };
  return {
    addresses: new Map(providers.map((provider) => [provider.name, provider.address])),
    gateway: createGateway({
      ...parts,
      providers,
      routes: config.routes,
      settings,
      guardrails,
      retryBudget: new RetryBudget({ clock, ratio }),
      prices: new Prices(config.prices),
    }),
    async close() {
      await Promise.all(providers.map((provider) => provider.close()));
    },
  };
}
