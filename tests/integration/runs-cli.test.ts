/**
 * `runs list` and `runs show` as a person uses them, beside a running hub on an embedded database and against its address, which
 * wants a key: what they print, what docs/runs.md says that they print, and what they say when they cannot.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { before, describe, it } from 'node:test';
import { runsAt } from '#hub/index';
import { startHubHere } from '../helpers/hub-here.ts';
import type { HubHere } from '../helpers/hub-here.ts';
import { runCli, runCliLines, temporaryFolder } from '../helpers/hub-process.ts';
import type { CliEnd } from '../helpers/hub-process.ts';
import { forTheSuite } from '../helpers/suite.ts';
import { answersHtml, refuses, startUpstream } from '../helpers/upstream.ts';

const DOCS = new URL('../../docs/runs.md', import.meta.url);
const UNKNOWN = 'run_01k0000000000000000000000000';

/** Figures and ids differ from run to run; the words and their order do not. */
function shapeOf(text: string): string {
  return text
    .replaceAll(/(run|key)_[0-9a-z]{26}/g, '$1_…')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replaceAll(/\d+(\.\d+)? (ms|s)\b/g, 'DURATION')
    .trim();
}

describe('revoagent runs', () => {
  const suite = forTheSuite();
  let hub: HubHere;
  let runId: string;
  let key: string;

  const cli = (args: readonly string[], env: Record<string, string> = {}): Promise<CliEnd> =>
    runCli(['runs', ...args], { cwd: hub.dataDir, env });

  before(async () => {
    const upstream = await startUpstream(suite);
    upstream.script(refuses(503));
    const provider = { kind: 'openai-compatible', baseUrl: upstream.baseUrl };
    const groups = [
      [{ provider: 'openai', model: 'gpt-4o-mini' }],
      [{ provider: 'groq', model: 'llama-3.3-70b-versatile' }],
    ];
    hub = await startHubHere(suite, {
      config: {
        providers: { openai: provider, groq: provider },
        routes: { fast: { groups } },
        prices: { 'groq/*': { inputUsd: 1, outputUsd: 1 } },
      },
    });
    const made = await runCli(['keys', 'create', '--name', 'tests', '--json', '--config', hub.configFile]);
    assert.equal(made.code, 0, made.stderr);
    key = JSON.parse(made.stdout).secret;
    const response = await fetch(`${hub.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: 'fast', messages: [{ role: 'user', content: 'Are you well?' }] }),
    });
    assert.equal(response.status, 200, await response.text());
    runId = response.headers.get('x-revoagent-run') ?? assert.fail('the answer names no run');
    assert.equal(upstream.received.length, 2);
  });

  it('explains a run without a key beside its hub, whose embedded database is locked, and as docs/runs.md prints it', async () => {
    const { code, stdout, stderr } = await cli(['show', runId, '--config', hub.configFile]);
    assert.deepEqual([code, stderr], [0, '']);
    assert.ok(stdout.startsWith(`${runId}  succeeded  fast → groq/llama-3.3-70b-versatile\n`), stdout);
    const [, printed = assert.fail('no block')] = /\n```text\n(run_[^]*?)```/.exec(await readFile(DOCS, 'utf8')) ?? [];
    assert.equal(shapeOf(stdout), shapeOf(printed));
  });

  it('is the API’s own answer with --json', async () => {
    const lines = [
      ['runs', 'show', runId, '--json', '--config', hub.configFile],
      ['runs', 'list', '--json', '--limit', '1', '--config', hub.configFile],
    ];
    const [shown, listed] = await runCliLines(lines);
    const headers = { authorization: `Bearer ${key}` };
    const told = await (await fetch(`${hub.url}/api/runs/${runId}`, { headers })).json();
    assert.deepEqual(JSON.parse(shown?.stdout ?? ''), told);
    assert.deepEqual(JSON.parse(listed?.stdout ?? ''), [told]);
  });

  it('tells durations to the microsecond, not with the noise of a difference', async () => {
    const [shown] = await runCliLines([['runs', 'show', runId, '--json', '--config', hub.configFile]]);
    const told = [...(shown?.stdout ?? '').matchAll(/"(\w+Ms)": ?(\d[\d.]*)/g)].map(([, name, ms]) => [name, ms]);
    assert.ok(told.length >= 6, JSON.stringify(told));
    assert.deepEqual(
      told.filter(([, ms = '']) => (ms.split('.')[1] ?? '').length > 3),
      [],
    );
  });

  it('reaches a hub by its address with the key in REVOAGENT_KEY, and shows the key to nobody', async () => {
    const env = { REVOAGENT_KEY: key, REVOAGENT_URL: hub.url };
    const { code, stdout, stderr } = await cli(['list'], env);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, new RegExp(`^${runId} .* succeeded .* fast → groq/llama-3.3-70b-versatile  2 attempts\n$`));
    assert.ok(!stdout.includes(key));
  });

  it('says what is missing at an address: a key, a right one, a run, a hub', async (t) => {
    const html = await startUpstream(t);
    html.otherwise = answersHtml(502);
    const cases: [string, string | undefined, RegExp][] = [
      [hub.url, undefined, /wants a key: set REVOAGENT_KEY/],
      [hub.url, 'rvk_wrong', /does not accept the key in REVOAGENT_KEY/],
      [hub.url, key, /There is no run run_01k0+ that may be seen here\. See: revoagent runs list/],
      ['http://127.0.0.1:1', key, /No hub answers at http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/],
      ['hub.example', key, /"hub\.example" is no address of a hub/],
      [html.baseUrl, key, /another form than this command knows/],
    ];
    for (const [address, shown, expected] of cases) {
      const read = async (): Promise<unknown> => {
        const runs = runsAt(address, shown);
        t.after(() => runs.close());
        return await runs.show(UNKNOWN);
      };
      await assert.rejects(read, (error: Error) => expected.test(error.message) && !error.message.includes('rvk_'));
    }
  });

  it('ends with 1 and words on standard error where there is no such run, or no hub on the data folder', async (t) => {
    const nowhere = await temporaryFolder(t);
    const [unknown, none] = await Promise.all([
      cli(['show', 'nonsense', '--config', hub.configFile]),
      cli(['list'], { REVOAGENT_DATA_DIR: nowhere }),
    ]);
    assert.deepEqual([unknown.code, unknown.stdout, none.code, none.stdout], [1, '', 1, '']);
    assert.match(unknown.stderr, /^revoagent: There is no run nonsense .*\n$/);
    assert.match(none.stderr, /^revoagent: No hub runs on the data folder .*--url .*\n$/);
  });

  it('refuses a limit that no page has, with 2, and helps with examples', async () => {
    const lines = [
      ['runs', 'list', '--limit', '201'],
      ['runs', 'show', '--help'],
    ];
    const [refused, help] = await runCliLines(lines);
    assert.deepEqual([refused?.code, refused?.stdout], [2, '']);
    assert.match(refused?.stderr ?? '', /whole number from 1 to 200/);
    assert.equal(help?.code, 0);
    assert.match(help?.stdout ?? '', /Examples:\n {2}revoagent runs show run_/);
  });
});
