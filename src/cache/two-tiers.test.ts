/** A cache over two tiers, of which some instances share the lower one alone: what is taken, copied and given back in each. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { held, setUp } from '../../tests/helpers/one-cache.ts';
import { settle, VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { MemoryTier } from './memory-tier.ts';
import type { CacheOptions } from './options.ts';
import type { Acquired, AcquireRequest, Entry, Tier } from './tier.ts';

class Lower extends MemoryTier {
  override readonly name = 'lower';
  /** Turns a bit of everything that is read. */
  corrupt = false;
  /** Takes nothing. */
  deaf = false;

  override acquire(request: AcquireRequest): Acquired<Uint8Array> {
    const acquired = super.acquire(request);
    if (!this.corrupt || acquired.kind !== 'hit') return acquired;
    const payload = Uint8Array.from(acquired.entry.payload);
    const last = payload.length - 1;
    payload[last] = (payload[last] ?? 0) ^ 1;
    return { ...acquired, entry: { ...acquired.entry, payload } };
  }

  override set(key: string, entry: Entry<Uint8Array>, origin: string): void {
    if (this.deaf) throw new Error('deaf');
    super.set(key, entry, origin);
  }
}

/** The same tier, whose writes and whose end wait. */
function slowly(tier: MemoryTier, until: () => Promise<void>): Tier {
  return {
    name: tier.name,
    limits: tier.limits,
    acquire: (request) => tier.acquire(request),
    put: (key, entry, ticket) => tier.put(key, entry, ticket),
    renew: (key, token, leaseMs) => tier.renew(key, token, leaseMs),
    release: (key, token) => tier.release(key, token),
    set: async (key, entry, origin) => {
      await until();
      tier.set(key, entry, origin);
    },
    invalidate: (invalidations, origin) => tier.invalidate(invalidations, origin),
    position: () => tier.position(),
    since: (position) => tier.since(position),
    close: until,
  };
}

function tiers() {
  const clock = new VirtualClock();
  const sizes = { bytesMax: 1e8, entryBytesMax: 1e7 };
  const [upper, lower] = [new MemoryTier(clock, sizes), new Lower(clock, sizes)];
  const over =
    (...beneath: Tier[]) =>
    (options: Partial<CacheOptions> = {}) =>
      setUp({ clock, tiers: beneath, ...options }).cache;
  return { clock, lower, overBoth: over(upper, lower), overUpper: over(upper), overLower: over(lower) };
}

const never = (): never => assert.fail('it is there already');

describe('over two tiers', () => {
  it('what the lower one holds is copied to the upper one', async () => {
    const { overBoth, overUpper, overLower } = tiers();
    await overLower().set('k', 'value');
    assert.equal(await overBoth().getOrSet('k', never), 'value');
    assert.equal(await overUpper().getOrSet('k', never), 'value');
  });

  it('what another makes under a lease of the lower one is waited for, with none kept of the upper one', async () => {
    const { clock, overBoth, overLower } = tiers();
    const { factory, answer } = held<string>();
    const making = overLower().getOrSet('k', factory);
    await settle();
    const waiting = overBoth().getOrSet('k', never);
    await clock.advance(1_000);
    answer(0).resolve('made');
    await clock.advance(200);
    assert.deepEqual(await Promise.all([making, waiting]), ['made', 'made']);
  });

  it('what is made is stored in both', async () => {
    const { overBoth, overUpper, overLower } = tiers();
    await overBoth().getOrSet('k', () => 'made');
    await settle();
    assert.equal(await overUpper().getOrSet('k', never), 'made');
    assert.equal(await overLower().getOrSet('k', never), 'made');
  });
});

describe('a tier', () => {
  it('whose entry is corrupt has it made anew', async () => {
    const { lower, overLower } = tiers();
    await overLower().set('k', 'value');
    lower.corrupt = true;
    assert.equal(await overLower().getOrSet('k', () => 'made'), 'made');
    await settle();
    lower.corrupt = false;
    assert.equal(await overLower().getOrSet('k', never), 'made');
  });

  it('that is slow to take a value gives nobody the old one for longer', async () => {
    const { clock, lower, overLower } = tiers();
    await overLower().set('k', 'old');
    const taken = Promise.withResolvers<void>();
    const tier = slowly(lower, () => taken.promise);
    const { cache } = setUp({ clock, tiers: [tier], memory: { entryBytesMax: 10 } });
    await settle();
    const set = cache.set('k', 'a new and long value');
    await settle();
    assert.equal(await cache.get('k'), 'old', 'it is what the tier has yet');
    taken.resolve();
    await set;
    assert.equal(cache.peek('k'), undefined);
    assert.equal(await cache.get('k'), 'a new and long value');
  });

  it('is waited for when the cache closes', async () => {
    const { clock, lower } = tiers();
    const ended = Promise.withResolvers<void>();
    const { cache } = setUp({ clock, tiers: [slowly(lower, () => ended.promise)] });
    let closed = false;
    const closing = cache.close().then(() => {
      closed = true;
    });
    await settle();
    assert.equal(closed, false);
    ended.resolve();
    await closing;
  });

  it('that did not take a value is not read before it has heard that its own is wrong', async () => {
    const { clock, lower, overLower } = tiers();
    const [one, other] = [overLower(), overLower()];
    await one.set('k', 'old');
    lower.deaf = true;
    await one.set('k', 'new');
    await one.set('k', 'newer');
    assert.equal(one.peek('k'), 'newer');
    lower.deaf = false;
    await clock.advance(300);
    const failing = (): never => {
      throw new Error('down');
    };
    await assert.rejects(other.getOrSet('k', failing), /down/, 'the old one covers nothing');
  });

  it('is told that what it holds is wrong by a value that is too large for it', async () => {
    const { overLower } = tiers();
    const [one, other] = [overLower({ memory: { entryBytesMax: 1e7 } }), overLower()];
    const large = 'x'.repeat(5 * 1024 * 1024);
    await one.set('k', 'old');
    await one.set('k', large);
    assert.equal(one.peek('k'), large);
    assert.equal(await other.get('k'), undefined);
  });

  it('gives what is compressed beside this thread as it was', async () => {
    const { overLower } = tiers();
    let text = '';
    for (let at = 0; text.length < 600_000; at++) text += ((at * 2_654_435_761) % 4_294_967_296).toString(36);
    await overLower().set('k', text);
    assert.equal(await overLower().get('k'), text);
  });

  it('renews a lease no longer than it may', async () => {
    const { clock, overLower } = tiers();
    const lease = { leaseMs: 1_000, leaseMsMax: 3_000, waitMs: 60_000 };
    const { factory, calls, answer } = held<string>();
    const first = overLower({ lease }).getOrSet('k', factory);
    await settle();
    const second = overLower({ lease }).getOrSet('k', factory);
    await clock.advance(2_500);
    assert.equal(calls.length, 1);
    await clock.advance(1_000);
    assert.equal(calls.length, 2);
    answer(1).resolve('second');
    answer(0).resolve('first');
    assert.deepEqual(await Promise.all([first, second]), ['first', 'second']);
  });
});
