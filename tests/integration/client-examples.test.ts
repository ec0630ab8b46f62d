/**
 * Each example of a client runs as it stands against a started hub, and says what the simulator answers, plainly and as a stream;
 * docs/clients.md shows the same code. What is in the folder is run; nothing is listed, so nothing can be forgotten.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { startHubProcess } from '../helpers/hub-process.ts';
import { forTheSuite } from '../helpers/suite.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const FOLDER = path.join(ROOT, 'examples/clients');
const RUN_MS = 60_000;
const REPLY = 'Hello from the simulator.';
const names = (await readdir(FOLDER)).toSorted();
const run = promisify(execFile);

/** The streamed answer of a program that prints events instead of text. */
function textOf(output: string): string {
  const events = output.split('\n').filter((line) => line.startsWith('data: {'));
  const contents = events.map((line) => JSON.parse(line.slice('data: '.length)).choices[0]?.delta.content ?? '');
  return contents.join('');
}

describe('each example of a client', () => {
  const suite = forTheSuite();
  let url: string;
  before(async () => {
    const simulator = { kind: 'simulator', reply: REPLY, firstTokenMs: { p50: 0, p95: 0 }, tokensPerSecond: 0 };
    ({ url } = await startHubProcess(suite, { config: { providers: { simulator } } }));
  });

  for (const name of names) {
    it(`${name} gets a plain answer and a streamed one`, async () => {
      const program = name.endsWith('.sh') ? 'sh' : process.execPath;
      const env = { PATH: process.env['PATH'] ?? '', REVOAGENT_URL: url };
      const { stdout } = await run(program, [path.join(FOLDER, name)], { env, timeout: RUN_MS });
      if (name.endsWith('.sh')) {
        const [plain = ''] = stdout.split('\n');
        assert.deepEqual([JSON.parse(plain).choices[0].message.content, textOf(stdout)], [REPLY, REPLY]);
        assert.match(stdout, /data: \[DONE\]\s*$/);
      } else {
        assert.equal(stdout, `${REPLY}\n${REPLY}\n`);
      }
    });
  }

  it('is shown as it is in docs/clients.md', async () => {
    const page = await readFile(path.join(ROOT, 'docs/clients.md'), 'utf8');
    const shown = Array.from(page.matchAll(/\n```(?:ts|sh)\n(.*?)```\n/gs), ([, code]) => code ?? '');
    const codes = await Promise.all(names.map((name) => readFile(path.join(FOLDER, name), 'utf8')));
    assert.ok(codes.length >= 4);
    assert.deepEqual(shown.toSorted(), codes.toSorted());
  });
});
