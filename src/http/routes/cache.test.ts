/** `GET` and `DELETE /api/cache`: who may, what reaches the cache, and what is written down. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { UnavailableError } from '#core/errors';
import type { CacheTarget } from '#contract/cache-control';
import type { Scope } from '#contract/gateway';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import { startHttpHub } from '../../../tests/helpers/http-hub.ts';
import type { HttpHub, Script } from '../../../tests/helpers/http-hub.ts';

interface Scene {
  readonly hub: HttpHub;
  readonly invalidated: [string, CacheTarget][];
  ask(method: string, query?: string, scope?: Scope): Promise<{ status: number; body: Record<string, unknown> }>;
}

async function start(t: TestContext, deps: Script['deps'] = {}): Promise<Scene> {
  const invalidated: [string, CacheTarget][] = [];
  const figures = { hits: 5, misses: 3, shared: 2, staleServed: 1, evictions: 4, entries: 6, bytes: 700 };
  const cache = {
    invalidate: async (projectId: string, target: CacheTarget) => void invalidated.push([projectId, target]),
    report: () => ({ ...figures, bytesMax: 1_000, tiers: [{ name: 'redis', breaker: 'provider:openai/gpt-4o-mini' }] }),
  };
  const hub = await startHttpHub(t, { deps: { cache, ...deps } });
  return {
    hub,
    invalidated,
    async ask(method, query = '', scope = 'admin') {
      const headers = { authorization: `Bearer ${hub.keys[scope]}` };
      const response = await fetch(`${hub.url}/api/cache${query}`, { method, headers });
      return { status: response.status, body: JSON.parse(await response.text()) };
    },
  };
}

describe('GET /api/cache', () => {
  it('200: tells the figures of this instance and the tiers with their circuits', async (t) => {
    const { ask } = await start(t);
    assert.deepEqual(await ask('GET', '', 'read'), {
      status: 200,
      body: {
        memory: { entries: 6, bytes: 700, bytesMax: 1_000, evictions: 4 },
        lookups: { memory: 5, beneath: 3, shared: 2, stale: 1 },
        tiers: [{ name: 'redis', breaker: { key: 'provider:openai/gpt-4o-mini', state: 'closed' } }],
      },
    });
  });

  it('403: a key that may only chat', async (t) => {
    const { ask } = await start(t);
    assert.equal((await ask('GET', '', 'chat')).status, 403);
  });
});

describe('DELETE /api/cache', () => {
  it('200: by key, tag, prefix or all, of the key’s own project, and written down', async (t) => {
    const { hub, ask, invalidated } = await start(t);
    const cases: [string, CacheTarget, string][] = [
      ['?key=chat:abc', { key: 'chat:abc' }, 'key chat:abc'],
      ['?tag=route:openai%252Fgpt-4o', { tag: 'route:openai%2Fgpt-4o' }, 'tag route:openai%2Fgpt-4o'],
      ['?tag=external:github', { tag: 'external:github' }, 'tag external:github'],
      ['?prefix=embedding:', { prefix: 'embedding:' }, 'prefix embedding:'],
      ['?all=true', { all: true }, 'all'],
    ];
    for (const [query, , subject] of cases)
      assert.deepEqual(await ask('DELETE', query), { status: 200, body: { invalidated: subject, audited: true } });
    assert.deepEqual(
      invalidated,
      cases.map(([, target]) => [DEFAULT_PROJECT_ID, target]),
    );
    assert.deepEqual(
      hub.audit.map(({ action, actor, subject, projectId }) => [action, actor, subject, projectId]),
      cases.map(([, , subject]) => ['cache-invalidated', 'key_admin', subject, DEFAULT_PROJECT_ID]),
    );
  });

  it('200: done, and said to be in the log alone, where the database is away', async (t) => {
    const away = (): Promise<never> => Promise.reject(new UnavailableError('database_unavailable', 'Away.'));
    const { hub, ask, invalidated } = await start(t, { audit: { append: away, list: away, purge: away } });
    assert.deepEqual((await ask('DELETE', '?all=true')).body, { invalidated: 'all', audited: false });
    assert.equal(invalidated.length, 1);
    assert.ok(hub.log.some((entry) => entry.includes('audit-failed') && entry.includes('cache-invalidated')));
  });

  it('400: nothing, two at once, a tag or prefix that no answer has, a name that is none', async (t) => {
    const { hub, ask, invalidated } = await start(t);
    for (const [query, param] of [
      ['', 'query'],
      ['?key=chat:a&all=true', 'query'],
      ['?tag=project:prj_other', 'tag'],
      ['?tag=all', 'tag'],
      ['?prefix=prj_other/chat:', 'prefix'],
      ['?prefix=chat', 'prefix'],
      ['?key=', 'key'],
      ['?key=chat:%00', 'key'],
      ['?tag=route:%00', 'tag'],
      [`?key=${'x'.repeat(513)}`, 'key'],
      ['?all=yes', 'all'],
      ['?everything=true', 'everything'],
    ] as const) {
      const { status, body } = await ask('DELETE', query);
      assert.deepEqual([status, body['param']], [400, param], query);
    }
    assert.deepEqual([invalidated, hub.audit], [[], []]);
  });

  it('401 and 403: nobody, and no key that is no administrator’s', async (t) => {
    const { hub, ask, invalidated } = await start(t);
    assert.equal((await fetch(`${hub.url}/api/cache?all=true`, { method: 'DELETE' })).status, 401);
    for (const scope of ['chat', 'read', 'external'] as const)
      assert.equal((await ask('DELETE', '?all=true', scope)).status, 403);
    assert.deepEqual(invalidated, []);
  });
});
