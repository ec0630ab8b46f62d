/**
 * The hub's cache: memory, Redis where one is named, the database where that is wanted. Answers stay in this process where neither is.
 * Its tiers' breakers are among the hub's, its operations among the metrics.
 */
import type { Clock } from '#core/clock';
import type { Random } from '#core/random';
import { EVERY_ANSWER, inProject, tagInProject } from '#contract/answer-cache';
import type { CacheControl, CacheTarget } from '#contract/cache-control';
import type { Logger } from '#contract/logger';
import type { Observer } from '#contract/observer';
import { createCache, DatabaseTier, RedisTier } from '#cache/index';
import type { Cache, CacheEvent, CacheOptions, Tier } from '#cache/index';
import type { Config } from '#config/index';
import type { BreakerRegistry } from '#resilience/index';
import type { Storage } from '#storage/index';
import { statementsAs } from '#storage/index';
import { openRedis } from './redis.ts';

export interface CacheParts {
  readonly config: Config;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly observer: Observer;
  readonly breakers: BreakerRegistry;
}

const NAMESPACE = 'answers';
/** The whole of a run has its own deadline, a day at most; the cache's must not come first. */
const LONG_MS = 90_000_000;
/**
 * A model's answer is made again for a caller who waits for it, never behind one who does not: that would be a call nobody asked for. Nor is
 * any kept longer than was said, by an operator or an API.
 */
export const ANSWERS = {
  namespace: NAMESPACE,
  defaults: {
    jitter: 0,
    swrMs: 0,
    earlyRefreshFrom: 1,
    softTimeoutMs: LONG_MS,
    hardTimeoutMs: LONG_MS,
    retryAfterFailureMs: 0,
  },
} as const;
/** Of the connections to the database, so that the cache never takes them all. */
const DATABASE_SHARE = 0.5;

/** A look-up is a matter of milliseconds; what revokes is never more than its time late. */
export const LOOKUPS = {
  namespace: 'lookups',
  memory: { bytesMax: 16 * 1024 * 1024 },
  defaults: { swrMs: 0, jitter: 0, softTimeoutMs: 1_000, hardTimeoutMs: 10_000, retryAfterFailureMs: 1_000 },
} as const;

export interface HubCaches {
  /** Of models: memory, Redis, the database. */
  readonly answers: Cache;
  /** Of keys and the like: memory, ended over Redis. */
  readonly lookups: Cache;
  readonly control: CacheControl;
  /** Read at a scrape. */
  readonly figures: { readonly cache: Cache['stats']; readonly keyLookups: Cache['stats'] };
}

/** Connects nothing before it returns; closed by the stack. */
export function openHubCaches(stack: AsyncDisposableStack, parts: CacheParts): HubCaches {
  const { config, storage, clock, random, observer, logger, breakers } = parts;
  const redis = openRedis(stack, 'cache', parts);
  const onEvent = (event: CacheEvent): void => tell(event, { observer, logger });
  const open = (options: CacheOptions): Cache => {
    const cache = createCache({ ...options, breakers, clock, random, onEvent });
    stack.defer(() => cache.close());
    return cache;
  };
  // Both share the connections: what closes one cache must not end the other.
  const shared = redis === null ? null : { ...redis, close: () => undefined };
  const over = (namespace: string): Tier[] => (shared === null ? [] : [new RedisTier(shared, { namespace })]);
  const answerTiers = over(NAMESPACE);
  if (config.cache.database) {
    const inFlightMax = Math.max(1, Math.floor(config.storage.pool.max * DATABASE_SHARE));
    const limits = { inFlightMax };
    answerTiers.push(new DatabaseTier(statementsAs('cache', storage.ask), { namespace: NAMESPACE, limits }));
  }
  const bytesMax = config.cache.memoryBytesMax;
  const answers = open({
    ...ANSWERS,
    tiers: answerTiers,
    memory: { bytesMax },
    lease: { waitMs: config.cache.waitMs },
  });
  const tiers = answerTiers.map(({ name }) => ({ name, breaker: `cache:${name}` }));
  const lookups = open({ ...LOOKUPS, tiers: over(LOOKUPS.namespace) });
  return {
    answers,
    lookups,
    figures: { cache: () => answers.stats(), keyLookups: () => lookups.stats() },
    control: {
      invalidate: (projectId, target) => invalidate(answers, projectId, target),
      report: () => ({ ...answers.stats(), bytesMax, tiers }),
    },
  };
}

function invalidate(cache: Cache, projectId: string, target: CacheTarget): Promise<void> {
  if ('key' in target) return cache.delete(inProject(projectId, target.key));
  if ('prefix' in target) return cache.deletePrefix(inProject(projectId, target.prefix));
  return cache.deleteTag(tagInProject(projectId, 'tag' in target ? target.tag : EVERY_ANSWER));
}

function tell(event: CacheEvent, { observer, logger }: Pick<CacheParts, 'observer' | 'logger'>): void {
  switch (event.kind) {
    case 'operation':
      observer.cacheOperation(event);
      break;
    case 'lookup':
      observer.cacheLookup(event);
      break;
    case 'stored':
      observer.cacheStored(event);
      break;
    case 'bus-gap':
      observer.cacheGap();
      logger.info('cache-announcements-missed', { replayed: event.replayed });
      break;
    case 'outbox':
      if (event.overflowed) logger.warn('cache-outbox-overflowed', { tier: event.tier });
      break;
    case 'not-stored':
      logger.debug('cache-answer-not-stored', { reason: event.reason });
      break;
    // Breakers are logged by their registry; what a call of upstreams came to is in its run.
    case 'tier-opened':
    case 'tier-closed':
    case 'factory':
  }
}
