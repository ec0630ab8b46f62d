/** The cache of look-ups as the hub has it, in this process alone. */
import type { Clock } from '#core/clock';
import type { LookupCache } from '#contract/lookup-cache';
import { createCache } from '#cache/index';
import { LOOKUPS } from '#hub/cache';

export function lookupsOn(clock: Clock): LookupCache {
  return createCache({ ...LOOKUPS, clock });
}
