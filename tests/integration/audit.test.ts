/** Every act of an administrator on a started hub is in the audit, by whom and on what; it is read page by page, found, and by admins alone. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { it } from 'node:test';
import { operations } from '#http/routes/index';
import { startHubProcess, waitFor } from '../helpers/hub-process.ts';

interface Entry {
  readonly id: string;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
}

/** By operation, what an act of it is called. One that is new belongs here, and into the audit. */
const ACTS: Readonly<Record<string, string>> = {
  createKey: 'key-created',
  revokeKey: 'key-revoked',
  forceOpenBreaker: 'breaker-forced-open',
  closeBreaker: 'breaker-forced-closed',
  resetBreaker: 'breaker-reset',
  invalidateCache: 'cache-invalidated',
};

it('every act of an administrator is in the audit, which admins alone may read', async (t) => {
  const acting = operations.filter(
    ({ method, access }) => method !== 'GET' && Array.isArray(access) && access.length === 1 && access[0] === 'admin',
  );
  const audited = ['createAgent', 'replaceAgent', 'deleteAgent'];
  assert.deepEqual(
    acting
      .map(({ id }) => id)
      .filter((id) => !audited.includes(id))
      .toSorted(),
    Object.keys(ACTS).toSorted(),
  );

  const hub = await startHubProcess(t, {
    config: {
      providers: { simulator: { kind: 'simulator' } },
      routes: { '*': { groups: [[{ provider: 'simulator' }]], content: 'full' } },
    },
  });
  const ask = async (method: string, path: string, body?: object, key?: string) => {
    const headers = {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    };
    const response = await fetch(hub.url + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, text, body: text === '' ? {} : JSON.parse(text), headers: response.headers };
  };
  const done = async (...given: Parameters<typeof ask>) => {
    const answer = await ask(...given);
    assert.ok(answer.status < 300, `${given.slice(0, 2).join(' ')}: ${answer.status} ${answer.text}`);
    return answer;
  };
  const admin = String(
    (await done('POST', '/api/keys', { name: 'boss', scopes: ['chat', 'read', 'admin'] })).body.secret,
  );
  const reader = (await done('POST', '/api/keys', { name: 'eyes', scopes: ['chat', 'read'] }, admin)).body.key;

  const chat = { model: 'simulator/chat', messages: [{ role: 'user', content: 'Hello' }] };
  const answered = await done('POST', '/v1/chat/completions', chat, admin);
  const run = answered.headers.get('x-revoagent-run') ?? '';
  await done('DELETE', `/api/runs/${run}/content`, undefined, admin);
  await done('DELETE', '/api/cache?all=true', undefined, admin);
  const listed: { key: string }[] = (await done('GET', '/api/circuit-breakers', undefined, admin)).body.data;
  const key = listed.find((each) => each.key.startsWith('provider:'))?.key ?? assert.fail('no provider has a circuit');
  const breaker = `/api/circuit-breakers/${encodeURIComponent(key)}`;
  for (const [path, body] of [
    ['force-open', { reason: 'a drill' }],
    ['close', { reason: 'a drill' }],
    ['reset', { reason: 'a drill' }],
  ] as const)
    await done('POST', `${breaker}/${path}`, body, admin);
  const agent = { name: 'helper', instructions: 'Help.', model: 'simulator/chat' };
  const { id } = (await done('POST', '/api/agents', agent, admin)).body;
  await done('PUT', `/api/agents/${String(id)}`, { ...agent, instructions: 'Help more.' }, admin);
  await done('DELETE', `/api/agents/${String(id)}`, undefined, admin);
  const config = JSON.parse(readFileSync(hub.configFile, 'utf8'));
  writeFileSync(hub.configFile, JSON.stringify({ ...config, logging: { level: 'warn' } }));
  hub.process.kill('SIGHUP');
  const find = async (query: string): Promise<Entry[]> =>
    (await done('GET', `/api/audit?${query}`, undefined, admin)).body.data;
  const [reloaded] = await waitFor(async () => {
    const found = await find('action=config-reloaded');
    return found.length > 0 ? found : undefined;
  });
  assert.equal(reloaded?.actor, 'config');
  await done('DELETE', `/api/keys/${String(reader.id)}`, undefined, admin);

  const paged: Entry[] = [];
  for (let before: string | null = ''; before !== null;) {
    const { body } = await done(
      'GET',
      `/api/audit?limit=3${before === '' ? '' : `&before=${before}`}`,
      undefined,
      admin,
    );
    paged.push(...body.data);
    before = body.nextBefore;
  }
  assert.equal(new Set(paged.map((entry) => entry.id)).size, paged.length);
  const actions = new Set(paged.map(({ action }) => action));
  for (const action of [
    ...Object.values(ACTS),
    ...['agent-created', 'agent-changed', 'agent-deleted', 'content-erased', 'config-reloaded'],
  ])
    assert.ok(actions.has(action), `${action} is not among ${[...actions].join(', ')}`);
  assert.deepEqual(
    (await find('action=key-revoked')).map(({ subject }) => subject),
    [reader.id],
  );
  const byBoss = paged.filter(({ actor }) => actor.startsWith('key_'));
  assert.ok(byBoss.length >= 8 && new Set(byBoss.map(({ actor }) => actor)).size === 1);
  assert.doesNotMatch(JSON.stringify(paged), new RegExp(admin));

  const second = (await done('POST', '/api/keys', { name: 'eyes', scopes: ['chat', 'read'] }, admin)).body;
  assert.equal((await ask('GET', '/api/audit', undefined, String(second.secret))).status, 403);
  const history = (await done('GET', '/health/history', undefined, String(second.secret))).body.data;
  assert.ok(Array.isArray(history));
});
