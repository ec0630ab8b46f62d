/** By how many an instance divides while Redis does not answer, over a database that is a set of those who live. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import type { InstancesSource } from '#contract/instances';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { InstanceRoll } from './roll.ts';

const ignore = (): void => undefined;
const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

function lab(source: InstancesSource, known = 1) {
  const clock = new VirtualClock();
  const registry = { source, liveInstances: () => known };
  const database = {
    live: new Set(['one', 'two']),
    beats: 0,
    lifeMs: 0,
    /** Until when it takes its time over the next question. */
    free: Promise.resolve(),
    answers: 'at once' as 'at once' | 'never' | 'that it is away',
  };
  const store = {
    async beat(incarnation: string, lifeMs: number) {
      database.beats++;
      database.lifeMs = lifeMs;
      await database.free;
      database.live.add(incarnation);
      if (database.answers === 'never') await new Promise(ignore);
      if (database.answers === 'that it is away') throw new Error('away');
      return database.live.size;
    },
    leave: async (incarnation: string) => void database.live.delete(incarnation),
  };
  const roll = new InstanceRoll({ incarnation: 'self', registry, store, clock, random: seededRandom(1), logger });
  return { clock, registry, database, roll };
}

describe('an instance on the roll', () => {
  it('knows from its start on how many others there are, though Redis has never answered', async () => {
    const { roll, registry, database, clock } = lab('away');
    await roll.begin();
    assert.equal(roll.liveInstances(), 3);
    database.live.add('four');
    await clock.advance(2_000);
    assert.equal(roll.liveInstances(), 4);
    registry.source = 'shared';
    assert.equal(roll.liveInstances(), 1, 'Redis knows better');
    await roll.close();
    assert.deepEqual([...database.live], ['one', 'two', 'four']);
    assert.equal(clock.pending, 0);
  });

  it('has counted the others before its start goes on, and is off the roll after its end though it was being written down', async () => {
    const { roll, database, clock } = lab('away');
    const slow = (): (() => void) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      database.free = promise;
      return resolve;
    };
    const reach: string[] = [];
    const counted = slow();
    const begun = roll.begin().then(() => reach.push('begun'));
    await clock.advance(100);
    reach.push('counted');
    counted();
    await begun;
    const writtenDown = slow();
    await clock.advance(2_000);
    const closed = roll.close();
    await clock.advance(100);
    writtenDown();
    await closed;
    assert.deepEqual(reach, ['counted', 'begun']);
    assert.deepEqual([...database.live], ['one', 'two']);
  });

  it('divides by what Redis last said where that was more', async () => {
    const { roll } = lab('away', 7);
    await roll.begin();
    assert.equal(roll.liveInstances(), 7);
  });

  it('is written down every ten seconds while Redis answers, and asked for by one question at a time', async () => {
    const { roll, registry, database, clock } = lab('shared');
    await roll.begin();
    await clock.advance(33_000);
    assert.equal(database.beats, 4);
    assert.equal(database.lifeMs, 30_000, 'one beat may be lost, and one that was killed is soon counted no more');
    registry.source = 'away';
    database.answers = 'never';
    await clock.advance(60_000);
    assert.equal(database.beats, 5);
  });

  it('starts, and goes on with what it knows, where the database does not answer', async () => {
    const { roll, database, clock } = lab('away');
    database.answers = 'that it is away';
    await roll.begin();
    assert.equal(roll.liveInstances(), 1);
    database.answers = 'at once';
    await clock.advance(2_000);
    assert.equal(roll.liveInstances(), 3);
    database.answers = 'that it is away';
    await clock.advance(2_000);
    assert.equal(roll.liveInstances(), 3);
  });
});
