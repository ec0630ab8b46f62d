/**
 * Many instances of one cache over one shared tier, from a seed, on a virtual clock. Each reads, writes the truth and invalidates what
 * it wrote; the way to the tier is slow, cut, hung and forgetful, and no two instances agree on the time. Nobody may be told a
 * value that was invalidated before, and of what nobody invalidated there is one factory call at a time.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock, Timer } from '#core/clock';
import { seededRandom } from '#core/random';
import type { Random } from '#core/random';
import { createCache, MemoryTier } from '#cache/index';
import type { Cache, Tier } from '#cache/index';
import { CALM, ChaosTier } from '../helpers/chaos-tier.ts';
import type { Chaos } from '../helpers/chaos-tier.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';

const SEEDS = [1, 3, 5, 8];
const KEYS = ['a:1', 'a:2', 'b:1', 'b:2'];
const INSTANCES = 4;
const HOUR_MS = 3_600_000;

/** Another machine's: it counts from elsewhere, and its wall clock is years off. */
class SkewedClock implements Clock {
  readonly #true: VirtualClock;
  readonly #skewMs: number;

  constructor(clock: VirtualClock, skewMs: number) {
    this.#true = clock;
    this.#skewMs = skewMs;
  }

  now(): number {
    return this.#true.now() + this.#skewMs;
  }

  wallMs(): number {
    return this.#true.wallMs() - 1_000 * this.#skewMs;
  }

  schedule(delayMs: number, callback: () => void): Timer {
    return this.#true.schedule(delayMs, callback);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return this.#true.sleep(delayMs, signal);
  }
}

interface Told {
  readonly version: number;
}

class World {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly caches: Cache[] = [];
  readonly chaotic: ChaosTier[] = [];
  readonly truth = new Map(KEYS.map((key) => [key, 1]));
  /** By instance and key: what this instance was told is invalidated below. */
  readonly #floors: Map<string, number>[] = [];
  /** By key: what every instance has to know from a moment on. */
  readonly #everywhere: { key: string; version: number; from: number }[] = [];
  /** When the factory calls began that are under way. */
  readonly #running: { key: string; begun: number }[] = [];
  /** By key: writes under way, and when the last one was known to all. */
  readonly #writes = new Map(KEYS.map((key) => [key, { open: 0, knownAt: 0 }]));
  readonly problems: string[] = [];
  reads = 0;
  factoryCalls = 0;
  concurrent = 0;

  constructor(seed: number, tiers: readonly Tier[], private_: { clock?: VirtualClock } = {}) {
    this.random = seededRandom(seed);
    this.clock = private_.clock ?? this.clock;
    for (let instance = 0; instance < INSTANCES; instance++) {
      const clock = new SkewedClock(this.clock, instance * 7_777_777);
      const own = tiers.map((tier) => new ChaosTier(tier, this.clock, this.random));
      this.chaotic.push(...own);
      this.#floors.push(new Map());
      this.caches.push(
        createCache({
          namespace: 'world',
          tiers: own,
          clock,
          random: this.random,
          // Only an invalidation that arrives changes what an instance tells.
          memory: { ttlMs: HOUR_MS },
          defaults: { ttlMs: HOUR_MS, swrMs: 0, staleOnErrorMs: 0, earlyRefreshFrom: 1 },
        }),
      );
    }
  }

  set chaos(chaos: Chaos) {
    for (const each of this.chaotic) each.chaos = chaos;
  }

  /** Every instance reads and now and then writes, for so long. `knownAfterMs`: until every instance has to know of a write. */
  async run(forMs: number, knownAfterMs: number): Promise<void> {
    const end = this.clock.now() + forMs;
    for (const instance of this.caches.keys()) void this.#live(instance, end, knownAfterMs);
    await this.clock.advance(forMs);
  }

  async read(instance: number, key: string): Promise<number> {
    this.reads++;
    const begun = this.clock.now();
    const own = this.#floors[instance]?.get(key) ?? 0;
    const known = this.#everywhere
      .filter((each) => each.key === key && each.from <= begun)
      .map(({ version }) => version);
    const floor = Math.max(own, ...known);
    const tags = [`declared:${key}`];
    const { version } = await this.cache(instance).getOrSet<Told>(key, (context) => this.#factory(key, context), {
      tags,
    });
    if (version < floor) this.problems.push(`${key} at ${begun}: instance ${instance} told ${version}, after ${floor}`);
    return version;
  }

  cache(instance: number): Cache {
    const cache = this.caches[instance];
    assert.ok(cache);
    return cache;
  }

  async close(): Promise<void> {
    for (const cache of this.caches) await cache.close();
  }

  async #live(instance: number, end: number, knownAfterMs: number): Promise<void> {
    while (this.clock.now() < end) {
      await this.clock.sleep(this.random.next() * 60);
      if (this.random.next() < 0.9) void this.read(instance, this.#pick(KEYS));
      else void this.#write(instance, knownAfterMs);
    }
  }

  async #write(instance: number, knownAfterMs: number): Promise<void> {
    const key = this.#pick(KEYS);
    const prefix = key.slice(0, 2);
    const cache = this.cache(instance);
    const [touched, invalidate] = this.#pick([
      [[key], () => cache.delete(key)],
      [[key], () => cache.expire(key)],
      [[key], () => cache.deleteTag(`declared:${key}`)],
      [[key], () => cache.expireTag(`named-late:${key}`)],
      [KEYS.filter((each) => each.startsWith(prefix)), () => cache.deletePrefix(prefix)],
      [KEYS, () => cache.clear()],
    ] as const);
    const versions = touched.map((each) => {
      const version = (this.truth.get(each) ?? 0) + 1;
      this.truth.set(each, version);
      const writes = this.#writesOf(each);
      writes.open++;
      return [each, version] as const;
    });
    await invalidate();
    const from = this.clock.now() + knownAfterMs;
    for (const [each, version] of versions) {
      const writes = this.#writesOf(each);
      writes.open--;
      writes.knownAt = from;
      const floors = this.#floors[instance];
      floors?.set(each, Math.max(version, floors.get(each) ?? 0));
      this.#everywhere.push({ key: each, version, from });
    }
  }

  async #factory(key: string, context: { tag(tag: string): void }): Promise<Told> {
    this.factoryCalls++;
    const { open, knownAt } = this.#writesOf(key);
    // Beside one that an invalidation made worthless, another is right.
    if (open === 0 && this.#running.some((each) => each.key === key && each.begun > knownAt)) this.concurrent++;
    const running = { key, begun: this.clock.now() };
    this.#running.push(running);
    await this.clock.sleep(this.random.next() * 40);
    const version = this.truth.get(key) ?? 0;
    await this.clock.sleep(this.random.next() * 80);
    context.tag(`named-late:${key}`);
    this.#running.splice(this.#running.indexOf(running), 1);
    return { version };
  }

  #writesOf(key: string): { open: number; knownAt: number } {
    const writes = this.#writes.get(key);
    assert.ok(writes);
    return writes;
  }

  #pick<T>(list: readonly T[]): T {
    const picked = list[Math.floor(this.random.next() * list.length)];
    assert.ok(picked !== undefined);
    return picked;
  }
}

const MB = 1024 * 1024;

function worldOf(seed: number, tierCount = 1): World {
  const clock = new VirtualClock();
  const tiers = Array.from({ length: tierCount }, (_, index) => {
    const tier: Tier = new MemoryTier(clock, { bytesMax: 16 * MB, entryBytesMax: MB });
    return Object.assign(tier, { name: `tier-${index}` });
  });
  return new World(seed, tiers, { clock });
}

describe('instances over a tier that works', () => {
  for (const seed of SEEDS) {
    it(`one factory call at a time, and every invalidation known to all at once: seed ${seed}`, async () => {
      const world = worldOf(seed);
      await world.clock.advance(100);
      await world.run(20_000, 10);
      await world.clock.advance(1_000);
      assert.deepEqual(world.problems, []);
      assert.ok(
        world.reads > 1_000 && world.factoryCalls > 100,
        `${world.reads} reads, ${world.factoryCalls} factory calls`,
      );
      assert.equal(world.concurrent, 0);
      await world.close();
    });

    it(`announcements that are lost are noticed and made good within two heartbeats: seed ${seed}`, async () => {
      const world = worldOf(seed);
      await world.clock.advance(100);
      world.chaos = { ...CALM, lost: 0.5 };
      await world.run(20_000, 1_300);
      await world.clock.advance(1_300);
      assert.deepEqual(world.problems, []);
      assert.ok(world.caches.some((cache) => cache.stats().busGaps > 0));
      await world.close();
    });
  }
});

describe('instances over tiers that fail', () => {
  const bad: Chaos = { delayMs: 150, failsBefore: 0.05, failsAfter: 0.05, hangs: 0.05, lost: 0.3 };
  for (const tierCount of [1, 2]) {
    for (const seed of SEEDS) {
      it(`nobody is told what it invalidated itself, and all know all once it is over: ${tierCount} tiers, seed ${seed}`, async () => {
        const world = worldOf(seed, tierCount);
        await world.clock.advance(100);
        for (let phase = 0; phase < 3; phase++) {
          world.chaos = phase === 1 ? { ...bad, hangs: 1 } : bad;
          await world.run(5_000, Infinity);
        }
        world.chaos = CALM;
        // The longest a breaker stays open, its probes, two heartbeats.
        await world.clock.advance(5_000);
        assert.deepEqual(world.problems, []);
        for (const instance of world.caches.keys()) {
          for (const key of KEYS) {
            const reading = world.read(instance, key);
            await world.clock.advance(500);
            assert.equal(await reading, world.truth.get(key), `${key} at instance ${instance}`);
          }
        }
        await world.close();
      });
    }
  }
});
