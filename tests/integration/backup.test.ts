/** docs/backup.md, its commands run as they stand: what was kept is there again, and nothing that came later. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { startHubHere } from '../helpers/hub-here.ts';
import { startHubProcess, temporaryFolder } from '../helpers/hub-process.ts';
import type { HubProcess } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';

const PAGE = await readFile(new URL('../../docs/backup.md', import.meta.url), 'utf8');
const run = promisify(execFile);

type Asked = Pick<HubProcess, 'url'>;

function command(name: string): string {
  const [, text] = new RegExp(`\`\`\`sh ${name}\n([^]*?)\`\`\``).exec(PAGE) ?? [];
  return text ?? assert.fail(`docs/backup.md has no "${name}"`);
}

async function sh(name: string, cwd: string, env: Record<string, string>): Promise<void> {
  await run('sh', ['-euc', command(name)], { cwd, env: { PATH: process.env['PATH'] ?? '', ...env } });
}

async function call(
  hub: Asked,
  method: string,
  at: string,
  key: string | null,
  body?: unknown,
): Promise<Record<string, unknown>> {
  const response = await fetch(hub.url + at, {
    method,
    headers: { 'content-type': 'application/json', ...(key === null ? {} : { authorization: `Bearer ${key}` }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${at}: ${response.status} ${text}`);
  return JSON.parse(text) as Record<string, unknown>;
}

const names = async (hub: Asked, key: string): Promise<unknown[]> => {
  const { data } = (await call(hub, 'GET', '/api/agents', key)) as { data: { name: string }[] };
  return data.map(({ name }) => name).toSorted();
};

/** How it was answered: by the cache, or for the caller. */
async function cached(hub: Asked, key: string): Promise<string | null> {
  const response = await fetch(`${hub.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, 'x-revoagent-cache': 'on' },
    body: JSON.stringify({ model: 'simulator/chat', messages: [{ role: 'user', content: 'Well?' }] }),
  });
  assert.equal(response.status, 200, await response.text());
  return response.headers.get('x-revoagent-cache');
}

async function keep(hub: Asked): Promise<string> {
  const made = await call(hub, 'POST', '/api/keys', null, { name: 'operator', scopes: ['admin'] });
  const key = String(made['secret']);
  await call(hub, 'POST', '/api/agents', key, { name: 'kept', instructions: 'Be brief.', model: 'simulator/chat' });
  return key;
}

describe('a backup', () => {
  it('of PostgreSQL, taken while the hub serves, comes back in an empty database', async (t) => {
    const postgres = await startPostgres();
    t.after(() => postgres.close());
    const cwd = await temporaryFolder(t);
    const from = await postgres.createDatabase();
    const config = { cache: { database: true } };
    const hub = await startHubHere(t, { config: { ...config, storage: { url: from } } });
    const key = await keep(hub);
    assert.deepEqual([await cached(hub, key), await cached(hub, key)], ['miss', 'hit']);
    await sh('backup', cwd, { DATABASE_URL: from });
    await call(hub, 'POST', '/api/agents', key, { name: 'later', instructions: 'Be brief.', model: 'simulator/chat' });
    assert.deepEqual(await names(hub, key), ['kept', 'later']);

    const to = await postgres.createDatabase();
    await sh('restore', cwd, { DATABASE_URL: to });
    const restored = await startHubHere(t, { config: { ...config, storage: { url: to } } });
    assert.deepEqual(await names(restored, key), ['kept'], 'with the key of then');
    assert.equal(await cached(restored, key), 'miss');
    await call(restored, 'POST', '/api/chat', key, { model: 'simulator/chat', prompt: 'Well?' });
  });

  it('of an embedded hub that was stopped comes back in another folder', async (t) => {
    const cwd = await temporaryFolder(t);
    const hub = await startHubProcess(t, { config: { server: { shutdownGraceMs: 0 } } });
    const key = await keep(hub);
    assert.equal(await hub.end('SIGTERM'), 0, hub.output());
    await sh('backup-embedded', cwd, { DATA_DIR: path.join(hub.dataDir, 'data') });
    const dataDir = await temporaryFolder(t);
    await sh('restore-embedded', cwd, { DATA_DIR: path.join(dataDir, 'data') });
    const restored = await startHubHere(t, { dataDir });
    assert.deepEqual(await names(restored, key), ['kept']);
  });
});
