/** What happens around every question: an outage told from a refusal, its time reported, a slow one logged without its values. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Kysely } from 'kysely';
import { CallerError } from '#core/errors';
import type { Guard } from '#contract/guard';
import { listeners, nothingTold, openGuard } from '../../tests/helpers/storage.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { createAsk, isUnavailable } from './ask.ts';
import { postgresqlDialect } from './driver.ts';
import type { Schema } from './schema.ts';

const failure = (code?: string): Error => Object.assign(new Error('failed'), code === undefined ? {} : { code });

it('tells a database that cannot answer from one that refuses', () => {
  const outages = [
    undefined,
    'ECONNREFUSED',
    'EPIPE',
    '57P01',
    '57014',
    '53300',
    '08006',
    '28P01',
    '3D000',
    '25006',
    'XX000',
  ];
  for (const code of outages) assert.equal(isUnavailable(failure(code)), true, `${code}`);
  for (const code of ['23505', '22P05', '42P01', '40P01', '25P02', '0A000'])
    assert.equal(isUnavailable(failure(code)), false, code);
  assert.equal(isUnavailable(new CallerError('not_found', 'a hub error is not the database’s')), false);
});

it('does not blame the database for what takes long by its nature', async () => {
  const db = new Kysely<Schema>({ dialect: postgresqlDialect({ acquire: () => Promise.reject(failure('57014')) }) });
  const blamed: boolean[] = [];
  const guard: Guard = {
    ...openGuard,
    run: async (operation) => {
      try {
        return await openGuard.run(operation);
      } catch (error) {
        blamed.push(isUnavailable(error));
        throw error;
      }
    },
  };
  const ask = createAsk({ ...listeners(nothingTold()), db, guard, clock: new VirtualClock(), slowQueryMs: 200 });
  const all = async (inner: Kysely<Schema>) => inner.selectFrom('keys').selectAll().execute();
  const names = [
    'usage.report',
    'usage.rollup',
    'runs.purge',
    'usage.purge-months',
    'conversations.search',
    'runs.find',
  ];
  for (const name of names) await assert.rejects(ask(name, all), { code: 'database_unavailable' });
  assert.deepEqual(blamed, [false, false, false, false, false, true]);
});

it('reports the time of every question, and logs only a slow one, under its name alone', async () => {
  const clock = new VirtualClock();
  const told = nothingTold();
  const db = new Kysely<Schema>({ dialect: postgresqlDialect({ acquire: () => Promise.reject(failure()) }) });
  const ask = createAsk({ ...listeners(told), db, guard: openGuard, clock, slowQueryMs: 200 });
  await ask('test.quick', async () => clock.jump(199));
  await ask('test.slow', async () => clock.jump(200));
  await assert.rejects(
    ask('test.gone', async (inner) => inner.selectFrom('keys').where('name', '=', 'a name').execute()),
    { name: 'UnavailableError', code: 'database_unavailable', retryAfterMs: 1_000, internal: 'test.gone: failed' },
  );
  assert.deepEqual(told.queries, [
    { query: 'test.quick', durationMs: 199, failed: false },
    { query: 'test.slow', durationMs: 200, failed: false },
    { query: 'test.gone', durationMs: 0, failed: true },
  ]);
  assert.deepEqual(told.logged, [
    { event: 'query-slow', fields: { query: 'test.slow', durationMs: 200, failed: false } },
  ]);
});
