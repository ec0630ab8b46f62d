/**
 * The memory of a started hub, over a real PostgreSQL and a model that gives embeddings: either is killed or hangs, callers are told in
 * time or served by words, and both are met again without anybody's help.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { startHubHere } from '../helpers/hub-here.ts';
import type { HubHere } from '../helpers/hub-here.ts';
import { startHubProcess, waitFor } from '../helpers/hub-process.ts';
import type { HubProcess } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';
import type { TestPostgres } from '../helpers/postgres.ts';
import { forTheSuite } from '../helpers/suite.ts';
import { json, neverAnswers, refuses, startUpstream } from '../helpers/upstream.ts';
import type { Behaviour, Upstream } from '../helpers/upstream.ts';

/** Nobody waits longer, with the memory's deadline at two seconds. */
const HANG_BOUND_MS = 15_000;
const NONE = 'mem_00000000000000000000000000';

/** Texts about cats lie in one direction, all others in another. */
const meanings: Behaviour = ({ received: { body }, response }) => {
  const input: unknown[] = Array.isArray(body['input']) ? body['input'] : [body['input']];
  const data = input.map((text, index) => {
    const embedding = /cat|feline|kitten/i.test(String(text)) ? [1, 0.1] : [0.1, 1];
    return { object: 'embedding', index, embedding };
  });
  json(response, 200, { object: 'list', data, model: body['model'], usage: { prompt_tokens: 1, total_tokens: 1 } });
};

async function ask(hub: Pick<HubProcess, 'url'>, method: string, at: string, body?: object): Promise<[number, string]> {
  const response = await fetch(`${hub.url}${at}`, {
    method,
    headers: { 'content-type': 'application/json' },
    signal: AbortSignal.timeout(HANG_BOUND_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return [response.status, await response.text()];
}

const everyOperation = (hub: HubProcess): Promise<[number, string]>[] => [
  ask(hub, 'POST', '/api/memories', { text: 'kept meanwhile' }),
  ask(hub, 'GET', '/api/memories'),
  ask(hub, 'GET', '/api/memories/search?q=fact'),
  ask(hub, 'GET', `/api/memories/${NONE}`),
  ask(hub, 'DELETE', `/api/memories/${NONE}`),
];

describe('the memory of a hub whose database goes away and comes back', () => {
  const suite = forTheSuite();
  let postgres: TestPostgres;
  let hub: HubProcess;
  before(async () => {
    postgres = await startPostgres();
    suite.after(() => postgres.close());
    const config = { storage: { url: postgres.url }, memory: { timeoutMs: 2_000 }, server: { shutdownGraceMs: 0 } };
    hub = await startHubProcess(suite, { config });
    // One hub for both outages, as one has them in production; and it ends well after both.
    suite.after(async () => assert.equal(await hub.end('SIGTERM'), 0, hub.output()));
  });

  async function recovers(away: () => unknown, back: () => unknown): Promise<void> {
    assert.equal((await ask(hub, 'POST', '/api/memories', { text: 'a fact from before' }))[0], 201);
    await away();
    for (const [status, text] of await Promise.all([...everyOperation(hub), ...everyOperation(hub)])) {
      assert.equal(status, 503, text);
      assert.match(text, /"code":"memory_unavailable"/);
    }
    assert.equal((await ask(hub, 'GET', '/health/ready'))[0], 200, 'an instance that can serve stays in the balancer');
    await waitFor(async () => {
      const [, text] = await ask(hub, 'GET', '/health');
      const { checks }: { checks: { name: string; status: string }[] } = JSON.parse(text);
      return checks.find(({ name }) => name === 'memory')?.status === 'degraded' ? true : null;
    });
    assert.match((await ask(hub, 'GET', '/api/circuit-breakers/memory'))[1], /"state":"(?:open|half_open)"/);
    await back();
    const found = await waitFor(
      async () => {
        const [status, text] = await ask(hub, 'GET', '/api/memories/search?q=fact');
        return status === 200 ? text : null;
      },
      60_000,
      hub.output,
    );
    assert.match(found, /a fact from before/);
    await waitFor(async () =>
      /"state":"closed"/.test((await ask(hub, 'GET', '/api/circuit-breakers/memory'))[1]) ? true : null,
    );
  }

  it('killed: 503 memory_unavailable in time, ready all the while, and there again by itself', () =>
    recovers(
      () => postgres.kill(),
      () => postgres.restart(),
    ));

  it('hung: 503 memory_unavailable in time, ready all the while, and there again by itself', () =>
    recovers(
      () => postgres.stop(),
      () => postgres.cont(),
    ));
});

describe('the memory of a hub with an embedding model', () => {
  const suite = forTheSuite();
  let postgres: TestPostgres;
  before(async () => {
    postgres = await startPostgres();
    suite.after(() => postgres.close());
  });

  async function start(): Promise<{ hub: HubHere; model: Upstream }> {
    const model = await startUpstream(suite);
    model.otherwise = meanings;
    const storage = { url: await postgres.createDatabase() };
    const providers = { test: { kind: 'openai-compatible', baseUrl: model.baseUrl, apiKey: 'sk-test' } };
    const memory = { embeddingModel: 'test/embedding', timeoutMs: 2_000 };
    const resilience = { retry: { retries: 0 }, breaker: { failures: 1_000 } };
    return { hub: await startHubHere(suite, { config: { storage, providers, memory, resilience } }), model };
  }
  const found = async (hub: HubHere, question: string): Promise<string[]> => {
    const [status, text] = await ask(hub, 'GET', `/api/memories/search?q=${encodeURIComponent(question)}`);
    assert.equal(status, 200, text);
    const { data }: { data: { text: string }[] } = JSON.parse(text);
    return data.map((each) => each.text);
  };
  const keep = async (hub: HubHere, text: string): Promise<void> =>
    assert.equal((await ask(hub, 'POST', '/api/memories', { text }))[0], 201);

  it('finds a fact that shares no word with the question, and each embedding is a run', async () => {
    const { hub, model } = await start();
    await keep(hub, 'Anna has a cat');
    await keep(hub, 'Berlin is wet');
    assert.deepEqual(await found(hub, 'feline'), ['Anna has a cat', 'Berlin is wet']);
    assert.deepEqual(
      model.received.map(({ path, body }) => [path, body['model'], body['input']]),
      [
        ['/v1/embeddings', 'embedding', ['Anna has a cat']],
        ['/v1/embeddings', 'embedding', ['Berlin is wet']],
        ['/v1/embeddings', 'embedding', ['feline']],
      ],
    );
    assert.equal((await ask(hub, 'GET', '/api/runs'))[1].match(/"requestedModel":"test\/embedding"/g)?.length, 3);
  });

  for (const [what, behaviour] of [
    ['refuses', refuses(500)],
    ['hangs', neverAnswers],
  ] as const)
    it(`that ${what}: facts are kept and found by words, counted, and by meaning again when it is back`, async () => {
      const { hub, model } = await start();
      await keep(hub, 'Anna has a cat');
      model.otherwise = behaviour;
      await keep(hub, 'Berlin is wet');
      assert.deepEqual(await found(hub, 'wet'), ['Berlin is wet']);
      assert.deepEqual(await found(hub, 'feline'), []);
      const [, metrics] = await ask(hub, 'GET', '/metrics');
      assert.match(metrics, /^revoagent_memory_without_vector_total\{operation="remember"\} 1$/m);
      assert.match(metrics, /^revoagent_memory_without_vector_total\{operation="recall"\} 2$/m);
      model.otherwise = meanings;
      assert.deepEqual(await found(hub, 'feline'), ['Anna has a cat']);
    });
});
