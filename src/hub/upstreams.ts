/** All that the hub calls for its callers, the gateway's providers and the external APIs, exchanged together at a reload. */
import type { Config } from '#config/index';
import { createExternals } from '#external/externals';
import type { Externals } from '#external/externals';
import type { BreakerRegistry } from '#resilience/index';
import { buildGateway } from './build-gateway.ts';
import type { GatewayParts } from './build-gateway.ts';
import { ExternalSwitch } from './external-switch.ts';
import { GatewaySwitch } from './gateway-switch.ts';

interface Parts extends GatewayParts {
  readonly breakers: BreakerRegistry;
}

export class Upstreams {
  readonly gateway: GatewaySwitch;
  readonly external: ExternalSwitch;
  readonly #parts: Parts;

  constructor(config: Config, parts: Parts) {
    this.#parts = parts;
    this.gateway = new GatewaySwitch(buildGateway(config, parts));
    this.external = new ExternalSwitch(this.#externals(config));
  }

  /** In force when it returns; resolves when what was there before has ended its last request and is closed. */
  replace(config: Config): Promise<unknown> {
    const [gateway, external] = [buildGateway(config, this.#parts), this.#externals(config)];
    return Promise.all([this.gateway.replace(gateway), this.external.replace(external)]);
  }

  async close(): Promise<void> {
    await Promise.all([this.gateway.close(), this.external.close()]);
  }

  #externals({ external, resilience }: Config): Externals {
    const { clock, random, breakers } = this.#parts;
    return createExternals(external, { clock, random, breakers, retryRatio: resilience.retryBudget });
  }
}
