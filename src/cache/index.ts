/** The cache room, in the hub and as `revoagent/cache`. */
export { Cache, CacheClosedError } from './cache.ts';
export { CacheFactoryError, FactoryTimeoutError } from './context.ts';
export type { FactoryContext } from './context.ts';
export { createCache } from './create.ts';
export type { CacheEvent, CacheStats } from './events.ts';
export type { HttpCache, HttpHandler, HttpOptions } from './http.ts';
export { CacheValueError } from './json.ts';
export { CacheKeyError } from './key.ts';
export { MemoryTier } from './memory-tier.ts';
export type { CacheOptions, CallOptions, FillOptions, LeaseSettings, MemorySettings } from './options.ts';
export type {
  Acquired,
  AcquireRequest,
  Announcement,
  Awaitable,
  Entry,
  Invalidation,
  Lifetime,
  Position,
  Ticket,
  Tier,
  TierLimits,
} from './tier.ts';
export { CACHE_TABLES } from './database/statements.ts';
export { DatabaseTier } from './database/tier.ts';
export type { DatabasePort, DatabaseTierOptions, Query, Row } from './database/tier.ts';
export { connectRedis, RedisRefusedError } from '#redis/index';
export type { RedisArgument, RedisOptions, RedisPort, RedisTls, Script } from '#redis/index';
export { RedisTier } from './redis/tier.ts';
export type { RedisTierOptions } from './redis/tier.ts';
export { systemClock } from '#core/clock';
export type { Clock, Timer } from '#core/clock';
export { systemRandom } from '#core/random';
export type { Random } from '#core/random';
