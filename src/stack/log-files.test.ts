/** Logs are bounded while real processes go on writing them, and no line is lost. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { systemClock } from '#core/clock';
import { temporaryFolder, waitFor } from '../../tests/helpers/hub-process.ts';
import { freePorts } from '../../tests/helpers/ports.ts';
import { requireTool } from '../../tests/helpers/tools.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { boundLog, boundLogs } from './log-files.ts';
import { nginxServer } from './servers/nginx.ts';
import { startServer } from './servers/start.ts';

const MB = 1024 ** 2;
const SMALL = { bytesMax: 3 * MB, bytesLeft: MB };
/** Numbers, a line each, as fast as they can be written. */
const WRITER = `const { writeSync } = require('node:fs');
for (let number = 0; ; number += 100)
  writeSync(1, Array.from({ length: 100 }, (_, at) => String(number + at).padStart(99) + '\\n').join(''));`;

/** Of a log with what was put aside of it, oldest first. */
function linesOf(file: string): string[] {
  const files = [`${file}.3`, `${file}.2`, `${file}.1`, file].filter((each) => existsSync(each));
  const text = files.map((each) => readFileSync(each, 'utf8')).join('');
  // Who is killed in the middle of a write ends within a line.
  return text.slice(0, text.lastIndexOf('\n')).split('\n').filter(Boolean);
}

describe('the log of a process that never opens it again', () => {
  it('is bounded while it is written, and holds every line once', async (t) => {
    const file = path.join(await temporaryFolder(t), 'part.log');
    const probe = `${file}.probe`;
    writeFileSync(probe, Buffer.alloc(2 * MB));
    const isExact = spawnSync('fallocate', ['-c', '-o', '0', '-l', String(MB), probe]).status === 0;
    const output = openSync(file, 'a');
    const child = spawn(process.execPath, ['-e', WRITER], { stdio: ['ignore', output, 'inherit'] });
    closeSync(output);
    t.after(() => child.kill('SIGKILL'));
    for (let turn = 0; turn < 4; turn++) {
      await waitFor(() => (statSync(file).size > SMALL.bytesMax ? true : null));
      // Elsewhere a line may be lost; here it must not be by anything else.
      if (!isExact) child.kill('SIGSTOP');
      await boundLog({ file }, SMALL);
      if (!isExact) child.kill('SIGCONT');
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
    const numbers = linesOf(file).map(Number);
    // What was put aside first is gone, and may have ended within a line.
    const first = numbers[1] ?? NaN;
    assert.ok(numbers.length > (6 * MB) / 100, `${numbers.length} lines`);
    assert.deepEqual(
      numbers.slice(1).filter((number, at) => number !== first + at),
      [],
    );
    assert.equal(existsSync(`${file}.4`), false);
  });

  it('is left alone while it is small', async (t) => {
    const file = path.join(await temporaryFolder(t), 'part.log');
    await boundLog({ file }, SMALL);
    writeFileSync(file, Buffer.alloc(SMALL.bytesMax));
    await boundLog({ file }, SMALL);
    assert.equal(statSync(file).size, SMALL.bytesMax);
  });

  it('that cannot be put aside is told of once, and is as it was', async (t) => {
    const file = path.join(await temporaryFolder(t), 'part.log');
    writeFileSync(file, Buffer.alloc(17 * MB));
    // No file takes the place of a folder.
    mkdirSync(`${file}.3`);
    writeFileSync(`${file}.2`, '');
    const told: string[] = [];
    const clock = new VirtualClock();
    let looks = 0;
    const logs = () => {
      looks++;
      return [{ file }];
    };
    const bound = boundLogs({ clock, logs, onFailure: (failed) => told.push(failed) });
    t.after(() => bound.stop());
    await waitFor(async () => {
      await clock.advance(1_000);
      return looks > 3 || null;
    });
    assert.deepEqual(told, [file]);
    assert.equal(statSync(file).size, 17 * MB);
  });
});

it('the log of NGINX is moved away, and goes on in a new file without a line lost', async (t) => {
  const folder = await temporaryFolder(t);
  // Its workers are another user's where root starts it.
  chmodSync(folder, 0o755);
  const [port = 0] = await freePorts(1);
  const file = path.join(folder, 'access.log');
  const url = `http://127.0.0.1:${port}/`;
  const server = await startServer(
    nginxServer({
      file: requireTool('nginx'),
      folder,
      config: () => `pid "${folder}/nginx.pid"; error_log "${folder}/error.log"; events {}
http { log_format line '$arg_number'; access_log "${file}" line; server { listen 127.0.0.1:${port}; return 204; } }`,
      statusUrl: url,
    }),
    path.join(folder, 'said.log'),
    systemClock,
  );
  t.after(() => server.kill());
  for (let number = 0; number < 100; number++) {
    await fetch(`${url}?number=${number}`);
    if (number % 40 === 39)
      await boundLog({ file, reopen: () => server.signal('SIGUSR1') }, { bytesMax: 0, bytesLeft: MB });
  }
  await waitFor(() => linesOf(file).includes('99') || null);
  const numbers = linesOf(file).filter((line) => line !== '-');
  assert.deepEqual(
    numbers.map(Number),
    Array.from({ length: 100 }, (_, at) => at),
  );
  assert.ok(statSync(file).size < statSync(`${file}.1`).size);
});
