/** What one instance hears of what another invalidates, and how it makes good what it did not hear. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import type { Cache } from './cache.ts';
import { createCache } from './create.ts';
import type { CacheEvent } from './events.ts';
import { MemoryTier } from './memory-tier.ts';
import type { Announcement, Position } from './tier.ts';

/** Its announcements can be lost or late, and what it announced be forgotten. */
class Tier extends MemoryTier {
  lost = false;
  forgets = false;
  deliver = (say: () => void): void => say();

  override subscribe(listener: (position: Position, announcement: Announcement) => void): void {
    super.subscribe((position, announcement) => {
      if (!this.lost) this.deliver(() => listener(position, announcement));
    });
  }

  override close(): void {
    // Others are open yet.
  }

  override since(position: Position): ReturnType<MemoryTier['since']> {
    return this.forgets ? undefined : super.since(position);
  }
}

/** Both have `a`, `b` and `c`; the heartbeats have been. */
async function two(): Promise<{ clock: VirtualClock; tier: Tier; one: Cache; other: Cache; gaps: unknown[] }> {
  const clock = new VirtualClock();
  const tier = new Tier(clock, { bytesMax: 1e6, entryBytesMax: 1e5 });
  const gaps: unknown[] = [];
  const onEvent = (event: CacheEvent): void => {
    if (event.kind === 'bus-gap') gaps.push(event.replayed);
  };
  const shared = { namespace: 'test', tiers: [tier], clock, random: seededRandom(1), defaults: { jitter: 0 } };
  const [one, other] = [createCache(shared), createCache({ ...shared, onEvent })];
  await clock.advance(1_200);
  for (const key of ['a', 'b', 'c']) {
    await one.set(key, key);
    await other.get(key);
  }
  await clock.advance(1_200);
  assert.deepEqual([kept(one), kept(other), gaps], ['abc', 'abc', []]);
  return { clock, tier, one, other, gaps };
}

const kept = (cache: Cache): string => ['a', 'b', 'c'].filter((key) => cache.peek(key) !== undefined).join('');

describe('what another instance invalidates', () => {
  it('is known as soon as it is heard, in its turn, and is no gap', async () => {
    const { clock, one, other, gaps } = await two();
    await one.delete('a');
    assert.equal(kept(other), 'bc');
    await one.expire('b');
    assert.equal(kept(other), 'c');
    await clock.advance(5_000);
    assert.deepEqual(gaps, []);
    assert.equal(other.stats().busGaps, 0);
  });

  it('is replayed where an earlier one was lost: the later one counts at once', async () => {
    const { clock, tier, one, other, gaps } = await two();
    tier.lost = true;
    await one.delete('a');
    assert.equal(kept(other), 'abc');
    tier.lost = false;
    const deleted = one.delete('b');
    assert.equal(kept(other), 'ac');
    await deleted;
    await clock.advance(10);
    assert.equal(kept(other), 'c');
    await clock.advance(5_000);
    assert.deepEqual([gaps.length, other.stats().busGaps], [1, 1]);
    await one.delete('c');
    assert.deepEqual([kept(other), gaps.length], ['', 1], 'and goes on in its turn');
  });

  it('is not taken for lost while it may be on its way', async () => {
    const { clock, tier, one, other, gaps } = await two();
    tier.deliver = (say) => void clock.schedule(40, say);
    for (let each = 0; each < 300; each++) {
      await one.deleteTag('none');
      await clock.advance(10);
    }
    assert.deepEqual([kept(other), gaps], ['abc', []]);
  });

  it('is made good by the heartbeat where nothing comes after it', async () => {
    const { clock, tier, one, other, gaps } = await two();
    tier.lost = true;
    await one.delete('a');
    await one.deleteTag('none');
    await clock.advance(1_200);
    assert.deepEqual([kept(other), gaps], ['bc', [2]]);
  });

  it('and cannot be told any more leaves nothing that passes for fresh', async () => {
    const { clock, tier, one, other, gaps } = await two();
    tier.lost = true;
    tier.forgets = true;
    const own = { local: true } as const;
    await other.set('own', 'value', own);
    await one.delete('a');
    await clock.advance(1_200);
    assert.deepEqual([kept(other), gaps], ['', ['marked stale']]);
    const failing = (): never => {
      throw new Error('down');
    };
    assert.equal(await other.getOrSet('own', failing, own), 'value', 'but a copy for a factory that fails');
    await other.get('b');
    tier.lost = false;
    tier.forgets = false;
    await clock.advance(5_000);
    assert.deepEqual([kept(other), gaps.length], ['b', 1], 'and then all is well');
  });

  it('is heard no more by one that is closed, and no timer is left', async () => {
    const { clock, one, other } = await two();
    await other.close();
    await one.delete('a');
    assert.equal(kept(other), 'abc');
    await one.close();
    // The deadline of what was asked last.
    await clock.advance(200);
    assert.equal(clock.pending, 0);
  });
});

it('what memory took before it had heard of its tier for the first time is made anew', async () => {
  const clock = new VirtualClock();
  const tier = new Tier(clock, { bytesMax: 1e6, entryBytesMax: 1e5 });
  const position = Promise.withResolvers<Position>();
  const slow = Object.assign(tier, { limits: { ...tier.limits, readMs: 1_000 } });
  Object.defineProperty(slow, 'position', { value: () => position.promise });
  const cache = createCache({ namespace: 'test', tiers: [slow], clock, random: seededRandom(1) });
  await cache.set('a', 'a');
  assert.equal(cache.peek('a'), 'a');
  position.resolve({ epoch: 'process', number: 7 });
  await clock.advance(10);
  assert.equal(cache.peek('a'), undefined);
  await cache.close();
});
