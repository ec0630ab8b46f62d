/** The ledger's journal in a folder of the test, with a database that can be away and a clock that the test moves. */
import assert from 'node:assert/strict';
import fs, {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { it } from 'node:test';
import { tryLockFolder } from '#storage/index';
import { START_MS } from '../conformance/records.ts';
import { temporaryFolder } from '../helpers/hub-process.ts';
import { attempt, goesOut, ledgerBench, never, passes, segments } from '../helpers/ledger-bench.ts';

function textOf(folder: string): string {
  return segments(folder)
    .map((name) => readFileSync(path.join(folder, name), 'utf8'))
    .join('');
}

it('what is dispatched is in the journal before it goes out, whole, without anything of the prompt', async (t) => {
  const { ledger, own } = await ledgerBench(t);
  const { dispatch } = attempt();
  goesOut(ledger, dispatch);
  assert.deepEqual(JSON.parse(readFileSync(path.join(own, segments(own)[0] ?? ''), 'utf8')), dispatch);
});

it('an attempt that is settled twice is written once, as it was settled first', async (t) => {
  const { ledger, clock, database, told, folder } = await ledgerBench(t);
  const { dispatch, settlement } = attempt();
  const entry = goesOut(ledger, dispatch);
  entry.settled(settlement);
  entry.settled({ ...settlement, outcome: 'cut' });
  await clock.advance(100);
  assert.deepEqual([...database.rows.values()], [{ ...dispatch, ...settlement, state: 'settled' }]);
  assert.deepEqual(told, { written: 1, dropped: 0, unjournalled: 0 });
  await ledger.close(never);
  assert.deepEqual(readdirSync(folder), []);
});

it('every end that the database has not taken in a moment is in the journal, not the first ones alone', async (t) => {
  const { ledger, clock, database, own } = await ledgerBench(t);
  database.away = true;
  for (const promptTokens of [1, 2, 3]) {
    const { dispatch, settlement } = attempt({ promptTokens });
    goesOut(ledger, dispatch).settled(settlement);
    await clock.advance(1_000);
  }
  const ends = [...textOf(own).matchAll(/"of".*"promptTokens":(\d)/g)];
  assert.deepEqual(
    ends.map(([, tokens]) => tokens),
    ['1', '2', '3'],
  );
});

it('what turned out not to be sent has no row, unless the journal knew of it already', async (t) => {
  const { ledger, clock, database, told, own } = await ledgerBench(t);
  const [unsent, known] = [attempt({ outcome: 'untranslatable' }), attempt({ outcome: 'untranslatable' })];
  ledger.dispatched(unsent.dispatch).settled(unsent.settlement);
  ledger.secure();
  assert.deepEqual(segments(own), []);
  goesOut(ledger, known.dispatch).settled(known.settlement);
  await clock.advance(1_000);
  assert.deepEqual([...database.rows.keys()], [known.dispatch.id]);
  assert.deepEqual(told, { written: 1, dropped: 0, unjournalled: 0 });
});

it('segments end at a mebibyte and go when the database has all of their rows, not before', async (t) => {
  const { ledger, clock, database, own } = await ledgerBench(t, { rowsMax: 50_000 });
  database.away = true;
  const all = Array.from({ length: 6_000 }, () => attempt());
  const entries = all.map(({ dispatch }) => goesOut(ledger, dispatch));
  for (const [at, entry] of entries.entries()) entry.settled(all[at]?.settlement ?? assert.fail());
  await clock.advance(1_000);
  assert.equal(segments(own).length, 2);
  assert.ok(ledger.journalBytes > 2 ** 21);
  database.away = false;
  await clock.advance(5_000);
  assert.deepEqual([database.rows.size, ledger.backlog], [6_000, 0]);
  assert.deepEqual(segments(own), []);
  await ledger.close(never);
});

it('rows that memory has no room for wait in the journal, and are written when the database is back, none twice', async (t) => {
  // More than a replay hands over at once.
  const one = await ledgerBench(t, { rowsMax: 600 });
  const { ledger, database, told, own } = one;
  const open = attempt();
  const entry = goesOut(ledger, open.dispatch);
  database.away = true;
  const all = Array.from({ length: 1_500 }, (_, index) => attempt({ promptTokens: index }));
  for (const { dispatch, settlement } of all) goesOut(ledger, dispatch).settled(settlement);
  assert.deepEqual([ledger.backlog, told.dropped], [600, 0]);
  database.away = false;
  await passes(one, () => database.rows.size === 1_500);
  for (const { dispatch, settlement } of all)
    assert.deepEqual(database.rows.get(dispatch.id), { ...dispatch, ...settlement, state: 'settled' });
  assert.ok(!database.rows.has(open.dispatch.id), 'one under way is not taken for interrupted');
  await passes(one, () => segments(own).length === 1);
  assert.ok(textOf(own).includes(open.dispatch.id), 'and is still in the journal');
  entry.settled(open.settlement);
  await ledger.close(never);
  assert.equal(database.rows.size, 1_501);
  assert.deepEqual(readdirSync(path.dirname(own)), [], 'nothing is left of it');
});

it('rows that wait in the journal stay there while they are read in vain: no room, or a file that cannot be read', async (t) => {
  const one = await ledgerBench(t, { rowsMax: 600 });
  const { ledger, database, told, own } = one;
  const ends = (count: number): void => {
    for (let made = 0; made < count; made++) {
      const { dispatch, settlement } = attempt();
      goesOut(ledger, dispatch).settled(settlement);
    }
  };
  database.away = true;
  ends(1_700);
  const [first = ''] = segments(own);
  renameSync(path.join(own, first), path.join(own, 'away'));
  database.away = false;
  await passes(one, () => one.logged('ledger-not-recovered') > 0);
  assert.equal(database.rows.size, 600);
  renameSync(path.join(own, 'away'), path.join(own, first));
  database.away = true;
  await passes(one, () => ledger.backlog === 500);
  // What is being read leaves before what has just come.
  ends(150);
  assert.equal(ledger.backlog, 600);
  database.away = false;
  await passes(one, () => database.rows.size === 1_850);
  assert.equal(told.dropped, 0);
  for (const { state } of database.rows.values()) assert.equal(state, 'settled');
  await ledger.close(never);
  assert.deepEqual(readdirSync(one.folder), []);
});

it('a dead hub’s journal stays where there is no room for its rows, and is taken over later', async (t) => {
  const folder = await temporaryFolder(t);
  const dead = path.join(folder, 'hub-dead');
  mkdirSync(dead);
  const lines = Array.from({ length: 50 }, () => `${JSON.stringify(attempt().dispatch)}\n`);
  writeFileSync(path.join(dead, '00000001.log'), lines.join(''));
  const one = await ledgerBench(t, { folder });
  one.database.away = true;
  await passes(one, () => one.ledger.backlog === 50);
  for (let made = 0; made < 100; made++) {
    const { dispatch, settlement } = attempt();
    goesOut(one.ledger, dispatch).settled(settlement);
  }
  await one.clock.advance(1_000);
  assert.equal(segments(dead).length, 1);
  one.database.away = false;
  await passes(one, () => !readdirSync(folder).includes('hub-dead'));
  assert.deepEqual([one.database.rows.size, one.told], [150, { written: 150, dropped: 0, unjournalled: 0 }]);
});

it('a dead hub’s journal is taken over: settled rows as they were, open ones as interrupted, a torn end is passed over', async (t) => {
  const folder = await temporaryFolder(t);
  const dead = path.join(folder, 'hub-dead');
  mkdirSync(dead);
  const [settled, open, torn] = [attempt(), attempt(), attempt()];
  writeFileSync(
    path.join(dead, '00000001.log'),
    `${JSON.stringify(settled.dispatch)}\n${JSON.stringify(open.dispatch)}\n`,
  );
  const end = `${JSON.stringify({ of: settled.dispatch.id, ...settled.settlement })}\n`;
  appendFileSync(path.join(dead, '00000002.log'), `${end}${JSON.stringify(torn.dispatch).slice(0, -9)}`);
  const one = await ledgerBench(t, { folder });
  await passes(one, () => !readdirSync(folder).includes('hub-dead'));
  assert.equal(one.database.rows.size, 2);
  assert.equal(one.database.rows.get(settled.dispatch.id)?.state, 'settled');
  const { state, outcome, promptTokens, costMicroUsd, estimatedPromptTokens } =
    one.database.rows.get(open.dispatch.id) ?? assert.fail('the open one is lost');
  assert.deepEqual([state, outcome, promptTokens, costMicroUsd], ['interrupted', 'running', null, null]);
  assert.equal(estimatedPromptTokens, open.dispatch.estimatedPromptTokens);
});

it('a journal that cannot be read keeps nobody from taking over the others, and stays', async (t) => {
  const folder = await temporaryFolder(t);
  const { dispatch } = attempt();
  mkdirSync(path.join(folder, 'hub-a', '00000001.log'), { recursive: true });
  mkdirSync(path.join(folder, 'hub-b'));
  writeFileSync(path.join(folder, 'hub-b', '00000001.log'), `${JSON.stringify(dispatch)}\n`);
  const one = await ledgerBench(t, { folder });
  await passes(one, () => !readdirSync(folder).includes('hub-b'));
  assert.deepEqual([...one.database.rows.keys()], [dispatch.id]);
  assert.ok(readdirSync(folder).includes('hub-a'));
});

it('the journal of a hub that lives is left alone, and that of a dead one kept while the database is away', async (t) => {
  const living = await ledgerBench(t);
  const { dispatch } = attempt();
  goesOut(living.ledger, dispatch);
  // A lock of the operating system, which the process that holds it is told of too.
  const dead = path.join(living.folder, 'hub-dead');
  mkdirSync(dead);
  const lost = attempt();
  writeFileSync(path.join(dead, '00000001.log'), `${JSON.stringify(lost.dispatch)}\n`);
  const other = await ledgerBench(t, { folder: living.folder });
  other.database.away = true;
  await other.clock.advance(5_000);
  assert.deepEqual([segments(dead).length, segments(living.own).length], [1, 1]);
  other.database.away = false;
  await passes(other, () => other.database.rows.size === 1);
  await passes(other, () => !readdirSync(living.folder).includes('hub-dead'));
  assert.deepEqual([...other.database.rows.keys()], [lost.dispatch.id]);
  assert.equal(segments(living.own).length, 1);
});

it('a journal that cannot be written stops no call: each is counted, its row is written all the same, and it is tried again', async (t) => {
  const { ledger, clock, database, told, logged, own } = await ledgerBench(t);
  rmSync(own, { recursive: true });
  const [first, second, third] = [attempt(), attempt(), attempt()];
  const entries = [first, second].map(({ dispatch }) => goesOut(ledger, dispatch));
  assert.equal(told.unjournalled, 2);
  await clock.advance(1_000);
  goesOut(ledger, attempt().dispatch);
  mkdirSync(own);
  entries.push(goesOut(ledger, attempt().dispatch));
  assert.equal(told.unjournalled, 4, 'it is not tried again for each');
  await clock.advance(1_000);
  entries.push(goesOut(ledger, third.dispatch));
  assert.equal(told.unjournalled, 4);
  for (const entry of entries) entry.settled(first.settlement);
  await clock.advance(1_000);
  assert.equal(database.rows.size, 4);
  assert.deepEqual([logged('ledger-journal-failed'), logged('ledger-journal-works')], [1, 1], 'told once');
});

it('of lines that a full disk took a part of, whole ones count or not, and what comes later stands apart', async (t) => {
  const { ledger, clock, told, own } = await ledgerBench(t);
  const [before, whole, cut, later] = [attempt(), attempt(), attempt(), attempt()];
  goesOut(ledger, before.dispatch);
  const { writeSync } = fs;
  const full = t.mock.method(fs, 'writeSync', (file: number, text: string) => writeSync(file, text.slice(0, -20)));
  syncBuiltinESMExports();
  ledger.dispatched(whole.dispatch);
  goesOut(ledger, cut.dispatch);
  full.mock.restore();
  syncBuiltinESMExports();
  assert.equal(told.unjournalled, 2);
  await clock.advance(1_000);
  goesOut(ledger, later.dispatch);
  assert.equal(told.unjournalled, 2);
  // As a kill would leave it.
  const folder = await temporaryFolder(t);
  cpSync(own, path.join(folder, 'hub-dead'), { recursive: true });
  const next = await ledgerBench(t, { folder });
  await passes(next, () => next.logged('ledger-adopted') > 0);
  const found = [before, whole, later].map(({ dispatch }) => dispatch.id);
  assert.deepEqual([...next.database.rows.keys()].toSorted(), found.toSorted());
});

it('a hub that stops while the database is away leaves its rows to the next start', async (t) => {
  const stopping = await ledgerBench(t);
  stopping.database.away = true;
  const { dispatch, settlement } = attempt();
  goesOut(stopping.ledger, dispatch).settled(settlement);
  const closed = assert.rejects(stopping.ledger.close(AbortSignal.abort(new Error('too long'))), /too long/);
  await closed;
  const next = await ledgerBench(t, { folder: stopping.folder });
  await passes(next, () => next.database.rows.size === 1);
  assert.equal(next.database.rows.get(dispatch.id)?.state, 'settled', 'not interrupted: its end was known');
});

it('the folder that a dead hub left without a journal goes when it is old; a living hub’s stays, and what is no hub’s', async (t) => {
  const living = await ledgerBench(t);
  const { folder } = living;
  for (const name of ['hub-dead', 'hub-unlocked', 'hub-young', 'other']) mkdirSync(path.join(folder, name));
  (tryLockFolder(path.join(folder, 'hub-dead')) ?? assert.fail('it is held')).release();
  writeFileSync(path.join(folder, 'hub-file'), '');
  for (const name of readdirSync(folder)) {
    const changed = new Date(START_MS - (name === 'hub-young' ? 0 : 3_600_000));
    utimesSync(path.join(folder, name), changed, changed);
  }
  const two = await ledgerBench(t, { folder });
  const stay = [path.basename(living.own), path.basename(two.own), 'hub-file', 'other'];
  await two.clock.advance(60_000);
  assert.deepEqual(readdirSync(folder).toSorted(), [...stay, 'hub-young'].toSorted());
  // Nobody takes that long to start.
  await two.clock.advance(600_000);
  assert.deepEqual(readdirSync(folder).toSorted(), stay.toSorted());
  goesOut(living.ledger, attempt().dispatch);
  assert.equal(living.told.unjournalled, 0);
});
