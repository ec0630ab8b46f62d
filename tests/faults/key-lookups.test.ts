/**
 * Keys looked up by two instances over a real Redis, in front of one store: how long a key that was taken back is believed elsewhere, with
 * the bus up, with the bus cut, and with the store away too.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { systemClock } from '#core/clock';
import type { Clock } from '#core/clock';
import { UnavailableError } from '#core/errors';
import type { Keys } from '#contract/keys';
import type { KeyRecord, KeyStore } from '#contract/stores';
import { connectRedis, createCache, RedisTier } from '#cache/index';
import { createKeys, generateKey } from '#gateway/keys';
import { LOOKUPS } from '#hub/cache';
import { keyOf } from '../conformance/records.ts';
import { waitFor } from '../helpers/hub-process.ts';
import type { TestRedis } from '../helpers/redis.ts';
import { startRedis } from '../helpers/redis.ts';
import { forTheSuite } from '../helpers/suite.ts';

const PROJECT = 'prj_a';
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** The real one, so that Redis is asked in real time, and a hand that moves it on. */
class JumpingClock implements Clock {
  #ahead = 0;

  jump(ms: number): void {
    this.#ahead += ms;
  }

  now(): number {
    return systemClock.now() + this.#ahead;
  }

  wallMs(): number {
    return systemClock.wallMs() + this.#ahead;
  }

  readonly schedule: Clock['schedule'] = (...given) => systemClock.schedule(...given);
  readonly sleep: Clock['sleep'] = (delayMs) => new Promise((resolve) => systemClock.schedule(delayMs, resolve));
}

describe('a key that is looked up by two instances', () => {
  const suite = forTheSuite();
  const records = new Map<string, KeyRecord>();
  const state = { away: false };
  const clock = new JumpingClock();
  let redis: TestRedis;
  let here: Keys;
  let elsewhere: Keys;

  const asked = async <T>(answer: () => T): Promise<T> => {
    if (state.away) throw new UnavailableError('database_unavailable', 'Away.');
    return answer();
  };
  const store: KeyStore = {
    insert: (record) => asked(() => void records.set(record.id, record)),
    findById: (id) => asked(() => records.get(id) ?? null),
    list: () => asked(() => [...records.values()]),
    revoke: (_projectId, id, wallMs) =>
      asked(() => {
        const record = records.get(id);
        if (record === undefined) return false;
        records.set(id, { ...record, revokedWallMs: wallMs });
        return true;
      }),
    anyActive: () => asked(() => true),
    purge: () => asked(() => 0),
    setLimits: () => asked(() => false),
    setProjectLimits: () => asked(() => undefined),
    projectLimits: () => asked(() => ({})),
  };

  before(async () => {
    redis = await startRedis();
    suite.after(() => redis.close());
    const instance = (): Keys => {
      const tiers = [new RedisTier(connectRedis({ url: redis.url }), { namespace: LOOKUPS.namespace })];
      const lookups = createCache({ ...LOOKUPS, tiers, clock });
      suite.after(() => lookups.close());
      return createKeys({
        keys: store,
        audit: { append: async () => undefined, list: async () => [], purge: async () => 0 },
        lookups,
        clock,
        logger: silent,
      });
    };
    [here, elsewhere] = [instance(), instance()];
  });

  /** Good at both. */
  async function made(): Promise<{ secret: string; revoke(): Promise<boolean> }> {
    // Not by `create`, which announces it: that would end what is looked up here.
    const { id, text, secretHash } = generateKey(clock.wallMs());
    records.set(id, keyOf(PROJECT, { id, secretHash, scopes: ['chat'] }));
    for (const keys of [here, elsewhere]) assert.ok(await keys.authenticate(text));
    return { secret: text, revoke: () => here.revoke({ projectId: PROJECT, id, actor: 'me' }) };
  }

  it('is refused at both as soon as it is taken back, and nothing of it lies in Redis', async () => {
    const { secret, revoke } = await made();
    assert.equal(await revoke(), true);
    assert.equal(await here.authenticate(secret), null);
    // The clock stands: what ends it is the announcement.
    await waitFor(async () => ((await elsewhere.authenticate(secret)) === null ? true : null));
    const kept = JSON.stringify(await redis.command('KEYS', '*'));
    assert.doesNotMatch(kept, /key:|rvk_/);
  });

  it('is believed for 30 s at most where the bus is cut and the store is there', async () => {
    const { secret, revoke } = await made();
    await redis.kill();
    assert.equal(await revoke(), true, 'it is taken back all the same');
    assert.equal(await here.authenticate(secret), null);
    assert.ok(await elsewhere.authenticate(secret), 'it has heard of nothing');
    clock.jump(30_000);
    assert.equal(await elsewhere.authenticate(secret), null);
    await redis.restart();
  });

  it('is believed for ten minutes at most where nobody can be asked', async () => {
    const { secret, revoke } = await made();
    await redis.kill();
    await revoke();
    state.away = true;
    clock.jump(590_000);
    assert.ok(await elsewhere.authenticate(secret));
    await assert.rejects(async () => here.authenticate(secret), UnavailableError);
    clock.jump(10_000);
    await assert.rejects(async () => elsewhere.authenticate(secret), UnavailableError);
    state.away = false;
    // A failure is rested from for a second, and not for ten minutes.
    clock.jump(1_000);
    assert.equal(await elsewhere.authenticate(secret), null);
  });
});
