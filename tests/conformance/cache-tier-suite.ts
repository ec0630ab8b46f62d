/** What every tier promises, whatever it keeps its entries in. The clock of memory is moved by the test; the others' goes by itself. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createCodec, encode } from '../../src/cache/codec.ts';
import type { Acquired, AcquireRequest, Announcement, Entry, Position, Tier } from '../../src/cache/tier.ts';
import type { TierMaker } from '../helpers/cache-tiers.ts';
import { waitFor } from '../helpers/hub-process.ts';

const WAIT_MS = 10_000;
const codec = createCodec(1024 * 1024);

async function entryOf(value: unknown, rest: Partial<Entry<Uint8Array>> = {}): Promise<Entry<Uint8Array>> {
  const encoded = encode(value);
  return {
    payload: await codec.pack(encoded),
    bytes: encoded.bytes,
    ageMs: 0,
    computeMs: 3,
    tags: [],
    expired: false,
    ttlMs: 60_000,
    swrMs: 1_000,
    staleOnErrorMs: 60_000,
    ...rest,
  };
}

const requestOf = (key: string, rest: Partial<AcquireRequest> = {}): AcquireRequest => ({
  key,
  tags: [],
  token: 'token-1',
  leaseMs: 10_000,
  leaseMsMax: 60_000,
  freshShare: 1,
  ...rest,
});

const valueOf = async (entry: Entry<Uint8Array> | undefined): Promise<unknown> =>
  entry && (await codec.unpack(entry.payload))?.value;

interface Bench {
  open(namespace?: string): Promise<Tier>;
  fill(tier: Tier, key: string, entry: Entry<Uint8Array>): Promise<boolean>;
  read(tier: Tier, key: string): Promise<Acquired<Uint8Array>>;
  valueAt(tier: Tier, key: string): Promise<unknown>;
  pass(ms: number): void;
  ageMarks(namespace: string, ms: number): Promise<void>;
}

function newBench(make: () => Promise<TierMaker>): Bench {
  let maker: TierMaker;
  let made = 0;
  const opened: Tier[] = [];
  before(async () => {
    maker = await make();
  });
  after(async () => {
    for (const tier of opened) await tier.close();
    await maker.end();
  });
  const read: Bench['read'] = async (tier, key) => tier.acquire(requestOf(key, { leaseMs: 0 }));
  return {
    async open(namespace = `n${++made}`) {
      const tier = await maker.open(namespace);
      opened.push(tier);
      return tier;
    },
    async fill(tier, key, entry) {
      const acquired = await tier.acquire(requestOf(key, { tags: entry.tags }));
      assert.equal(acquired.kind, 'leased');
      return acquired.kind === 'leased' && tier.put(key, entry, acquired.ticket);
    },
    read,
    async valueAt(tier, key) {
      const acquired = await read(tier, key);
      return acquired.kind === 'hit' ? valueOf(acquired.entry) : undefined;
    },
    pass: (ms) => maker.pass(ms),
    ageMarks: (namespace, ms) => maker.ageMarks(namespace, ms),
  };
}

export function tierSuite(tierName: string, make: () => Promise<TierMaker>): void {
  describe(`a tier in ${tierName}`, () => {
    const bench = newBench(make);
    values(bench);
    leases(bench);
    lifetimes(bench);
    invalidations(bench);
    announcements(bench);
  });
}

function values(bench: Bench): void {
  const { open, fill, read, valueAt } = bench;
  it('gives back what was put, with its age, its tags and its lifetime', async () => {
    const tier = await open();
    const entry = await entryOf({ name: 'é\n[x]', list: [1, 2.5, null] }, { tags: ['a b', 'c\n"d"'], ageMs: 500 });
    assert.equal(await fill(tier, 'users:1', entry), true);
    const acquired = await read(tier, 'users:1');
    assert.ok(acquired.kind === 'hit');
    assert.deepEqual(await valueOf(acquired.entry), { name: 'é\n[x]', list: [1, 2.5, null] });
    const { payload: _payload, ageMs, ...rest } = acquired.entry;
    const { payload: _other, ageMs: _age, ...given } = entry;
    assert.deepEqual(rest, given);
    assert.ok(ageMs >= 500 && ageMs < 10_000, `${ageMs} ms old`);
  });

  it('takes keys of any characters, and tells them apart', async () => {
    const tier = await open();
    const keys = ['a', 'a:', 'a:b', 'a b', 'é', 'a\nb', '%s', '{a}', '*', 'k:a', `x${'y'.repeat(511)}`];
    for (const key of keys) await tier.set(key, await entryOf(key), 'me');
    for (const key of keys) assert.equal(await valueAt(tier, key), key);
  });
}

function leases(bench: Bench): void {
  const { open, valueAt, pass, ageMarks } = bench;
  it('grants one lease a key, and gives it to nobody else until it ends', async () => {
    const tier = await open();
    const first = await tier.acquire(requestOf('k'));
    assert.ok(first.kind === 'leased');
    assert.equal((await tier.acquire(requestOf('k', { token: 'token-2' }))).kind, 'missed');
    assert.equal((await tier.acquire(requestOf('other', { token: 'token-2' }))).kind, 'leased');
    await tier.release('k', 'token-2');
    assert.equal((await tier.acquire(requestOf('k', { token: 'token-2' }))).kind, 'missed');
    await tier.release('k', 'token-1');
    assert.equal((await tier.acquire(requestOf('k', { token: 'token-2' }))).kind, 'leased');
    assert.equal(await tier.put('k', await entryOf(1), first.ticket), false, 'a lease that ended stores nothing');
    assert.equal(await valueAt(tier, 'k'), undefined);
  });

  it('lets a lease run out, and renews it for its holder only', async () => {
    const tier = await open();
    assert.equal((await tier.acquire(requestOf('k', { leaseMs: 300 }))).kind, 'leased');
    assert.equal(await tier.renew('k', 'token-2', 10_000), false);
    assert.equal(await tier.renew('k', 'token-1', 400), true);
    await waitFor(
      async () => {
        pass(100);
        return (await tier.acquire(requestOf('k', { token: 'token-2' }))).kind === 'leased' ? true : undefined;
      },
      WAIT_MS,
      () => 'the lease to run out did not come',
    );
    assert.equal(await tier.renew('k', 'token-1', 400), false);
  });

  for (const name of ['t:tag', 'p:users:'])
    it(`an invalidation of ${name} in the middle of a fill is not undone, however long that lasts`, async () => {
      const namespace = `long-${name.slice(0, 1)}`;
      const tier = await open(namespace);
      const lease = { leaseMs: 60_000, leaseMsMax: 3_600_000 };
      const acquired = await tier.acquire(requestOf('users:7', lease));
      assert.equal(acquired.kind, 'leased');
      await tier.invalidate([{ name, hard: true }], 'here');
      await ageMarks(namespace, 3_500_000);
      if (acquired.kind === 'leased')
        await tier.put('users:7', await entryOf('old', { tags: ['tag'] }), acquired.ticket);
      assert.equal(await valueAt(tier, 'users:7'), undefined);
    });
}

function lifetimes(bench: Bench): void {
  const { open, fill, read, valueAt, pass } = bench;
  it('keeps what is never to end', async () => {
    const tier = await open();
    const forEver = Number.MAX_SAFE_INTEGER;
    const entry = await entryOf(1, { tags: ['t'], ttlMs: forEver, swrMs: forEver, staleOnErrorMs: forEver });
    assert.equal(await fill(tier, 'put', entry), true);
    await tier.set('set', entry, 'me');
    assert.deepEqual([await valueAt(tier, 'put'), await valueAt(tier, 'set')], [1, 1]);
  });

  it('gives a stale entry with the lease, and forgets it at the end of its life', async () => {
    const tier = await open();
    await fill(tier, 'k', await entryOf('old', { ttlMs: 100, swrMs: 300, staleOnErrorMs: 300 }));
    const stale = await waitFor(
      async () => {
        pass(50);
        const acquired = await tier.acquire(requestOf('k'));
        return acquired.kind === 'leased' ? acquired.stale : undefined;
      },
      WAIT_MS,
      () => 'the entry to be stale did not come',
    );
    assert.equal(await valueOf(stale), 'old');
    assert.ok(stale.ageMs >= 100);
    await tier.release('k', 'token-1');
    await waitFor(
      async () => {
        pass(100);
        const acquired = await read(tier, 'k');
        return acquired.kind === 'missed' && acquired.stale === undefined ? true : undefined;
      },
      WAIT_MS,
      () => 'the entry to be forgotten did not come',
    );
  });

  it('removes what has expired in batches, where it does not go by itself', async () => {
    const tier = await open();
    if (tier.purge === undefined) return;
    const dead = await entryOf(1, { ttlMs: 1, swrMs: 0, staleOnErrorMs: 0 });
    for (let each = 0; each < 510; each++) await tier.set(`dead:${each}`, dead, 'me');
    await tier.set('alive', await entryOf(1), 'me');
    assert.equal(await tier.purge(), true);
    assert.equal(await tier.purge(), false);
    assert.equal(await valueAt(tier, 'alive'), 1);
  });

  it('lets a fresh entry be made anew before its end, by one', async () => {
    const tier = await open();
    await fill(tier, 'k', await entryOf('old', { ageMs: 50_000 }));
    const early = { freshShare: 0.8 };
    const first = await tier.acquire(requestOf('k', early));
    assert.equal(first.kind, 'leased');
    assert.equal((await tier.acquire(requestOf('k', { ...early, token: 'token-2' }))).kind, 'hit');
    assert.equal((await read(tier, 'k')).kind, 'hit');
    assert.ok(first.kind === 'leased' && (await tier.put('k', await entryOf('new'), first.ticket)));
    assert.equal((await tier.acquire(requestOf('k', early))).kind, 'hit');
    assert.equal(await valueAt(tier, 'k'), 'new');
  });
}

function invalidations(bench: Bench): void {
  const { open, fill, read, valueAt } = bench;
  for (const [what, mark] of [
    ['its key', 'k:users:1'],
    ['a tag of it', 't:team'],
    ['its prefix', 'p:users:'],
    ['everything', '*'],
  ] as const) {
    it(`a hard invalidation of ${what} leaves nothing, a soft one a copy`, async () => {
      const tier = await open();
      const entry = await entryOf(1, { tags: ['team'] });
      await fill(tier, 'users:1', entry);
      await tier.invalidate([{ name: mark, hard: false }], 'me');
      const soft = await read(tier, 'users:1');
      assert.ok(soft.kind === 'missed' && soft.stale?.expired === true);
      assert.equal(await fill(tier, 'users:1', entry), true);
      assert.equal(await valueAt(tier, 'users:1'), 1);
      await tier.invalidate([{ name: mark, hard: true }], 'me');
      const hard = await read(tier, 'users:1');
      assert.ok(hard.kind === 'missed' && hard.stale === undefined);
    });

    for (const hard of [true, false]) {
      it(`a ${hard ? 'hard' : 'soft'} invalidation of ${what} is not undone by a fill that began before it`, async () => {
        const tier = await open();
        const acquired = await tier.acquire(requestOf('users:1'));
        assert.ok(acquired.kind === 'leased');
        await tier.invalidate([{ name: mark, hard }], 'me');
        await tier.put('users:1', await entryOf('old', { tags: ['team'] }), acquired.ticket);
        assert.notEqual((await read(tier, 'users:1')).kind, 'hit');
        const next = await tier.acquire(requestOf('users:1', { token: 'token-2', tags: ['team'] }));
        assert.equal(next.kind, 'leased', 'and nobody waits for it');
      });
    }
  }

  it('an invalidation of something else touches nothing', async () => {
    const tier = await open();
    await fill(tier, 'users:1', await entryOf(1, { tags: ['team'] }));
    const others = ['k:users:2', 't:teams', 'p:models:', 'k:users', 't:users:1'];
    await tier.invalidate(
      others.map((each) => ({ name: each, hard: true })),
      'me',
    );
    assert.equal(await valueAt(tier, 'users:1'), 1);
  });

  it('of many tags at once, and fills that carry them, do not stand in each other’s way', async () => {
    const tier = await open();
    const tags = Array.from({ length: 30 }, (_, index) => `tag${index}`);
    const entry = await entryOf(1, { tags });
    const names = tags.toReversed().map((tag) => ({ name: `t:${tag}`, hard: true }));
    for (let round = 0; round < 5; round++) {
      const fills = ['a', 'b', 'c'].map((key) => fill(tier, key, entry));
      await Promise.all([...fills, tier.invalidate(names, 'me'), tier.invalidate(names, 'me')]);
      await tier.invalidate([{ name: '*', hard: true }], 'me');
    }
  });

  it('a write takes the lease of a fill away, and stands', async () => {
    const tier = await open();
    const acquired = await tier.acquire(requestOf('k'));
    await tier.set('k', await entryOf('written', { tags: ['t'] }), 'me');
    assert.ok(acquired.kind === 'leased');
    assert.equal(await tier.put('k', await entryOf('filled'), acquired.ticket), false);
    assert.equal(await valueAt(tier, 'k'), 'written');
    await tier.invalidate([{ name: 't:t', hard: true }], 'me');
    assert.equal(await valueAt(tier, 'k'), undefined);
  });
}

function announcements(bench: Bench): void {
  const { open, valueAt } = bench;
  it('announces every write and invalidation with the next number, and replays them', async () => {
    const tier = await open();
    const start = await tier.position();
    await tier.set('k', await entryOf(1), 'me');
    await tier.invalidate(
      [
        { name: 't:a b\n"c"', hard: false },
        { name: '*', hard: true },
      ],
      'you',
    );
    const replay = await tier.since(start);
    const { number } = start;
    assert.deepEqual(replay?.announcements, [
      { name: 'k:k', hard: true, origin: 'me', number: number + 1 },
      { name: 't:a b\n"c"', hard: false, origin: 'you', number: number + 2 },
      { name: '*', hard: true, origin: 'you', number: number + 3 },
    ]);
    assert.deepEqual(replay.position, { epoch: start.epoch, number: number + 3 });
    assert.deepEqual(await tier.position(), replay.position);
    assert.deepEqual((await tier.since(replay.position))?.announcements, []);
    assert.equal(await tier.since({ epoch: 'another', number: 0 }), undefined);
    assert.match(start.epoch, /^(\d{10}\.\d{1,6}|process)$/, 'when it began, for who has to tell an older one');
  });

  it('says so when it cannot replay any more', async () => {
    const tier = await open();
    const start = await tier.position();
    const batch = Array.from({ length: 500 }, (_, each) => ({ name: `k:${each}`, hard: true }));
    for (let round = 0; round < 6; round++) await tier.invalidate(batch, 'me');
    assert.equal(await tier.since(start), undefined);
  });

  it('two openings of one namespace share everything, and another namespace nothing', async () => {
    const namespace = 'shared';
    const [one, two, other] = [await open(namespace), await open(namespace), await open()];
    const heard: (Announcement & Position)[] = [];
    two.subscribe?.((position, announcement) => heard.push({ ...announcement, ...position }));
    await one.set('first', await entryOf(1), 'me');
    assert.equal(await valueAt(two, 'first'), 1);
    assert.equal(await valueAt(other, 'first'), undefined);
    if (two.subscribe === undefined) return;
    await waitFor(
      async () => {
        await one.invalidate([{ name: 't:x', hard: true }], 'me');
        return heard.at(-1);
      },
      WAIT_MS,
      () => 'an announcement did not come',
    );
    const { epoch } = await two.position();
    assert.ok(heard.every((each) => each.epoch === epoch && each.origin === 'me'));
  });
}
