/** Builds a cache from its options: memory, the guarded tiers beneath it with their outboxes, and what listens to it. */
import { systemClock } from '#core/clock';
import { systemRandom } from '#core/random';
import { Bus } from './bus.ts';
import { Cache } from './cache.ts';
import { newStats } from './events.ts';
import type { CacheEvent } from './events.ts';
import { GuardedTier } from './guarded-tier.ts';
import { deepFreeze } from './json.ts';
import { checkNamespace } from './key.ts';
import { MemoryStore } from './memory-store.ts';
import { FILL_DEFAULTS, fillOptions, leaseSettings, memorySettings } from './options.ts';
import type { CacheOptions } from './options.ts';
import { Outbox } from './outbox.ts';
import { Purger } from './purge.ts';
import { Remote } from './remote.ts';
import type { RemoteTier } from './remote.ts';
import { EVERYTHING } from './tier.ts';
import { newToken } from './token.ts';

const ALL = [{ name: EVERYTHING, hard: true }];

/**
 * Throws a `CacheKeyError` for a namespace that is none, and a `RangeError` for a setting out of its bounds. Connects nothing: the
 * tiers are given, and closed with the cache.
 */
export function createCache(options: CacheOptions): Cache {
  checkNamespace(options.namespace);
  const { clock = systemClock, random = systemRandom, tiers = [] } = options;
  const stats = newStats();
  const tell = (event: CacheEvent): void => {
    try {
      options.onEvent?.(event);
    } catch {
      // A listener's failure is the listener's.
      stats.listenerFailures++;
    }
  };
  const { bytesMax, entryBytesMax, ttlMs } = memorySettings(options.memory);
  const memory = new MemoryStore<unknown>(clock, {
    bytesMax,
    entryBytesMax,
    ...(tiers.length > 0 && { ttlMs }),
  });
  const lease = leaseSettings(options.lease);
  const remotes = tiers.map((tier, index): RemoteTier => {
    const guarded = new GuardedTier(tier, {
      clock,
      random,
      ...(options.onEvent && { onEvent: tell }),
      breakers: options.breakers,
    });
    const outbox = new Outbox({
      clock,
      send: async (batch) => {
        if ((await guarded.invalidate(batch, origin)) === undefined) return false;
        // What lies above may have been copied from it while it still held what was invalid.
        for (const each of batch) memory.invalidate(each);
        await remote.invalidate(batch, index);
        for (const each of batch) memory.invalidate(each);
        return true;
      },
      onChange: (waiting, overflowed) => tell({ kind: 'outbox', tier: tier.name, waiting, overflowed }),
    });
    return { guarded, outbox };
  });
  const origin = newToken();
  const remote = new Remote(remotes, clock, lease, origin);
  const [nearest] = remotes;
  const shared = { memory, clock, random, stats, tell, origin };
  const listeners = [
    ...(nearest ? [new Bus({ ...shared, guarded: nearest.guarded, distrust: () => nearest.outbox.add(ALL) })] : []),
    ...remotes.map(({ guarded }) => new Purger(guarded, clock, random)),
  ];
  for (const listener of listeners) listener.start();
  return new Cache({
    memory,
    remote,
    clock,
    random,
    lease,
    stats,
    tell,
    seal: options.freeze === true ? deepFreeze : (value) => value,
    defaults: fillOptions(FILL_DEFAULTS, options.defaults ?? {}),
    end: async () => {
      for (const each of [...listeners, remote, ...remotes.flatMap(({ outbox, guarded }) => [outbox, guarded])])
        each.close();
      for (const tier of tiers) await tier.close();
    },
  });
}
