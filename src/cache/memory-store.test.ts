import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { Marks } from './marks.ts';
import { MemoryStore } from './memory-store.ts';
import type { Entry } from './tier.ts';

const MB = 1024 * 1024;
const clock = new VirtualClock();
const storeOf = (bytesMax: number, marks?: Marks): MemoryStore<unknown> =>
  new MemoryStore<unknown>(clock, { bytesMax, entryBytesMax: MB }, marks);
const entryOf = (payload: unknown, rest: Partial<Entry<unknown>> = {}): Entry<unknown> => ({
  payload,
  bytes: JSON.stringify(payload).length,
  ageMs: 0,
  computeMs: 1,
  tags: [],
  expired: false,
  ttlMs: 1_000,
  swrMs: 1_000,
  staleOnErrorMs: 5_000,
  ...rest,
});
const keep = (store: MemoryStore<unknown>, key: string, entry = entryOf(key), since = store.number) =>
  store.store(key, entry, since);

describe('the byte bound', () => {
  it('holds 10^6 distinct keys inside it, in real memory too', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const store = storeOf(64 * MB);
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let each = 0; each < 1_000_000; each++)
      keep(store, `users:${each}`, entryOf({ id: each, name: `user ${each}` }));
    collect();
    assert.ok(store.bytes <= 64 * MB);
    assert.ok(store.size > 50_000, `${store.size} entries`);
    assert.ok(store.evictions > 500_000);
    const used = process.memoryUsage().heapUsed - before;
    assert.ok(used <= 64 * MB, `${Math.round(used / MB)} MB of heap for ${store.size} entries`);
  });

  it('counts the tags of an entry, in real memory too', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const store = storeOf(16 * MB);
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let each = 0; each < 20_000; each++) {
      // Flat texts, as they come out of JSON.
      const tags = Array.from({ length: 20 }, (_, at) => JSON.parse(`"${'tag'.repeat(20)}${each}.${at}"`) as string);
      keep(store, `users:${each}`, entryOf(each, { tags }));
    }
    // What judges the entries makes their marks flat, too.
    store.invalidate({ name: 't:other', hard: true });
    for (let each = 0; each < 20_000; each++) store.find(`users:${each}`, clock.now());
    collect();
    const used = process.memoryUsage().heapUsed - before;
    assert.ok(used <= 16 * MB, `${Math.round(used / MB)} MB of heap for ${store.size} entries`);
    assert.ok(store.size > 1_000, `${store.size} entries`);
  });

  it('an entry over its own bound is not kept, and takes the older one of its key with it', () => {
    const store = storeOf(16 * MB);
    assert.ok(keep(store, 'a'));
    assert.equal(keep(store, 'a', entryOf('x'.repeat(MB + 1))), null);
    assert.equal(store.find('a', clock.now()), undefined);
  });

  it('lets the longest unused go first', () => {
    const store = storeOf(4 * 1024);
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) keep(store, key);
    store.find('a', clock.now());
    for (const key of ['g', 'h', 'i']) keep(store, key);
    assert.ok(store.find('a', clock.now()));
    assert.equal(store.find('b', clock.now()), undefined);
  });
});

describe('an invalidation', () => {
  it('of a tag, of a prefix and of everything takes what carries it, and nothing else', () => {
    const store = storeOf(MB);
    keep(store, 'users:1', entryOf(1, { tags: ['team'] }));
    keep(store, 'users:2');
    keep(store, 'plain');
    store.invalidate({ name: 't:team', hard: true });
    assert.equal(store.find('users:1', clock.now()), undefined);
    assert.ok(store.find('users:2', clock.now()));
    store.invalidate({ name: 'p:users:', hard: true });
    assert.equal(store.find('users:2', clock.now()), undefined);
    assert.ok(store.find('plain', clock.now()));
    store.invalidate({ name: '*', hard: true });
    assert.equal(store.find('plain', clock.now()), undefined);
  });

  it('that is soft leaves a copy that is neither fresh nor served while it is refreshed', () => {
    const store = storeOf(MB);
    keep(store, 'a', entryOf(1, { tags: ['t'] }));
    keep(store, 'b');
    store.invalidate({ name: 't:t', hard: false });
    store.invalidate({ name: 'k:b', hard: false });
    for (const key of ['a', 'b']) {
      const kept = store.find(key, clock.now());
      assert.ok(kept?.expired);
      assert.ok(clock.now() > kept.freshUntil && clock.now() > kept.staleUntil && clock.now() < kept.dieAt);
    }
  });

  it('keeps out what began before it', () => {
    const store = storeOf(MB);
    const since = store.number;
    store.invalidate({ name: 't:t', hard: true });
    assert.equal(keep(store, 'a', entryOf(1, { tags: ['t'] }), since), null);
    assert.ok(keep(store, 'a', entryOf(1, { tags: ['t'] })));
    assert.ok(keep(store, 'b', entryOf(1, { tags: ['other'] }), since));
  });

  it('that is forgotten, because there were too many, takes all that is older', () => {
    const store = storeOf(MB, new Marks(2));
    keep(store, 'old');
    for (const tag of ['t:a', 't:b', 't:c']) store.invalidate({ name: tag, hard: true });
    assert.equal(store.find('old', clock.now()), undefined);
    assert.ok(keep(store, 'new'));
    assert.ok(store.find('new', clock.now()));
  });
});

it('an entry is gone after its whole life', () => {
  const store = storeOf(MB);
  keep(store, 'a', entryOf(1, { ageMs: 500 }));
  clock.jump(5_499);
  assert.ok(store.find('a', clock.now()));
  clock.jump(1);
  assert.equal(store.find('a', clock.now()), undefined);
});
