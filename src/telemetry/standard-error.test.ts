/** What becomes of lines whose reader is slow, or has gone: over a pipe whose other end is the test's. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { temporaryFolder } from '../../tests/helpers/hub-process.ts';
import { until } from '../../tests/helpers/upstream.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { standardError } from './standard-error.ts';

const MB = 1024 ** 2;
const TURNS_MAX = 10_000;
const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** Until no write is under way. */
const written = (): Promise<void> =>
  until('it is written', () => !process.getActiveResourcesInfo().includes('FSReqCallback'));

async function lab(t: TestContext) {
  const fifo = path.join(await temporaryFolder(t), 'log');
  assert.equal(spawnSync('mkfifo', [fifo]).status, 0);
  const chunk = Buffer.alloc(MB);
  const read: Buffer[] = [];
  let reader = openSync(fifo, O_RDONLY | O_NONBLOCK);
  const writer = openSync(fifo, O_WRONLY | O_NONBLOCK);
  const clock = new VirtualClock();
  const log = standardError(clock, writer);
  t.after(() => [reader, writer].forEach(closeSync));
  return {
    fifo,
    clock,
    log,
    close: () => closeSync(reader),
    open: () => void (reader = openSync(fifo, O_RDONLY | O_NONBLOCK)),
    /** Reads, while time goes on, until it has read the text; all that was read so far. */
    async readUntil(end: string): Promise<string> {
      for (let turn = 0; turn < TURNS_MAX && !Buffer.concat(read.slice(-2)).includes(end); turn++) {
        await clock.advance(100);
        await written();
        try {
          read.push(Buffer.from(chunk.subarray(0, readSync(reader, chunk))));
        } catch (error) {
          // A pipe that is empty just now.
          if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
        }
      }
      return Buffer.concat(read).toString();
    },
  };
}

describe('the log', () => {
  it('is written fifty milliseconds after a line at the latest, all of them at once', async (t) => {
    const { clock, log, readUntil } = await lab(t);
    log.write('one\n');
    await clock.advance(49);
    log.write('two\n');
    assert.equal(clock.pending, 1);
    await clock.advance(1);
    assert.equal(clock.pending, 0);
    assert.equal(await readUntil('two\n'), 'one\ntwo\n');
  });

  it('is written once where there comes more before all is written', async (t) => {
    const file = path.join(await temporaryFolder(t), 'log');
    const descriptor = openSync(file, 'a');
    t.after(() => closeSync(descriptor));
    const log = standardError(new VirtualClock(), descriptor);
    const parts = ['a', 'b', 'c'].map((letter) => letter.repeat(100_000));
    for (const part of parts) log.write(part);
    await written();
    assert.equal(readFileSync(file, 'utf8'), parts.join(''));
  });

  it('waits for a reader who is slow, and no line is lost or told twice', async (t) => {
    const { clock, log, readUntil } = await lab(t);
    const lines = Array.from({ length: 20_000 }, (_, number) => `line ${number}\n`).join('');
    log.write(lines);
    assert.equal(clock.pending, 0, 'so many go at once');
    // Nothing but a pipe that is full has a timer here.
    await until('the pipe is full', () => clock.pending === 1);
    log.write('last\n');
    assert.equal(await readUntil('last\n'), `${lines}last\n`);
  });

  it('drops what waits for a reader too long to be kept, and tells how much', async (t) => {
    const { clock, log, readUntil } = await lab(t);
    const line = `${'ü'.repeat(MB - 1)}\n`;
    log.write(line);
    await until('the pipe is full', () => clock.pending === 1);
    for (let count = 0; count < 19; count++) log.write(line);
    log.write('x'.repeat(MB));
    const lost = `\n{"level":"error","event":"log-lost","bytes":${3 * Buffer.byteLength(line) + MB}}\n`;
    await readUntil(lost);
    log.write('!\n');
    const all = await readUntil('!\n');
    // Not by assert.equal, which would print megabytes.
    assert.ok(all === `${line}${lost}${line.repeat(16)}!\n`, `${all.length} characters`);
  });

  it('drops what a reader who has gone has not read, and tells the next how much', async (t) => {
    const { clock, log, close, open, readUntil } = await lab(t);
    close();
    for (const gone of ['gone: ü\n', 'gone too\n']) {
      log.write(gone);
      await clock.advance(50);
      await written();
    }
    open();
    log.write('here\n');
    assert.equal(await readUntil('log-lost'), 'here\n\n{"level":"error","event":"log-lost","bytes":18}\n');
    log.write('on\n');
    assert.match(await readUntil('on\n'), /18\}\non\n$/, 'it is told once');
  });

  const ENDING = `import { openSync } from 'node:fs';
import { systemClock } from '#core/clock';
import { standardError } from '#telemetry/standard-error';
const [, , fifo, flags] = process.argv;
standardError(systemClock, fifo && openSync(fifo, Number(flags))).write('last\\n');`;
  const ends = (program: string, ...args: string[]) =>
    spawn(process.execPath, ['--input-type=module', '-e', program, '--', 'program', ...args]);

  it('has what waits when the process is ended', async () => {
    assert.equal(await text(ends(`${ENDING} process.exit(0);`).stderr), 'last\n');
  });

  it('has what waits for a slow reader when the process has nothing else to do', async (t) => {
    const { clock, fifo, log, readUntil } = await lab(t);
    log.write('x'.repeat(MB));
    await until('the pipe is full', () => clock.pending === 1);
    // Said once it has nothing else to do, and once more when that is written: between, it waits and does not spin.
    const saysSo = `process.on('beforeExit', () => process.stdout.write('done '));`;
    const child = ends(ENDING + saysSo, fifo, String(O_WRONLY | O_NONBLOCK));
    t.after(() => child.kill('SIGKILL'));
    const closed = once(child, 'close');
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => (said += more));
    await until('it has nothing else to do', () => said !== '');
    const all = await readUntil('last\n');
    assert.equal(all.replaceAll('x', ''), 'last\n');
    await closed;
    assert.equal(said, 'done done ');
  });
});
