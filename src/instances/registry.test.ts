/** How many an instance takes for alive, over a Redis that is a list of those who have written themselves down in it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import type { RedisPort } from '#redis/index';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { InstanceRegistry } from './registry.ts';

const BEAT_MS = 1_100;
/** As long as one that does not beat stays in Redis. */
const LIFE_MS = 3_500;
const ignore = (): void => undefined;
const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

const [SELF, ONE, TWO] = ['self', 'one', 'two'];

function lab() {
  const clock = new VirtualClock();
  /** What Redis answers with; null: it is away. */
  const redis: { lives: readonly string[] | null } = { lives: [SELF, ONE, TWO] };
  const textOf = (id: string): string =>
    JSON.stringify({ id, address: `http://${id}:1`, version: '1', capacity: 1, draining: false, startedWallMs: 0 });
  const run: RedisPort['run'] = async () => {
    if (redis.lives === null) throw new Error('away');
    return redis.lives.flatMap((id) => [id, LIFE_MS, textOf(id)]);
  };
  const registry = new InstanceRegistry({
    incarnation: SELF,
    self: { id: SELF, version: '1', capacity: 1, startedWallMs: 0 },
    redis: { run, subscribe: ignore, onReady: ignore, close: ignore },
    clock,
    random: seededRandom(1),
    logger,
    onReachable: ignore,
  });
  registry.begin('http://self:1');
  const seen = async (lives: readonly string[] | null, forMs = BEAT_MS): Promise<[listed: number, live: number]> => {
    redis.lives = lives;
    await clock.advance(forMs);
    return [registry.list().length, registry.liveInstances()];
  };
  return { seen };
}

describe('an instance among others', () => {
  it('takes them for alive while a Redis that comes back empty learns of them one by one', async () => {
    const { seen } = lab();
    assert.deepEqual(await seen([SELF, ONE, TWO]), [3, 3]);
    assert.deepEqual(await seen(null, 60_000), [3, 3]);
    assert.deepEqual(await seen([SELF]), [1, 3], 'the others have not beaten yet');
    assert.deepEqual(await seen([SELF, ONE]), [2, 3]);
    assert.deepEqual(await seen([SELF, ONE, TWO]), [3, 3]);
  });

  it('takes them for alive also where none of its beats fell into the time that Redis was away', async () => {
    const { seen } = lab();
    assert.deepEqual(await seen([SELF, ONE, TWO]), [3, 3]);
    assert.deepEqual(await seen([SELF]), [1, 3]);
    assert.deepEqual(await seen([SELF, ONE, TWO]), [3, 3]);
  });

  it('believes that there are fewer when that was so for as long as a life, without the time that Redis was away', async () => {
    const { seen } = lab();
    assert.deepEqual(await seen([SELF, ONE, TWO]), [3, 3]);
    assert.deepEqual(await seen([SELF, ONE]), [2, 3]);
    assert.deepEqual(await seen(null, 60_000), [2, 3]);
    assert.deepEqual(await seen([SELF]), [1, 3]);
    assert.deepEqual(await seen([SELF, ONE], LIFE_MS + 2 * BEAT_MS), [2, 2]);
    assert.deepEqual(await seen([SELF, ONE, TWO]), [3, 3], 'more at once');
  });
});
