/**
 * No answer of one project is ever given to another: a whole hub in front of upstreams that never say the same twice, asked by keys of two
 * projects for the same few things in every way there is, at the same time and after each other. Whoever is told a number owns it.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import fc from 'fast-check';
import { startNumbered } from '../helpers/numbered-upstream.ts';
import { startPostgres } from '../helpers/postgres.ts';
import type { ProjectHub } from '../helpers/project-hubs.ts';
import { makeKeys, postgresTarget, startProjectHub } from '../helpers/project-hubs.ts';
import { forTheSuite } from '../helpers/suite.ts';

const SEED = 20_260_101;
const RUNS = 12;

interface Told {
  readonly number: string;
  readonly cache: string | null;
  readonly key: string | null;
}

interface Ask {
  readonly project: 0 | 1;
  readonly key: 0 | 1;
  readonly way: keyof typeof WAYS;
  readonly question: string;
  readonly headers: Record<string, string>;
}

type Sent = readonly [method: string, at: string, body?: unknown];
const messages = (content: string): object => ({ messages: [{ role: 'user', content }] });

/** Each way to the same question; the number is somewhere in what comes back. */
const WAYS = {
  chat: (question: string): Sent => ['POST', '/v1/chat/completions', { model: 'm', ...messages(question) }],
  stream: (question: string): Sent => [
    'POST',
    '/v1/chat/completions',
    { model: 'm', stream: true, ...messages(question) },
  ],
  message: (question: string): Sent => ['POST', '/v1/messages', { model: 'm', max_tokens: 9, ...messages(question) }],
  response: (question: string): Sent => ['POST', '/v1/responses', { model: 'm', input: question }],
  hub: (question: string): Sent => ['POST', '/api/chat', { model: 'm', ...messages(question) }],
  agent: (question: string): Sent => ['POST', '/v1/chat/completions', { model: 'agent:same', ...messages(question) }],
  embedding: (question: string): Sent => ['POST', '/v1/embeddings', { model: 'm', input: question }],
  external: (question: string): Sent => ['GET', `/api/external/api/${question}`],
};

const asks: fc.Arbitrary<Ask> = fc.record({
  project: fc.constantFrom(0, 1),
  key: fc.constantFrom(0, 1),
  way: fc.constantFrom(...(Object.keys(WAYS) as Ask['way'][])),
  question: fc.constantFrom('one', 'two'),
  headers: fc.constantFrom<Record<string, string>>(
    {},
    {},
    {},
    { 'x-revoagent-cache': 'on' },
    { 'x-revoagent-cache': 'off' },
    { 'cache-control': 'no-cache' },
    { 'cache-control': 'no-store' },
    { 'cache-control': 'max-age=1' },
    { 'x-request-id': 'the-same' },
  ),
});

describe('the cache of a hub with two projects', () => {
  const suite = forTheSuite();
  let hub: ProjectHub;
  let keys: string[][];

  before(async () => {
    const upstream = await startNumbered(suite);
    const postgres = await startPostgres();
    suite.after(() => postgres.close());
    keys = await makeKeys(postgresTarget(postgres.url), [2, 2]);
    const config = {
      providers: { up: { kind: 'openai-compatible', baseUrl: upstream.url } },
      routes: { m: { groups: [[{ provider: 'up', model: 'test-model' }]], cache: {} } },
      external: { api: { baseUrl: upstream.url, cache: { staleOnErrorMs: 60_000 } } },
    };
    hub = await startProjectHub(suite, config, { url: postgres.url });
    for (const [key = ''] of keys) {
      const agent = { name: 'same', instructions: 'Answer with a number.', model: 'm' };
      assert.equal((await hub.ask(key, 'POST', '/api/agents', agent)).status, 201);
    }
  });

  async function told({ project, key, way, question, headers }: Ask): Promise<Told> {
    const [method, at, body] = WAYS[way](question);
    const response = await hub.ask(keys[project]?.[key] ?? '', method, at, body, headers);
    const text = await response.text();
    const number = /<(\d+)>|\[(\d+),0\.5\]/.exec(text);
    assert.ok(response.ok && number !== null, `${way}: ${response.status} ${text}`);
    return {
      number: number[1] ?? number[2] ?? '',
      cache: response.headers.get('x-revoagent-cache'),
      key: response.headers.get('x-revoagent-cache-key'),
    };
  }

  it(`tells each of them its own alone, however they ask (--seed ${SEED})`, async () => {
    const owner = new Map<string, number>();
    const kept = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(fc.array(asks, { minLength: 8, maxLength: 20 }), async (all) => {
        const half = all.length >> 1;
        for (const together of [all.slice(0, half), all.slice(half)]) {
          const numbers = await Promise.all(together.map(told));
          for (const [place, ask] of together.entries()) {
            const { number = '', cache = null } = numbers[place] ?? {};
            assert.equal(
              owner.get(number) ?? ask.project,
              ask.project,
              `${ask.way} told a number of the other project`,
            );
            owner.set(number, ask.project);
            if (cache === 'hit' || cache === 'shared') kept.set(ask.way, (kept.get(ask.way) ?? 0) + 1);
          }
        }
      }),
      { seed: SEED, numRuns: RUNS },
    );
    // Or there was nothing that could have gone to the wrong one.
    assert.deepEqual([...kept.keys()].toSorted(), [
      'chat',
      'embedding',
      'external',
      'hub',
      'message',
      'response',
      'stream',
    ]);
    assert.ok(owner.size > 20 && new Set(owner.values()).size === 2);
  });

  it('is emptied by an administrator for his own project, whatever he names', async () => {
    const ask: Ask = { project: 0, key: 0, way: 'chat', question: 'mine', headers: {} };
    const mine = await told(ask);
    const theirs = await told({ ...ask, project: 1 });
    assert.notEqual(mine.number, theirs.number);
    assert.notEqual(mine.key, theirs.key);
    const remove = async (project: number, query: string): Promise<void> => {
      const response = await hub.ask(keys[project]?.[0] ?? '', 'DELETE', `/api/cache?${query}`);
      assert.equal(response.status, 200, await response.text());
    };
    const byKey = `key=${encodeURIComponent(mine.key ?? '')}`;
    for (const query of [byKey, 'tag=route:m', 'prefix=chat:', 'all=true']) {
      await remove(1, query);
      assert.deepEqual(await told(ask), { ...mine, cache: 'hit' }, query);
    }
    for (const query of [byKey, 'tag=route:m', 'prefix=chat:', 'all=true']) {
      const first = await told(ask);
      await remove(0, query);
      const second = await told(ask);
      assert.deepEqual([second.cache, second.number === first.number], ['miss', false], query);
    }
  });
});
