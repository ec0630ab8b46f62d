/**
 * Who may reach a hub without keys, and what the first key changes, through the real process and the real command. The hub that is met as a
 * newcomer meets it is embedded; where it keeps its keys is not what the others are about, and PostgreSQL starts in half the time.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { request } from 'node:http';
import { runCli, startHubProcess, temporaryFolder } from '../helpers/hub-process.ts';
import type { CliEnd } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';
import type { TestPostgres } from '../helpers/postgres.ts';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';

describe('a hub without keys', () => {
  let postgres: TestPostgres;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.close());

  it('serves its own machine alone, until the command makes the first key in it: from then on it asks for keys', async (t) => {
    const hub = await startHubProcess(t);
    assert.equal((await fetch(`${hub.url}/v1/models`)).status, 200);
    assert.equal(await statusWith(hub.url, { host: 'evil.example' }), 403);
    assert.equal(await statusWith(hub.url, { origin: 'https://evil.example' }), 403);
    assert.equal(await statusWith(hub.url, { origin: hub.url }), 200);
    assert.match(hub.output(), /without any key|keyless/i);

    const made = await createFirstKey(hub.configFile);
    assert.equal(made.code, 0, made.stderr);
    const key: unknown = JSON.parse(made.stdout);
    assert.ok(
      typeof key === 'object' &&
        key !== null &&
        'secret' in key &&
        typeof key.secret === 'string' &&
        'id' in key &&
        typeof key.id === 'string',
    );
    const headers = { authorization: `Bearer ${key.secret}` };
    assert.equal((await fetch(`${hub.url}/v1/models`)).status, 401);
    assert.equal((await fetch(`${hub.url}/v1/models`, { headers })).status, 200);

    const revoked = await runCli(['keys', 'revoke', key.id, '--config', hub.configFile]);
    assert.equal(revoked.code, 0, revoked.stderr);
    assert.equal((await fetch(`${hub.url}/v1/models`, { headers })).status, 401);
    assert.equal((await fetch(`${hub.url}/v1/models`)).status, 401, 'revoking the last key does not open the door');
    assert.ok(!hub.output().includes(key.secret), 'the key is in the log');
  });

  it('does not start on another address until a key exists', async (t) => {
    const dataDir = await temporaryFolder(t);
    const configFile = path.join(dataDir, 'open.json');
    const storage = { dataDir: path.join(dataDir, 'data'), url: await postgres.createDatabase() };
    await writeFile(configFile, JSON.stringify({ server: { host: '0.0.0.0', port: 0 }, storage }));
    const refused = await runCli(['serve', '--config', configFile]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr + refused.stdout, /keys create/);

    const made = await createFirstKey(configFile);
    assert.equal(made.code, 0, made.stderr);
    const hub = await startHubProcess(t, { dataDir, config: { server: { host: '0.0.0.0' }, storage } });
    const local = hub.url.replace('0.0.0.0', '127.0.0.1');
    assert.equal((await fetch(`${local}/v1/models`)).status, 401);
  });

  it('takes its first key from a file, start after start', async (t) => {
    const dataDir = await temporaryFolder(t);
    const keyFile = path.join(dataDir, 'admin.key');
    const generated = await runCli(['keys', 'generate']);
    assert.equal(generated.code, 0, generated.stderr);
    await writeFile(keyFile, generated.stdout);
    const env = { REVOAGENT_ADMIN_KEY_FILE: keyFile };
    const config = { server: { shutdownGraceMs: 0 }, storage: { url: await postgres.createDatabase() } };
    for (let start = 1; start <= 2; start++) {
      const hub = await startHubProcess(t, { dataDir, config, env });
      const answer = await fetch(`${hub.url}/api/keys`, {
        headers: { authorization: `Bearer ${generated.stdout.trim()}` },
      });
      assert.equal(answer.status, 200);
      assert.equal(await hub.end('SIGTERM'), 0);
    }
  });
});

function statusWith(url: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(`${url}/v1/models`, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

function createFirstKey(configFile: string): Promise<CliEnd> {
  const words = ['keys', 'create', '--name', 'first', '--scopes', 'admin', '--json'];
  return runCli([...words, '--config', configFile]);
}
