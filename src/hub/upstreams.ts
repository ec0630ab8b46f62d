/** All that the hub calls for its callers, the gateway's providers and the external APIs, exchanged together at a reload. */
import type { External } from '#contract/external';
import type { Config } from '#config/index';
import { createExternals } from '#external/externals';
import type { Externals } from '#external/externals';
import type { BreakerRegistry } from '#resilience/index';
import { buildGateway } from './build-gateway.ts';
import type { GatewayParts } from './build-gateway.ts';
import { ExternalSwitch } from './external-switch.ts';
import { limitedExternal } from './limited-external.ts';
import { GatewaySwitch } from './gateway-switch.ts';
import type { GatewayBuild } from './gateway-switch.ts';

interface Parts extends GatewayParts {
  readonly breakers: BreakerRegistry;
}

export class Upstreams {
  readonly gateway: GatewaySwitch;
  readonly external: ExternalSwitch;
  /** The same for callers. */
  readonly limitedExternal: External;
  readonly #parts: Parts;

  private constructor(parts: Parts, gateway: GatewayBuild, external: Externals) {
    this.#parts = parts;
    this.gateway = new GatewaySwitch(gateway);
    this.external = new ExternalSwitch(external);
    this.limitedExternal = limitedExternal(this.external, parts.limits, parts.clock);
  }

  /** Throws an `Error` that names the guardrail which cannot be loaded. */
  static async open(config: Config, parts: Parts): Promise<Upstreams> {
    return new Upstreams(parts, await buildGateway(config, parts), externalsOf(config, parts));
  }

  /**
   * In force when it resolves; `retired` resolves when what was there before has ended its last request and is closed. Throws as `open`
   * does, and nothing has changed then.
   */
  async replace(config: Config): Promise<{ retired: Promise<unknown> }> {
    const gateway = await buildGateway(config, this.#parts);
    const external = externalsOf(config, this.#parts);
    return { retired: Promise.all([this.gateway.replace(gateway), this.external.replace(external)]) };
  }

  async close(): Promise<void> {
    await Promise.all([this.gateway.close(), this.external.close()]);
  }
}

function externalsOf({ external, resilience }: Config, parts: Parts): Externals {
  const { clock, random, observer, breakers, answers } = parts;
  return createExternals(external, { clock, random, observer, breakers, answers, retryRatio: resilience.retryBudget });
}
