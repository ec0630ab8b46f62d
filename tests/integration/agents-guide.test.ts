/** The blocks of docs/agents.md, run as they stand and one after the other against a started hub. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { startHubProcess } from '../helpers/hub-process.ts';

const GUIDE = path.resolve(import.meta.dirname, '../../docs/agents.md');
const RUN_MS = 60_000;

it('every block of the guide to agents runs, and what it makes is there', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'revoagent-guide-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const blocks = [...(await readFile(GUIDE, 'utf8')).matchAll(/^```sh\n(.*?)^```$/gms)].map((match) => match[1]);
  assert.ok(blocks.length >= 4, `only ${blocks.length} blocks`);
  const { url } = await startHubProcess(t, { config: { providers: { simulator: { kind: 'simulator' } } } });
  const env = { PATH: process.env['PATH'] ?? '', HUB: url };
  const script = ['set -eu', ...blocks].join('\n');
  const { stdout } = await promisify(execFile)('sh', ['-c', script], { env, cwd: folder, timeout: RUN_MS });
  assert.match(stdout, /"instructions":"Be brief and kind\."/);
  assert.match(stdout, /\}412$/m);
  assert.match(stdout, /"deleted":true\}\{"conversations":1,"turns":2\}/);
  const { data } = (await (await fetch(`${url}/api/conversations`)).json()) as { data: { title: string }[] };
  assert.deepEqual(
    data.map(({ title }) => title),
    ['An order that did not come'],
  );
});
