import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UnavailableError } from '#core/errors';
import type { AuditRecord, KeyRecord, KeyStore } from '#contract/stores';
import { DEFAULT_ORGANISATION_ID } from '#contract/stores';
import { lookupsOn } from '../../tests/helpers/lookups.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { createKeys, generateKey, parseKey } from './keys.ts';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

function started() {
  const clock = new VirtualClock();
  const records = new Map<string, KeyRecord>();
  const audited: AuditRecord[] = [];
  const state = { away: false, looks: 0, breaks: false };
  const store: KeyStore = {
    async insert(record) {
      records.set(record.id, record);
    },
    async findById(id) {
      state.looks++;
      if (state.away) throw new UnavailableError('database_unavailable', 'Away.');
      return records.get(id) ?? null;
    },
    list: async () => [...records.values()],
    async revoke(projectId, id, wallMs) {
      const record = records.get(id);
      if (record === undefined || record.projectId !== projectId || record.revokedWallMs !== null) return false;
      records.set(id, { ...record, revokedWallMs: wallMs });
      if (state.breaks) throw new UnavailableError('database_unavailable', 'It was done, and the connection broke.');
      return true;
    },
    setLimits: async (projectId, id, limits) => {
      const record = records.get(id);
      if (record?.projectId !== projectId) return false;
      records.set(id, { ...record, limits });
      return true;
    },
    setProjectLimits: async () => undefined,
    purge: async () => 0,
    projectLimits: async () => ({}),
    anyActive: async () => records.size > 0,
  };
  const audit = {
    append: async (record: AuditRecord) => void audited.push(record),
    list: async () => audited,
    purge: async () => 0,
  };
  const keys = createKeys({ keys: store, audit, lookups: lookupsOn(clock), clock, logger: silent });
  const create = () => keys.create({ projectId: 'prj_a', name: 'me', scopes: ['chat'], actor: 'local' });
  return { clock, records, audited, state, keys, create };
}

describe('a key', () => {
  it('is known by its secret alone, and only its hash is kept', async () => {
    const { keys, create, records, audited } = started();
    const { record, secret } = await create();
    assert.match(secret, /^rvk_[0-9a-z]{26}_[A-Za-z0-9_-]{43}$/);
    assert.deepEqual(await keys.authenticate(secret), {
      keyId: record.id,
      projectId: 'prj_a',
      organisationId: DEFAULT_ORGANISATION_ID,
      scopes: new Set(['chat']),
      limits: { key: {}, project: {} },
    });
    const kept = JSON.stringify([...records.values(), ...audited]);
    assert.ok(!kept.includes(secret.slice(-43)), 'the secret is nowhere');
    const other = generateKey(0).text;
    const forged = `${secret.slice(0, -43)}${other.slice(-43)}`;
    for (const wrong of [
      forged,
      other,
      `${secret}x`,
      secret.slice(0, -1),
      secret.toUpperCase(),
      '',
      'rvk_',
      'sk-1234',
    ]) {
      assert.equal(await keys.authenticate(wrong), null, wrong.slice(0, 8));
    }
  });

  it('that is malformed costs no question to the store', async () => {
    const { keys, state } = started();
    for (const wrong of ['', 'Bearer x', 'rvk_short_secret', `rvk_${'u'.repeat(26)}_${'a'.repeat(43)}`]) {
      assert.equal(parseKey(wrong), null);
      assert.equal(await keys.authenticate(wrong), null);
    }
    assert.equal(state.looks, 0);
  });

  it('is asked for once in 30 s, and once at a time, however many calls it makes', async () => {
    const { keys, create, clock, state } = started();
    const { secret } = await create();
    await Promise.all(Array.from({ length: 50 }, async () => keys.authenticate(secret)));
    assert.equal(state.looks, 1);
    clock.jump(29_999);
    await keys.authenticate(secret);
    assert.equal(state.looks, 1);
    clock.jump(1);
    await keys.authenticate(secret);
    assert.equal(state.looks, 2);
  });

  it('that is revoked here is refused at once, by another instance within 30 s', async () => {
    const { keys, create, clock, records } = started();
    const here = await create();
    const elsewhere = await create();
    assert.ok(await keys.authenticate(here.secret));
    assert.ok(await keys.authenticate(elsewhere.secret));
    assert.equal(await keys.revoke({ projectId: 'prj_b', id: here.record.id, actor: 'local' }), false, 'not their key');
    assert.equal(await keys.revoke({ projectId: 'prj_a', id: here.record.id, actor: 'local' }), true);
    assert.equal(await keys.authenticate(here.secret), null);
    records.set(elsewhere.record.id, { ...elsewhere.record, revokedWallMs: 1 });
    assert.ok(await keys.authenticate(elsewhere.secret));
    clock.jump(30_000);
    assert.equal(await keys.authenticate(elsewhere.secret), null);
  });

  it('that was revoked is refused at once, though the answer of the database was lost', async () => {
    const { keys, create, state } = started();
    const { record, secret } = await create();
    assert.ok(await keys.authenticate(secret));
    state.breaks = true;
    await assert.rejects(keys.revoke({ projectId: 'prj_a', id: record.id, actor: 'local' }), UnavailableError);
    assert.equal(await keys.authenticate(secret), null);
  });

  it('goes on for ten minutes while nobody can be asked; one that nobody has seen gets an honest 503', async () => {
    const { keys, create, clock, state } = started();
    const seen = await create();
    const unseen = await create();
    await keys.authenticate(seen.secret);
    state.away = true;
    clock.jump(599_999);
    assert.ok(await keys.authenticate(seen.secret));
    await assert.rejects(async () => keys.authenticate(unseen.secret), UnavailableError);
    clock.jump(1);
    await assert.rejects(async () => keys.authenticate(seen.secret), UnavailableError);
  });

  it('that was made elsewhere a moment after it was asked for is known within 2 s', async () => {
    const { keys, clock, records } = started();
    const { id, text, secretHash } = generateKey(clock.wallMs());
    assert.equal(await keys.authenticate(text), null);
    records.set(id, {
      id,
      projectId: 'prj_a',
      name: 'late',
      scopes: ['read'],
      secretHash,
      createdWallMs: 0,
      revokedWallMs: null,
    });
    assert.equal(await keys.authenticate(text), null);
    clock.jump(2_000);
    assert.ok(await keys.authenticate(text));
  });
});
