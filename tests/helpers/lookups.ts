/** The caches as the hub has them, in this process alone. */
import type { Clock } from '#core/clock';
import type { AnswerCache } from '#contract/answer-cache';
import type { LookupCache } from '#contract/lookup-cache';
import { createCache } from '#cache/index';
import { ANSWERS, LOOKUPS } from '#hub/cache';

export function lookupsOn(clock: Clock): LookupCache {
  return createCache({ ...LOOKUPS, clock });
}

export function answersOn(clock: Clock): AnswerCache {
  return createCache({ ...ANSWERS, clock });
}
