/** A tier that comes back is used again soon, however long it was away and whenever it comes, and is not run over by those who wait for it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { seededRandom } from '#core/random';
import { CALM, ChaosTier } from '../../tests/helpers/chaos-tier.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import type { Cache } from './cache.ts';
import { createCache } from './create.ts';
import type { CacheEvent } from './events.ts';
import { MemoryTier } from './memory-tier.ts';
import type { Position, Tier } from './tier.ts';

const OUTAGE_MS = 60_000;
/** Of five seconds a connection takes one. */
const RECOVERY_MS = 4_000;

for (const [who, askEveryMs] of [
  ['that nobody asks', null],
  ['that is asked all the time', 100],
] as const)
  for (let seed = 1; seed <= 10; seed++)
    it(`a tier is used again within four seconds of its return, by an instance ${who}, seed ${seed}`, async () => {
      const clock = new VirtualClock();
      const random = seededRandom(seed);
      const tier = new ChaosTier(
        new MemoryTier(clock, { bytesMax: 1e6, entryBytesMax: 1e5 }),
        clock,
        seededRandom(seed),
      );
      const events: CacheEvent[] = [];
      const cache = createCache({
        namespace: 'n',
        tiers: [tier],
        clock,
        random,
        onEvent: (event) => events.push(event),
      });
      let asked = 0;
      const pass = async (ms: number): Promise<void> => {
        if (askEveryMs === null) return clock.advance(ms);
        for (let passed = 0; passed < ms; passed += askEveryMs) {
          void cache.getOrSet(`key:${asked++}`, () => 1);
          await clock.advance(askEveryMs);
        }
      };
      const isOpen = (): boolean =>
        events.findLast(({ kind }) => kind === 'tier-opened' || kind === 'tier-closed')?.kind === 'tier-opened';

      await pass(1_000);
      tier.chaos = { ...CALM, hangs: 1 };
      // Enough to open its circuit.
      for (let each = 0; each < 5; each++) void cache.getOrSet(`cold:${each}`, () => 1);
      await pass(OUTAGE_MS / 2);
      const from = events.length;
      await pass(OUTAGE_MS / 2);
      const late = events.slice(from).filter((each) => each.kind === 'operation' && each.outcome === 'timeout');
      assert.ok(late.length > 0 && late.length <= OUTAGE_MS / 2 / 1_500, `it was asked ${late.length} times`);
      await pass(random.next() * 2_000);
      assert.ok(isOpen());
      tier.chaos = CALM;
      await pass(RECOVERY_MS);
      assert.ok(!isOpen());
      await cache.close();
    });

for (const [what, before, restored, cleared] of [
  ['as it was before', '5.10', '5.10', true],
  ['as it was before it was emptied', '10.9', '9.10', true],
  ['empty, and was filled since', '9.10', '10.9', false],
] as const)
  it(`a tier that comes back ${what} gives ${cleared ? 'nothing' : 'what it holds'}, and is heard again`, async () => {
    const clock = new VirtualClock();
    const made = (epoch: string) => ({ epoch, tier: new MemoryTier(clock, { bytesMax: 1e6, entryBytesMax: 1e5 }) });
    const [latest, snapshot] = [made(before), made(restored)];
    const opened = (tier: Tier): Cache => createCache({ namespace: 'n', tiers: [tier], clock });
    for (const { tier } of [snapshot, latest]) await opened(tier).set('users:7', 'deleted', { ttlMs: 3_600_000 });
    let now = latest;
    const its = (position: Position, { epoch } = now): Position => ({ ...position, epoch });
    const tier = (): Tier => ({
      name: 'restored',
      limits: latest.tier.limits,
      acquire: (request) => now.tier.acquire(request),
      put: (key, entry, ticket) => now.tier.put(key, entry, ticket),
      renew: (key, token, leaseMs) => now.tier.renew(key, token, leaseMs),
      release: (key, token) => now.tier.release(key, token),
      set: (key, entry, origin) => now.tier.set(key, entry, origin),
      invalidate: (invalidations, origin) => now.tier.invalidate(invalidations, origin),
      position: () => its(now.tier.position()),
      since({ epoch, number }) {
        const since = now.epoch === epoch ? now.tier.since({ ...now.tier.position(), number }) : undefined;
        return since && { ...since, position: its(since.position) };
      },
      subscribe: (listener) =>
        [snapshot, latest].forEach((each) =>
          each.tier.subscribe((position, said) => listener(its(position, each), said)),
        ),
      close: () => undefined,
    });
    const [one, other] = [opened(tier()), opened(tier())];
    await clock.advance(2_000);
    for (const key of ['a', 'b', 'c', 'users:7']) await one.delete(key);
    now = snapshot;
    await clock.advance(3_000);
    const found = cleared ? undefined : 'deleted';
    assert.deepEqual([await one.get('users:7'), await other.get('users:7')], [found, found]);
    await one.set('users:8', 'first');
    assert.equal(await other.get('users:8'), 'first');
    await one.set('users:8', 'second');
    assert.equal(await other.get('users:8'), 'second');
  });
