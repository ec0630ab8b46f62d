/** The cache room, in the hub and as `revoagent/cache`. */
export { Cache, CacheClosedError } from './cache.ts';
export { CacheFactoryError, FactoryTimeoutError } from './context.ts';
export type { FactoryContext } from './context.ts';
export { createCache } from './create.ts';
export type { CacheEvent, CacheStats } from './events.ts';
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
