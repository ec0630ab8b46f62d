/** External APIs on a whole hub: the calls that the documentation shows, and a reload under a call. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { answers, startTarget } from '../faults/external-bench.ts';
import { startHubProcess, waitFor } from '../helpers/hub-process.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

it('every call that docs/external.md shows works with the example, and carries what its API asks for', async (t) => {
  const page = await readFile(path.join(ROOT, 'docs/external.md'), 'utf8');
  const blocks = Array.from(page.matchAll(/\n```sh\n(.*?)```\n/gs), ([, code]) => code ?? '');
  assert.ok(blocks.length >= 5);
  const target = await startTarget(t);
  const address = `http://127.0.0.1:${target.port}`;
  const example: unknown = parse(await readFile(path.join(ROOT, 'examples/external.yaml'), 'utf8'));
  assert.ok(typeof example === 'object' && example !== null);
  const hub = await startHubProcess(t, {
    config: { ...example },
    env: {
      GITHUB_API_URL: address,
      GITHUB_TOKEN: 'ghp-example',
      SLACK_API_URL: `${address}/api`,
      SLACK_BOT_TOKEN: 'xoxb-example',
      JIRA_URL: address,
      JIRA_EMAIL: 'me@example.com',
      JIRA_API_TOKEN: 'jira-example',
    },
  });
  const env = { PATH: process.env['PATH'] ?? '', REVOAGENT_URL: hub.url, REVOAGENT_KEY: 'none' };
  let output = '';
  for (const block of blocks) output += (await run('sh', ['-euc', block], { env, timeout: 60_000 })).stdout;
  assert.match(output, /"external:jira"/);
  assert.doesNotMatch(output, /example|127\.0\.0\.1/);
  const basic = `Basic ${Buffer.from('me@example.com:jira-example').toString('base64')}`;
  assert.deepEqual(
    target.received.map(({ method, url, headers, body }) => [method, url, headers.authorization, body]),
    [
      ['GET', '/user', 'Bearer ghp-example', ''],
      ['GET', '/repos/nodejs/node/issues?per_page=5', 'Bearer ghp-example', ''],
      ['POST', '/repos/my/repo/issues', 'Bearer ghp-example', '{"title": "Found by an agent"}'],
      [
        'POST',
        '/api/chat.postMessage',
        'Bearer xoxb-example',
        '{"channel": "C0123456789", "text": "The build is green again."}',
      ],
      ['GET', '/rest/api/3/search/jql?jql=project%20%3D%20OPS&maxResults=5', basic, ''],
    ],
  );
  assert.equal(target.received[0]?.headers['x-github-api-version'], '2022-11-28');
});

it('a reload brings, changes and takes away external APIs, and the call that is under way ends as it began', async (t) => {
  const [target, other] = [await startTarget(t), await startTarget(t)];
  other.otherwise = answers(200, 'the other');
  const simulated = { providers: { simulator: { kind: 'simulator' } } };
  const at = (port: number) => ({ baseUrl: `http://127.0.0.1:${port}` });
  const hub = await startHubProcess(t, {
    config: { ...simulated, external: { api: at(target.port), old: at(target.port) } },
  });
  const call = (name: string): Promise<Response> => fetch(`${hub.url}/api/external/${name}/x`);
  target.script(({ response }) => void response.writeHead(200, { 'content-length': '10' }).write('01234'));
  const slow = await call('api');
  assert.equal(slow.status, 200);

  const config: Record<string, unknown> = JSON.parse(await readFile(hub.configFile, 'utf8'));
  await writeFile(
    hub.configFile,
    JSON.stringify({ ...config, external: { api: at(other.port), new: at(other.port) } }),
  );
  hub.process.kill('SIGHUP');
  await waitFor(async () => ((await call('new')).status === 200 ? true : null), 60_000, hub.output);
  assert.equal(await (await call('api')).text(), 'the other');
  assert.equal((await call('old')).status, 404);
  const [begun] = target.received;
  assert.equal(begun?.aborted, false);
  begun?.response.end('56789');
  assert.equal(await slow.text(), '0123456789');
  assert.equal(target.received.length, 1);
});
