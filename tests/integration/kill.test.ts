/**
 * A hub that is killed in the middle of writes has lost nothing that it acknowledged, on either database. The kill is real
 * (`SIGKILL` while requests are in flight) and so is the second start on the same data.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { startHubProcess, temporaryFolder } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';

async function keysSurvive(t: TestContext, storage: Record<string, unknown>): Promise<void> {
  const config = { storage, server: { shutdownGraceMs: 0 } };
  const dataDir = await temporaryFolder(t);
  const hub = await startHubProcess(t, { dataDir, config });
  const admin = await createKey(hub.url, 'admin', ['admin', 'chat', 'read']);
  const acknowledged: string[] = [admin.id];
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    for (let number = 0; ; number++) {
      const made = await createKey(hub.url, `writer ${writer} key ${number}`, ['chat'], admin.secret).catch(() => null);
      if (made === null) return;
      acknowledged.push(made.id);
      if (acknowledged.length === 60) hub.process.kill('SIGKILL');
    }
  });
  await Promise.all(writers);
  assert.ok(acknowledged.length >= 60, `only ${acknowledged.length} keys were made before the kill`);

  const again = await startHubProcess(t, { dataDir, config });
  const kept = await listKeyIds(again.url, admin.secret);
  assert.deepEqual(
    acknowledged.filter((id) => !kept.has(id)),
    [],
    'acknowledged keys that are gone',
  );
  assert.equal(await again.end('SIGTERM'), 0);
}

describe('kill -9 in the middle of writes', () => {
  it('loses no acknowledged key of an embedded hub', (t) => keysSurvive(t, {}));

  it('loses no acknowledged key of a hub on PostgreSQL', async (t) => {
    const postgres = await startPostgres();
    t.after(() => postgres.close());
    await keysSurvive(t, { url: postgres.url });
  });
});

async function createKey(
  url: string,
  name: string,
  scopes: string[],
  secret?: string,
): Promise<{ id: string; secret: string }> {
  const response = await fetch(`${url}/api/keys`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
    },
    body: JSON.stringify({ name, scopes }),
  });
  assert.equal(response.status, 201);
  const body: { id: string; secret: string } = await response.json().then(asKey);
  return body;
}

function asKey(value: unknown): { id: string; secret: string } {
  assert.ok(typeof value === 'object' && value !== null && 'key' in value && 'secret' in value);
  const { key, secret } = value;
  assert.ok(
    typeof key === 'object' && key !== null && 'id' in key && typeof key.id === 'string' && typeof secret === 'string',
  );
  return { id: key.id, secret };
}

async function listKeyIds(url: string, secret: string): Promise<Set<string>> {
  const ids = new Set<string>();
  for (let before = ''; ;) {
    const response = await fetch(`${url}/api/keys?limit=200${before}`, {
      headers: { authorization: `Bearer ${secret}` },
    });
    assert.equal(response.status, 200);
    const page: unknown = await response.json();
    assert.ok(typeof page === 'object' && page !== null && 'data' in page && Array.isArray(page.data));
    const rows: { id: string }[] = page.data;
    for (const row of rows) ids.add(row.id);
    const last = rows.at(-1);
    if (rows.length < 200 || last === undefined) return ids;
    before = `&before=${last.id}`;
  }
}
