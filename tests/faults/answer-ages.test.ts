/** How old an answer may be that a caller takes: what is made while he waits never is too old, what lies in a tier beneath may be. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { seededRandom } from '#core/random';
import type { AnswerCache, KeepOptions, MakeContext, Wish } from '#contract/answer-cache';
import { held, shared } from '#contract/answer-cache';
import { createCache, MemoryTier } from '#cache/index';
import type { Tier } from '#cache/index';
import { ANSWERS } from '#hub/cache';
import { gate, until } from '../helpers/upstream.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';

const KEY = 'project/chat:1';
const OPTIONS: KeepOptions = {
  ttlMs: 600_000,
  staleOnErrorMs: 600_000,
  tags: [],
  signal: new AbortController().signal,
  onProgress: () => undefined,
};
const wish = (ageMsMax: number, onlyKept = false): Wish => ({ key: KEY, anew: false, ageMsMax, onlyKept });

function open(t: TestContext, clock: VirtualClock, tiers: Tier[] = []): AnswerCache {
  const cache = createCache({ ...ANSWERS, tiers, clock, random: seededRandom(1) });
  t.after(() => cache.close());
  return cache;
}

describe('a caller who takes none but young answers', () => {
  it('has one made once that is not kept, though a copy past its age is still there', async (t) => {
    const clock = new VirtualClock();
    const one = open(t, clock);
    await shared(one, wish(Infinity), () => Promise.resolve('kept'), OPTIONS);
    await clock.advance(60_000);
    assert.equal(await held(one, wish(10_000)), undefined);
    let made = 0;
    const make = ({ skip }: MakeContext): Promise<string> => {
      skip();
      return Promise.resolve(`not kept, ${++made}`);
    };
    assert.equal(await shared(one, wish(10_000), make, OPTIONS), 'not kept, 1');
    assert.equal(made, 1);
  });

  it('is content with one that another has made meanwhile, though it is not kept either', async (t) => {
    const clock = new VirtualClock();
    const one = open(t, clock);
    await shared(one, wish(Infinity), () => Promise.resolve('kept'), OPTIONS);
    await clock.advance(700_000);
    const ready = gate();
    let made = 0;
    const make = async ({ skip }: MakeContext): Promise<string> => {
      made++;
      await ready.opened;
      skip();
      return 'not kept';
    };
    const first = shared(one, wish(Infinity), make, OPTIONS);
    await until('it is being made', () => made === 1);
    const second = shared(one, wish(10_000), make, OPTIONS);
    ready.open();
    assert.deepEqual(await Promise.all([first, second]), ['not kept', 'not kept']);
    assert.equal(made, 1);
  });

  it('takes none from a tier beneath that is older', async (t) => {
    const clock = new VirtualClock();
    const tier = new MemoryTier(clock, { bytesMax: 1_000_000, entryBytesMax: 100_000 });
    const [one, other] = [open(t, clock, [tier]), open(t, clock, [tier])];
    await shared(one, wish(Infinity), () => Promise.resolve('old'), OPTIONS);
    await clock.advance(60_000);
    const make = (): Promise<string> => Promise.resolve('new');
    assert.equal(await shared(other, wish(90_000), make, OPTIONS), 'old');
    assert.equal(await held(other, wish(10_000)), undefined);
    assert.equal(await shared(other, wish(10_000), make, OPTIONS), 'new');
  });

  it('takes none from a tier beneath that is given while another is made', async (t) => {
    for (const ageMsMax of [Infinity, 10_000]) {
      const clock = new VirtualClock();
      const tier = new MemoryTier(clock, { bytesMax: 1_000_000, entryBytesMax: 100_000 });
      const [one, other] = [open(t, clock, [tier]), open(t, clock, [tier])];
      let told = 0;
      const options = { ...OPTIONS, ttlMs: 5_000, swrMs: 60_000, onProgress: () => void told++ };
      await shared(one, wish(Infinity), () => Promise.resolve('old'), options);
      assert.equal(told, 1);
      await clock.advance(60_000);
      const ready = gate();
      const make = async (): Promise<string> => {
        await ready.opened;
        return 'new';
      };
      const asking = shared(other, wish(ageMsMax), make, options);
      if (ageMsMax === Infinity) {
        assert.equal(await asking, 'old');
        assert.equal(told, 1, 'what is made is not for who was given the old one');
      }
      ready.open();
      assert.equal(await asking, ageMsMax === Infinity ? 'old' : 'new');
    }
  });

  it('takes none from a tier beneath that is older and that memory is too small for', async (t) => {
    const clock = new VirtualClock();
    const tier = new MemoryTier(clock, { bytesMax: 8_000_000, entryBytesMax: 4_000_000 });
    const one = open(t, clock, [tier]);
    const large = (name: string) => (): Promise<string> => Promise.resolve(name.padEnd(1_500_000, name));
    await shared(one, wish(Infinity), large('old'), OPTIONS);
    const asked = { key: KEY, tags: [], token: 'look', leaseMs: 0, leaseMsMax: 0, freshShare: 1 };
    // It is compressed on other threads, and would be young when it came there after the clock.
    await until('it lies beneath', () => tier.acquire(asked).kind === 'hit');
    await clock.advance(60_000);
    assert.match(await shared(one, wish(90_000), large('new'), OPTIONS), /^old/);
    assert.equal(await held(one, wish(10_000)), undefined);
    assert.match(await shared(one, wish(10_000), large('new'), OPTIONS), /^new/);
    assert.match(await shared(one, wish(Infinity), large('newer'), OPTIONS), /^newnew/);
  });

  it('and nothing else, takes one from a tier beneath that is young enough, and has nothing made old', async (t) => {
    const clock = new VirtualClock();
    const tier = new MemoryTier(clock, { bytesMax: 1_000_000, entryBytesMax: 100_000 });
    const [one, other] = [open(t, clock, [tier]), open(t, clock, [tier])];
    await assert.rejects(held(other, wish(Infinity, true)), { code: 'not_cached' });
    await shared(one, wish(Infinity), () => Promise.resolve('old'), OPTIONS);
    await clock.advance(60_000);
    await assert.rejects(held(other, wish(10_000, true)), { code: 'not_cached' });
    assert.equal(await held(other, wish(90_000, true)), 'old');
    await assert.rejects(held(one, { ...wish(Infinity, true), anew: true }), { code: 'not_cached' });
    assert.equal(await held(one, wish(Infinity)), 'old');
  });

  it('takes none of which nobody knows the age', async (t) => {
    const one = open(t, new VirtualClock());
    await shared(one, wish(Infinity), () => Promise.resolve('old'), OPTIONS);
    t.mock.method(one, 'life', () => undefined);
    assert.equal(await shared(one, wish(10_000), () => Promise.resolve('new'), OPTIONS), 'new');
  });
});
