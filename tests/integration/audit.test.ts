/** Every act of an administrator on a started hub is in the audit, by whom and on what; it is read page by page, found, and by admins alone. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { it } from 'node:test';
import { operations } from '#http/routes/index';
import { startHubProcess, waitFor } from '../helpers/hub-process.ts';
import type { HubProcess } from '../helpers/hub-process.ts';

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
  setKeyLimits: 'key-limits-set',
  setProjectLimits: 'project-limits-set',
};
/** Of callers and of the process itself. */
const OTHERS = [
  'agent-created',
  'agent-changed',
  'agent-deleted',
  'content-erased',
  'config-reloaded',
  'config-refused',
];

/** Calls with a key; what is refused fails the test, unless a status is expected. */
class Asker {
  readonly #url: string;
  key = '';

  constructor(url: string) {
    this.#url = url;
  }

  async ask(method: string, path: string, body?: object) {
    const headers = {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(this.key === '' ? {} : { authorization: `Bearer ${this.key}` }),
    };
    const init = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await fetch(this.#url + path, { method, headers, ...init });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: text === '' ? {} : JSON.parse(text) };
  }

  async done(method: string, path: string, body?: object) {
    const answer = await this.ask(method, path, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer;
  }

  async find(query: string): Promise<Entry[]> {
    return (await this.done('GET', `/api/audit?${query}`)).body.data;
  }

  /** All of it, three entries a page. */
  async audit(): Promise<Entry[]> {
    const entries: Entry[] = [];
    for (let before: string | null = ''; before !== null;) {
      const { body } = await this.done('GET', `/api/audit?limit=3${before === '' ? '' : `&before=${before}`}`);
      entries.push(...body.data);
      before = body.nextBefore;
    }
    return entries;
  }
}

async function actOnEverything(admin: Asker, hub: HubProcess): Promise<void> {
  const chat = { model: 'simulator/chat', messages: [{ role: 'user', content: 'Hello' }] };
  const { headers } = await admin.done('POST', '/v1/chat/completions', chat);
  await admin.done('DELETE', `/api/runs/${headers.get('x-revoagent-run')}/content`);
  await admin.done('DELETE', '/api/cache?all=true');
  const listed: { key: string }[] = (await admin.done('GET', '/api/circuit-breakers')).body.data;
  const key = listed.find((each) => each.key.startsWith('provider:'))?.key ?? assert.fail('no provider has a circuit');
  for (const act of ['force-open', 'close', 'reset'])
    await admin.done('POST', `/api/circuit-breakers/${encodeURIComponent(key)}/${act}`, { reason: 'a drill' });
  const agent = { name: 'helper', instructions: 'Help.', model: 'simulator/chat' };
  const { id } = (await admin.done('POST', '/api/agents', agent)).body;
  await admin.done('PUT', `/api/agents/${String(id)}`, { ...agent, instructions: 'Help more.' });
  await admin.done('DELETE', `/api/agents/${String(id)}`);
  const config = JSON.parse(readFileSync(hub.configFile, 'utf8'));
  writeFileSync(hub.configFile, JSON.stringify({ ...config, logging: { level: 'warn' } }));
  hub.process.kill('SIGHUP');
  await waitFor(async () => ((await admin.find('action=config-reloaded')).length > 0 ? true : undefined));
  writeFileSync(hub.configFile, JSON.stringify({ ...config, routs: {} }));
  hub.process.kill('SIGHUP');
  await waitFor(async () => ((await admin.find('action=config-refused')).length > 0 ? true : undefined));
}

it('every act of an administrator is in the audit, which admins alone may read', async (t) => {
  const hub = await startHubProcess(t, {
    config: {
      providers: { simulator: { kind: 'simulator' } },
      routes: { '*': { groups: [[{ provider: 'simulator' }]], content: 'full' } },
    },
  });
  const admin = new Asker(hub.url);
  const newKey = async (...scopes: string[]): Promise<{ key: { id: string }; secret: string }> =>
    (await admin.done('POST', '/api/keys', { name: 'somebody', scopes })).body;
  admin.key = (await newKey('chat', 'read', 'admin')).secret;
  const revoked = (await newKey('read')).key.id;
  await admin.done('PUT', `/api/keys/${revoked}/limits`, { requestsPerMinute: 5 });
  await admin.done('PUT', '/api/limits', { requestsPerMinute: 5_000 });
  await actOnEverything(admin, hub);
  await admin.done('DELETE', `/api/keys/${revoked}`);

  const entries = await admin.audit();
  assert.equal(new Set(entries.map(({ id }) => id)).size, entries.length);
  const actions = new Set(entries.map(({ action }) => action));
  for (const action of [...Object.values(ACTS), ...OTHERS])
    assert.ok(actions.has(action), `${action} is not among ${[...actions].join(', ')}`);
  assert.deepEqual(
    (await admin.find('action=key-revoked')).map(({ subject }) => subject),
    [revoked],
  );
  assert.deepEqual(
    (await admin.find('actor=config')).map(({ action }) => action),
    ['config-refused', 'config-reloaded'],
  );
  const byKey = entries.filter(({ actor }) => actor.startsWith('key_'));
  assert.ok(byKey.length >= 8 && new Set(byKey.map(({ actor }) => actor)).size === 1);
  assert.doesNotMatch(JSON.stringify(entries), new RegExp(admin.key));

  const reader = new Asker(hub.url);
  reader.key = (await newKey('chat', 'read')).secret;
  assert.equal((await reader.ask('GET', '/api/audit')).status, 403);
  const changes: { to: string }[] = (await reader.done('GET', '/health/history')).body.data;
  assert.ok(Array.isArray(changes));
});

it('every operation that only an administrator may use and that changes something is an act with a name', () => {
  const acting = operations.filter(
    ({ method, access }) => method !== 'GET' && Array.isArray(access) && access.length === 1 && access[0] === 'admin',
  );
  const ids = acting.map(({ id }) => id).filter((id) => !id.endsWith('Agent'));
  assert.deepEqual(ids.toSorted(), Object.keys(ACTS).toSorted());
});
