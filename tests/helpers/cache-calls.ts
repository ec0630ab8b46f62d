/** Every operation of a cache's tier, over a tier that holds `chat:1` and so on, with tags `t:1` and so on. */
import type { Tier } from '../../src/cache/tier.ts';

export function cacheCalls(tier: Tier): Readonly<Record<string, readonly (() => unknown)[]>> {
  const entry = { ttlMs: 1, swrMs: 1, staleOnErrorMs: 1, bytes: 1, ageMs: 0, computeMs: 1, expired: false };
  const value = { ...entry, tags: ['t:7'], payload: new Uint8Array(1) };
  const asked = { tags: ['t:7'], token: 'token', leaseMs: 1_000, leaseMsMax: 1_000, freshShare: 1 };
  return {
    acquire: ['chat:7', 'chat:absent'].map((key) => () => tier.acquire({ ...asked, key })),
    put: [() => tier.put('chat:absent', value, { token: 'token', stamp: 'e 1' })],
    renew: [() => tier.renew('chat:7', 'token', 1)],
    release: [() => tier.release('chat:7', 'token')],
    set: [() => tier.set('chat:8', value, 'here')],
    invalidate: [true, false].flatMap((hard) =>
      ['k:chat:7', 't:t:7', '*'].map((name) => () => tier.invalidate([{ name, hard }], 'here')),
    ),
    since: [() => tier.since({ epoch: 'e', number: 1 })],
    purge: [() => tier.purge?.()],
  };
}
