/** A real Redis whose scripts take a clock that the test moves for the server's time. What ends by itself there ends by the server's own. */
import assert from 'node:assert/strict';
import { connectRedis } from '#redis/index';
import type { RedisArgument, RedisPort, Script } from '#redis/index';
import { RedisStore } from '#limits/redis-store';
import { waitFor } from './hub-process.ts';
import { startRedis } from './redis.ts';
import type { TestRedis } from './redis.ts';
import { VirtualClock } from './virtual-clock.ts';

export const WINDOW_MS = 60_000;

export class TimedRedis implements Pick<RedisPort, 'run'> {
  clock = new VirtualClock();
  readonly redis: TestRedis;
  readonly port: RedisPort;
  /** The scripts as they are, but for where the time is from: the clock, as an argument behind the others. */
  readonly #onClock = new Map<Script, Script>();

  constructor(redis: TestRedis) {
    this.redis = redis;
    this.port = connectRedis({ url: redis.url });
  }

  /** Limits, on a clock of their own from now on. */
  store(): RedisStore {
    this.clock = new VirtualClock();
    return new RedisStore(this, WINDOW_MS);
  }

  run(script: Script, keys: readonly string[], args: readonly RedisArgument[]): Promise<unknown> {
    let moved = this.#onClock.get(script);
    if (moved === undefined) {
      const lua = script.lua.replace(
        `redis.call('TIME')`,
        `{math.floor(ARGV[#ARGV] / 1000), ARGV[#ARGV] % 1000 * 1000}`,
      );
      assert.notEqual(lua, script.lua);
      this.#onClock.set(script, (moved = { name: script.name, lua }));
    }
    return this.port.run(moved, keys, [...args, this.clock.wallMs()]);
  }

  async close(): Promise<void> {
    this.port.close();
    await this.redis.close();
  }
}

export async function startTimedRedis(): Promise<TimedRedis> {
  const timed = new TimedRedis(await startRedis());
  await waitFor(() => timed.port.run({ name: 'ping', lua: `return 'up'` }, [], []).catch(() => null));
  return timed;
}
