/** The embedded database under load and in trouble. What needs no database runs on a virtual clock; the rest on a real one. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { systemClock } from '#core/clock';
import type { Clock } from '#core/clock';
import { waitFor } from '../../tests/helpers/hub-process.ts';
import { settle, VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { embeddedSource } from './embedded.ts';
import type { Session } from './driver.ts';
import { lockFolder } from './folder-lock.ts';

/** A good second of work for PGlite. */
const LONG_QUERY = 'select count(*) as rows from generate_series(1, 2000000)';
const ENDLESS_QUERY = 'with recursive n as (select 1 union all select 1 from n) select count(*) from n';

function open(
  t: TestContext,
  clock: Clock,
  queryTimeoutMs: number,
  prepare: (dataDir: string) => void = () => undefined,
) {
  const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-embedded-'));
  const dataDir = path.join(folder, 'data');
  prepare(dataDir);
  const waits: number[] = [];
  const observer = { poolWaited: (waitedMs: number) => void waits.push(waitedMs) };
  const source = embeddedSource({ dataDir, queryTimeoutMs }, { clock, observer });
  t.after(async () => {
    await source.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { source, waits, dataDir };
}

const busy = (message: RegExp) => ({ name: 'DatabaseBusyError', message });

describe('the queue of the embedded database', () => {
  it('gives the one session to one after the other, and tells how long each waited', async (t) => {
    const clock = new VirtualClock();
    const { source, waits } = open(t, clock, 1_000);
    const first = await source.acquire();
    const order: string[] = [];
    const later = ['second', 'third'].map(async (name) => {
      const session = await source.acquire();
      order.push(name);
      return session;
    });
    assert.deepEqual(source.stats(), { max: 1, total: 1, idle: 0, waiting: 2 });
    await clock.advance(300);
    assert.deepEqual(order, []);
    first.release();
    await settle();
    assert.deepEqual(order, ['second']);
    await clock.advance(200);
    (await later[0])?.release();
    (await later[1])?.release();
    await settle();
    assert.deepEqual(
      [order, waits],
      [
        ['second', 'third'],
        [0, 300, 500],
      ],
    );
    assert.deepEqual(source.stats(), { max: 1, total: 1, idle: 1, waiting: 0 });
    assert.equal(clock.pending, 0);
  });

  it('refuses the caller after the 1024th who waits at once, and says why', async (t) => {
    const { source } = open(t, new VirtualClock(), 1_000);
    const held = await source.acquire();
    const waiting = Array.from({ length: 1024 }, () => source.acquire());
    await assert.rejects(source.acquire(), busy(/^1024 callers wait for the embedded database already$/));
    held.release();
    const next: Session = await (waiting[0] ?? assert.fail());
    // There is room for one again.
    const late = source.acquire();
    assert.equal(source.stats().waiting, 1024);
    next.release();
    for (const session of [...waiting.slice(1), late]) (await session).release();
  });

  it('lets nobody wait longer than the deadline, and forgets who gave up', async (t) => {
    const clock = new VirtualClock();
    const { source } = open(t, clock, 1_000);
    const held = await source.acquire();
    const early = assert.rejects(source.acquire(), busy(/^the embedded database was busy for 1000 ms$/));
    await clock.advance(500);
    const late = source.acquire();
    await clock.advance(500);
    await early;
    assert.equal(source.stats().waiting, 1);
    held.release();
    (await late).release();
  });
});

describe('the thread of the embedded database', () => {
  it('answers a caller at his deadline, keeps the hub’s own thread free, and serves the next when it is done', async (t) => {
    const { source } = open(t, systemClock, 100);
    const patient = await source.acquire(60_000);
    await patient.query('select 1', []);
    let answered = false;
    const long = patient.query(LONG_QUERY, []).finally(() => (answered = true));
    for (let turn = 0; turn < 100; turn++) await settle();
    assert.equal(answered, false, 'a query ran on the thread that asked');
    assert.deepEqual((await long).rows, [{ rows: 2_000_000 }]);
    patient.release();

    const hasty = await source.acquire();
    await assert.rejects(hasty.query(LONG_QUERY, []), busy(/^the embedded database did not answer within 100 ms$/));
    hasty.release();
    assert.equal(source.stats().idle, 0, 'what nobody waits for still runs');
    const next = await waitFor(() => source.acquire().catch(() => null), 30_000);
    assert.deepEqual((await next.query('select 1 as one', [])).rows, [{ one: 1 }]);
    next.release();
  });

  it('ends a query that hangs half a minute past its deadline, and serves the next with all that was acknowledged', async (t) => {
    const clock = new VirtualClock();
    const { source } = open(t, clock, 1_000);
    const session = await source.acquire();
    await session.query('create table kept as select 1 as one', []);
    const late = assert.rejects(session.query(ENDLESS_QUERY, []), busy(/did not answer within 1000 ms$/));
    await clock.advance(1_000);
    await late;
    session.release();
    await clock.advance(29_999);
    await settle();
    assert.equal(source.stats().idle, 0, 'what runs on has the database for itself');
    const next = source.acquire();
    await clock.advance(1);
    assert.deepEqual((await (await next).query('select one from kept', [])).rows, [{ one: 1 }]);
  });

  it('tells a process that waits for nothing else why it does not start', async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-embedded-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(path.join(folder, 'PG_VERSION'), 'garbage');
    const script = `
      const [{ embeddedSource }, { systemClock }] = await Promise.all(process.argv.slice(1, 3).map((file) => import(file)));
      const options = { dataDir: process.argv[3], queryTimeoutMs: 10_000 };
      const source = embeddedSource(options, { clock: systemClock, observer: { poolWaited() {} } });
      await (await source.acquire()).query('select 1', []).catch(({ message }) => process.stdout.write(message));`;
    const files = ['./embedded.ts', '#core/clock'].map((file) => import.meta.resolve(file));
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, ...files, folder]);
    t.after(() => child.kill('SIGKILL'));
    const [told, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    assert.deepEqual([told.split(':')[0], code], ['the embedded database ended', 0]);
  });

  it('tells everybody who waits when it cannot start, and starts again for the next caller', async (t) => {
    const { source, dataDir } = open(t, systemClock, 10_000, (folder) => {
      mkdirSync(folder, { recursive: true });
      writeFileSync(path.join(folder, 'PG_VERSION'), 'garbage');
    });
    const session = await source.acquire();
    await assert.rejects(session.query('select 1', []), busy(/^the embedded database ended: /));
    rmSync(path.join(dataDir, 'PG_VERSION'));
    assert.deepEqual((await session.query('select 1 as one', [])).rows, [{ one: 1 }]);
    session.release();
  });

  it('opens the folder no more once it is closed, and leaves it to the next', async (t) => {
    const { source, dataDir } = open(t, new VirtualClock(), 1_000);
    const session = await source.acquire();
    const waiting = source.acquire();
    await source.close();
    await assert.rejects(session.query('select 1', []), busy(/^the embedded database is closed$/));
    session.release();
    await assert.rejects((await waiting).query('select 1', []), busy(/^the embedded database is closed$/));
    lockFolder(dataDir).release();
  });
});
