/** A tier that answers reads and takes no invalidation: what was deleted lies in it, and must reach nobody. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { seededRandom } from '#core/random';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { createCache } from './create.ts';
import type { CacheEvent } from './events.ts';
import { MemoryTier } from './memory-tier.ts';
import { Outbox } from './outbox.ts';
import type { Invalidation } from './tier.ts';

class DeafTier extends MemoryTier {
  deaf = false;

  override invalidate(invalidations: readonly Invalidation[], origin: string): void {
    if (this.deaf) throw new Error('deaf');
    super.invalidate(invalidations, origin);
  }
}

it('a tier that owes an invalidation is not read until it has it, and the others hear of it then', async () => {
  const clock = new VirtualClock();
  const tier = new DeafTier(clock, { bytesMax: 1e6, entryBytesMax: 1e5 });
  const events: CacheEvent[] = [];
  const shared = { namespace: 'test', tiers: [tier], clock, random: seededRandom(1) };
  const one = createCache({ ...shared, onEvent: (event) => events.push(event) });
  const other = createCache(shared);
  await clock.advance(10);
  await one.set('k', 'old');
  assert.equal(await other.getOrSet('k', () => 'not made'), 'old');
  tier.deaf = true;
  await one.delete('k');
  assert.equal(await one.getOrSet('k', () => 'new'), 'new');
  assert.equal(other.peek('k'), 'old');
  tier.deaf = false;
  await clock.advance(3_000);
  assert.ok(events.some((event) => event.kind === 'outbox' && event.waiting === 0));
  assert.equal(other.peek('k'), undefined);
  assert.equal(await other.getOrSet('k', () => 'newer'), 'newer');
  await one.close();
  await other.close();
});

it('past its bound everything that waits becomes one invalidation of everything', async () => {
  const clock = new VirtualClock();
  const sent: Invalidation[][] = [];
  const changes: boolean[] = [];
  const outbox = new Outbox({
    clock,
    waitingMax: 3,
    send: async (batch) => {
      sent.push([...batch]);
      return true;
    },
    onChange: (_waiting, overflowed) => changes.push(overflowed),
  });
  outbox.add(['k:1', 'k:2', 'k:3'].map((name) => ({ name, hard: false })));
  outbox.add([{ name: 'k:4', hard: false }]);
  assert.ok(changes.includes(true));
  await clock.advance(250);
  assert.deepEqual(sent, [[{ name: '*', hard: true }]]);
  assert.ok(outbox.isEmpty);
});

it('what was hard stays hard, and what is added while it is sent goes again', async () => {
  const clock = new VirtualClock();
  const sent: string[] = [];
  const outbox: Outbox = new Outbox({
    clock,
    send: async (batch) => {
      if (sent.length === 0) outbox.add([{ name: 'k:1', hard: false }]);
      sent.push(...batch.map(({ name, hard }) => `${name} ${hard}`));
      return true;
    },
    onChange: () => undefined,
  });
  outbox.add([{ name: 'k:1', hard: true }]);
  outbox.add([{ name: 'k:1', hard: false }]);
  await clock.advance(250);
  assert.deepEqual(sent, ['k:1 true', 'k:1 true']);
  assert.ok(outbox.isEmpty);
});
