/** What a cache and one call of it may be told, with the defaults of the house. Every duration is in milliseconds. */
import type { CancelSignal } from '#core/cancel';
import type { Clock } from '#core/clock';
import type { Random } from '#core/random';
import type { BreakerRegistry } from '#resilience/registry';
import type { CacheEvent } from './events.ts';
import type { Lifetime, Tier, TierLimits } from './tier.ts';

/** How one value is made and kept. */
export interface FillOptions extends Lifetime {
  /** Share by which a `ttlMs` is drawn longer or shorter, so that what was made together does not end together. 0 to 0.5. */
  readonly jitter: number;
  /** From this share of its `ttlMs` on, a value may be refreshed early: the likelier, the longer it takes to make. 1 never does. */
  readonly earlyRefreshFrom: number;
  /** With a stale copy at hand, callers wait so long for the factory and then take the copy. */
  readonly softTimeoutMs: number;
  /** Then the factory is aborted, and its callers get a `FactoryTimeoutError`. */
  readonly hardTimeoutMs: number;
  /** After a failure that a stale copy covered, the factory is left alone for so long. */
  readonly retryAfterFailureMs: number;
}

export interface CallOptions extends Partial<FillOptions> {
  /** Kept in this process's memory and in no tier beneath; an invalidation reaches it from every instance all the same. */
  readonly local?: boolean;
  /** Known before the factory runs; `context.tag` adds what only the factory knows. */
  readonly tags?: readonly string[];
  /** The caller's own: its abort lets go of the value, and stops the factory once nobody waits for it. */
  readonly signal?: CancelSignal;
  /**
   * Told what the factory of this process shows by `context.progress`: the latest, and each that follows. A listener must not throw, and
   * is not told of one that began before an invalidation.
   */
  readonly onProgress?: (progress: unknown) => void;
}

export const FILL_DEFAULTS: FillOptions = Object.freeze({
  ttlMs: 60_000,
  swrMs: 60_000,
  staleOnErrorMs: 24 * 60 * 60 * 1000,
  jitter: 0.1,
  earlyRefreshFrom: 0.8,
  softTimeoutMs: 150,
  hardTimeoutMs: 10_000,
  retryAfterFailureMs: 30_000,
});

export const NEGATIVE_TTL_MS = 5_000;

export interface CacheOptions {
  /** Names this cache's part of every tier: a-z, 0-9, ".", "_", "-", up to 64 characters. */
  readonly namespace: string;
  /** Beneath memory, nearest first. None: everything stays in this process. Closed with the cache. */
  readonly tiers?: readonly Tier[];
  readonly memory?: Partial<MemorySettings>;
  /** For every call that says nothing else. */
  readonly defaults?: Partial<FillOptions>;
  readonly lease?: Partial<LeaseSettings>;
  /** Freezes every value that leaves the cache, so that a caller who changes a shared one finds out. For tests. */
  readonly freeze?: boolean;
  /** Where the tiers' breakers are kept, as `cache:<tier>`, for who lists and acts on them. */
  readonly breakers?: BreakerRegistry;
  /** What it throws is counted and changes nothing. */
  readonly onEvent?: (event: CacheEvent) => void;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface MemorySettings {
  /** Bound of all entries together. Default 128 MB. */
  readonly bytesMax: number;
  /** Bound of one entry's JSON; a larger one goes to the tiers beneath only. Default 1 MB. */
  readonly entryBytesMax: number;
  /** With tiers beneath, memory asks them again after so long, at the latest. 0: it keeps nothing. Default 30 s. */
  readonly ttlMs: number;
}

export interface LeaseSettings {
  /** How long a lease holds if it is not renewed. Renewed at a third of it. Default 10 s. */
  readonly leaseMs: number;
  /** A lease is renewed no longer than this. Default 60 s. */
  readonly leaseMsMax: number;
  /** How long a caller waits for another instance's factory before it runs its own. Default 3 s. */
  readonly waitMs: number;
}

const MB = 1024 * 1024;
const MEMORY_DEFAULTS: MemorySettings = Object.freeze({
  bytesMax: 128 * MB,
  entryBytesMax: MB,
  ttlMs: 30_000,
});
const LEASE_DEFAULTS: LeaseSettings = Object.freeze({ leaseMs: 10_000, leaseMsMax: 60_000, waitMs: 3_000 });

/** JSON bytes of one entry in a tier beneath memory; a larger value is made anew for every caller. */
export const ENTRY_BYTES_MAX = 4 * MB;

type Bounds<Settings> = Partial<Readonly<Record<keyof Settings, readonly [min: number, max: number]>>>;

const FILL_BOUNDS: Bounds<FillOptions> = { jitter: [0, 0.5], earlyRefreshFrom: [0, 1] };
const MEMORY_BOUNDS: Bounds<MemorySettings> = { bytesMax: [1, Number.MAX_SAFE_INTEGER] };
const LEASE_BOUNDS: Bounds<LeaseSettings> = { leaseMs: [1, Number.MAX_SAFE_INTEGER] };
const TIER_BOUNDS: Bounds<TierLimits> = { inFlightMax: [1, Number.MAX_SAFE_INTEGER] };

/** `undefined` in `options` leaves the default. Throws a RangeError for what is no duration or share. */
export function fillOptions(defaults: FillOptions, options: Partial<FillOptions> | undefined): FillOptions {
  return options === undefined ? defaults : settled(defaults, options, FILL_BOUNDS);
}

/** As `fillOptions`. */
export function memorySettings(given: Partial<MemorySettings> | undefined): MemorySettings {
  return settled(MEMORY_DEFAULTS, given, MEMORY_BOUNDS);
}

/** As `fillOptions`. */
export function leaseSettings(given: Partial<LeaseSettings> | undefined): LeaseSettings {
  return settled(LEASE_DEFAULTS, given, LEASE_BOUNDS);
}

/** As `fillOptions`. */
export function tierLimits(defaults: TierLimits, given: Partial<TierLimits> | undefined): TierLimits {
  return settled(defaults, given, TIER_BOUNDS);
}

function settled<Settings extends Readonly<Record<keyof Settings, number>>>(
  defaults: Settings,
  given: Partial<Settings> | undefined,
  bounds: Bounds<Settings>,
): Settings {
  const resolved = { ...defaults };
  for (const name of Object.keys(defaults) as (keyof Settings & string)[]) {
    const value = given?.[name];
    if (value === undefined) continue;
    const [min, max] = bounds[name] ?? [0, Number.MAX_SAFE_INTEGER];
    if (!(value >= min && value <= max))
      throw new RangeError(`${name} must be a number from ${min} to ${max}; got ${value}`);
    resolved[name] = value;
  }
  return resolved;
}
