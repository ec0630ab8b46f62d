/** This hub among the others that share its Redis for state: who lives, and what they tell each other of upstreams. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Clock } from '#core/clock';
import type { Random } from '#core/random';
import type { BreakerControl } from '#contract/breakers';
import type { SharedEvidence } from '#contract/evidence';
import type { LiveInstances } from '#contract/instances';
import type { Logger } from '#contract/logger';
import type { Config } from '#config/index';
import { BreakerEvidence } from '#instances/evidence';
import { InstanceRegistry } from '#instances/registry';
import { InstanceRoll } from '#instances/roll';
import type { RedisPort } from '#redis/index';
import type { BreakerRegistry } from '#resilience/index';
import type { Storage } from '#storage/index';
import { briefly } from './ending.ts';

export interface InstanceParts {
  readonly config: Config;
  readonly instance: string;
  readonly version: string;
  /** Of the state role; null: this instance is alone. */
  readonly redis: RedisPort | null;
  readonly breakers: BreakerRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface HubInstances {
  /** Of this process alone. */
  readonly incarnation: string;
  readonly registry: InstanceRegistry;
  /** Null where nothing is shared. */
  readonly evidence: SharedEvidence | null;
}

/** Writes nothing down before the registry is told to begin. Ended by the stack. */
export function openHubInstances(stack: AsyncDisposableStack, parts: InstanceParts): HubInstances {
  const { config, instance, version, redis, clock } = parts;
  const incarnation = randomUUID();
  const { sharedEvidence: mode } = config.resilience;
  const evidence =
    redis === null || mode === 'off' ? null : new BreakerEvidence({ ...parts, redis, incarnation, mode });
  if (evidence !== null) stack.defer(() => evidence.close());
  const capacity = config.server.requestsInFlightMax;
  const registry = new InstanceRegistry({
    ...parts,
    incarnation,
    self: { id: instance, version, capacity, startedWallMs: Math.round(clock.wallMs()) },
    onReachable: () => evidence?.reconcile(),
  });
  stack.defer(() => briefly(parts.clock, () => registry.close()));
  return { incarnation, registry, evidence };
}

export interface RollParts extends Pick<InstanceParts, 'config' | 'clock' | 'random' | 'logger'> {
  readonly instances: HubInstances;
  readonly storage: Pick<Storage, 'stores'>;
}

/** By how many a limit is divided while Redis is away. An embedded database is nobody else's: then only Redis knows of others. */
export async function openInstanceRoll(stack: AsyncDisposableStack, parts: RollParts): Promise<LiveInstances> {
  const { config, storage, instances } = parts;
  const { registry, incarnation } = instances;
  if (registry.source === 'alone' || config.storage.url === undefined) return registry;
  const roll = new InstanceRoll({ ...parts, incarnation, registry, store: storage.stores.instances });
  stack.defer(() => briefly(parts.clock, () => roll.close()));
  await roll.begin();
  return roll;
}

/** Where others find it: an address that stands for all of a machine's is no use to another machine. */
export function addressFor(url: string): string {
  const address = new URL(url);
  if (address.hostname === '0.0.0.0' || address.hostname === '[::]') address.hostname = hostname();
  return address.origin;
}

/** Orders to this instance's breakers are passed on to the others. */
export function sharingOrders(control: BreakerControl, evidence: SharedEvidence | null): BreakerControl {
  if (evidence === null) return control;
  return {
    ...control,
    forceOpen(key, order) {
      const status = control.forceOpen(key, order);
      if (status !== null) evidence.order(key, { kind: 'force-open', ...order });
      return status;
    },
    forceClose(key, order) {
      const status = control.forceClose(key, order);
      if (status !== null) evidence.order(key, { kind: 'disable', ...order });
      return status;
    },
    reset(key, order) {
      const status = control.reset(key, order);
      if (status !== null) evidence.order(key, { kind: 'reset', ...order });
      return status;
    },
  };
}
