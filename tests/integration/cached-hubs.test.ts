/**
 * Two whole hubs over one real Redis and one real PostgreSQL, in front of one real upstream: what one was answered, the other has; what is
 * taken out of one, or taken back, the other does not give; and when Redis hangs or dies, answers go on.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, beforeEach, describe, it } from 'node:test';
import { loadConfig } from '#config/index';
import { openHubAdmin, providerKinds } from '#hub/index';
import { sseEvents } from '../helpers/http-calls.ts';
import { temporaryFolder, waitFor } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';
import type { ProjectHub } from '../helpers/project-hubs.ts';
import { makeKeys, postgresTarget, startProjectHub } from '../helpers/project-hubs.ts';
import type { TestRedis } from '../helpers/redis.ts';
import { startRedis } from '../helpers/redis.ts';
import { forTheSuite } from '../helpers/suite.ts';
import { answers, gate, startUpstream, until } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';

/** What is looked up is kept for 30 s. */
const BEFORE_IT_IS_OLD_MS = 20_000;

let redis: TestRedis;
let databaseUrl: string;
let upstream: Upstream;
let one: ProjectHub;
let other: ProjectHub;
let key: string;
/** Of another project. */
let strangersKey: string;
let asked = 0;

interface Said {
  readonly text: string;
  readonly cache: string | null;
  readonly key: string | null;
}

async function chat(hub: ProjectHub, question: string, stream = false): Promise<Said> {
  const body = { model: 'm', stream, messages: [{ role: 'user', content: question }] };
  const response = await hub.ask(key, 'POST', '/v1/chat/completions', body);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  const answer = stream ? streamed(text) : JSON.parse(text).choices[0].message.content;
  return {
    text: answer,
    cache: response.headers.get('x-revoagent-cache'),
    key: response.headers.get('x-revoagent-cache-key'),
  };
}

function streamed(text: string): string {
  const events = sseEvents(text).map(({ data }) => data);
  assert.equal(events.at(-1), '[DONE]');
  const parts = events.slice(0, -1).map((data) => JSON.parse(data).choices[0]?.delta.content ?? '');
  return parts.join('');
}

describe('two hubs', () => {
  const suite = forTheSuite();
  before(async () => {
    redis = await startRedis();
    suite.after(() => redis.close());
    const postgres = await startPostgres();
    suite.after(() => postgres.close());
    const url = await postgres.createDatabase();
    databaseUrl = url;
    upstream = await startUpstream(suite);
    const keys = await makeKeys(postgresTarget(url), [1, 1]);
    [key, strangersKey] = keys.map(([secret]) => secret ?? assert.fail()) as [string, string];
    const config = {
      providers: { up: { kind: 'openai-compatible', baseUrl: upstream.baseUrl, apiKey: 'sk-test' } },
      routes: { m: { groups: [[{ provider: 'up', model: 'test-model' }]], cache: {} } },
      redis: { cacheUrl: redis.url },
      // Redis alone is between them.
      cache: { database: false },
    };
    one = await startProjectHub(suite, config, { url });
    other = await startProjectHub(suite, config, { url });
  });
  beforeEach(() => {
    upstream.received.length = 0;
    upstream.otherwise = (exchange) => answers(`number ${++asked}`)(exchange);
  });

  /** Of both hubs. */
  async function summed(series: RegExp): Promise<number> {
    const texts = [one, other].map(async (hub) => (await hub.ask(key, 'GET', '/metrics')).text());
    return [...(await Promise.all(texts)).join('\n').matchAll(series)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
  }

  /** Operations on Redis that it did not do in time, or was not asked for since. */
  const excuses = (): Promise<number> =>
    summed(/^revoagent_cache_operation_duration_seconds_count\{.*outcome="(?!ok").*\} (\d+)$/gm);
  const agentLists = (): Promise<number> =>
    summed(/^revoagent_query_duration_seconds_count\{.*query="agents.list".*\} (\d+)$/gm);

  /**
   * A hub waits 40 ms for Redis and then does without, and for a while after it missed that: what both share is seen where it was in
   * time. Each round needs new questions.
   */
  async function inTime(see: (round: number) => Promise<void>): Promise<void> {
    let unexcused = 0;
    for (let round = 1; ; round++) {
      const known = await excuses();
      try {
        return await see(round);
      } catch (thrown) {
        if ((await excuses()) === known) unexcused++;
        if (round === 20 || unexcused > 2) throw thrown;
      }
    }
  }

  it('ask the upstream once for the same, plain and streamed, at the same time', async () => {
    for (const stream of [false, true])
      await inTime(async (round) => {
        upstream.received.length = 0;
        const { opened, open } = gate();
        upstream.otherwise = async (exchange) => {
          await opened;
          await answers('The one answer.')(exchange);
        };
        const question = `together, ${stream}, ${round}`;
        const all = [one, other, one, other, one, other].map((hub) => chat(hub, question, stream));
        await until('it is asked', () => upstream.received.length > 0);
        open();
        const said = await Promise.all(all);
        assert.deepEqual(new Set(said.map(({ text }) => text)), new Set(['The one answer.']));
        assert.equal(upstream.received.length, 1);
        assert.equal(said.filter(({ cache }) => cache === 'miss').length, 1);
      });
  });

  it('give what the other was answered, plain and as a stream', async () => {
    await inTime(async (round) => {
      upstream.received.length = 0;
      const first = await chat(one, `kept ${round}`);
      for (const stream of [false, true])
        assert.deepEqual(await chat(other, `kept ${round}`, stream), { ...first, cache: 'hit' });
      assert.equal(upstream.received.length, 1);
    });
  });

  for (const [how, query] of [
    ['by its key', ({ key: its }: Said) => `key=${encodeURIComponent(its ?? '')}`],
    ['by its route', () => 'tag=route:m'],
    ['by its kind', () => 'prefix=chat:'],
    ['with everything', () => 'all=true'],
  ] as const)
    it(`give none that was taken out of the other ${how}`, async () => {
      await inTime(async (round) => {
        const question = `taken out ${how} ${round}`;
        const first = await chat(one, question);
        assert.equal((await chat(other, question)).cache, 'hit');
        const response = await one.ask(key, 'DELETE', `/api/cache?${query(first)}`);
        assert.equal(response.status, 200, await response.text());
        // The announcement is on its way for a moment.
        const anew = await waitFor(async () => {
          const said = await chat(other, question);
          return said.cache === 'hit' && said.text === first.text ? null : said;
        });
        assert.notEqual(anew.text, first.text);
        assert.equal((await chat(one, question)).text, anew.text);
      });
    });

  it('refuse a key as soon as it was taken back at the other', async () => {
    const made = await one.ask(key, 'POST', '/api/keys', { name: 'brief', scopes: ['read'] });
    const { secret, key: record } = JSON.parse(await made.text());
    const models = async (hub: ProjectHub): Promise<number> => {
      const response = await hub.ask(secret, 'GET', '/v1/models');
      await response.text();
      return response.status;
    };
    assert.deepEqual([await models(one), await models(other)], [200, 200]);
    const revoked = await one.ask(key, 'DELETE', `/api/keys/${record.id}`);
    assert.ok(revoked.ok);
    assert.equal(await models(one), 401);
    // Without the announcement it were good for 30 s: longer than this waits.
    await waitFor(async () => ((await models(other)) === 401 ? true : null), BEFORE_IT_IS_OLD_MS);
  });

  it('refuse a key as soon as it was taken back by a command where no hub runs', async (t) => {
    const folder = await temporaryFolder(t);
    const file = path.join(folder, 'revoagent.json');
    const storage = { url: databaseUrl, dataDir: folder };
    await writeFile(file, JSON.stringify({ storage, redis: { cacheUrl: redis.url } }));
    const admin = await openHubAdmin(loadConfig({ file, kinds: providerKinds, env: {} }).config);
    t.after(() => admin.close());
    assert.notEqual(admin.store, null, 'no hub was asked');
    // In their first second hubs ask the database again by themselves: the second key is taken back later than that.
    for (const name of ['first', 'second']) {
      const { id, secret } = await admin.createKey({ name, scopes: ['read'] });
      const status = async (hub: ProjectHub) => (await hub.ask(secret, 'GET', '/v1/models')).status;
      assert.deepEqual([await status(one), await status(other)], [200, 200]);
      assert.ok(await admin.revokeKey(id));
      for (const hub of [one, other])
        await waitFor(async () => ((await status(hub)) === 401 ? true : null), BEFORE_IT_IS_OLD_MS);
    }
  });

  it('list agents from memory, and as they are as soon as either changed one', async () => {
    const agent = { name: 'listed', instructions: 'Be brief.', model: 'm' };
    const read = async (hub: ProjectHub, at: string) => JSON.parse(await (await hub.ask(key, 'GET', at)).text());
    const listed = async (hub: ProjectHub): Promise<string[]> =>
      (await read(hub, '/api/agents')).data.map(
        ({ name, version }: { name: string; version: number }) => `${name} ${version}`,
      );
    const asModels = async (hub: ProjectHub): Promise<string[]> =>
      (await read(hub, '/v1/models')).data
        .map(({ id }: { id: string }) => id)
        .filter((id: string) => id.startsWith('agent:'));
    const soon = (hub: ProjectHub, wanted: string[]) =>
      // Without the announcement it were kept for 30 s: longer than this waits.
      waitFor(async () => ((await listed(hub)).join() === wanted.join() ? true : null), BEFORE_IT_IS_OLD_MS);
    assert.deepEqual([await listed(one), await listed(other), await asModels(one)], [[], [], []]);

    const made = await one.ask(key, 'POST', '/api/agents', agent);
    const { id } = JSON.parse(await made.text());
    assert.deepEqual([await listed(one), await asModels(one)], [['listed 1'], ['agent:listed']]);
    await soon(other, ['listed 1']);

    const known = await agentLists();
    for (let round = 0; round < 20; round++)
      assert.deepEqual(await listed(round % 2 === 0 ? one : other), ['listed 1']);
    assert.ok((await agentLists()) - known < 10, 'the database is not asked each time');

    await (await other.ask(key, 'PUT', `/api/agents/${id}`, { ...agent, instructions: 'Be kind.' })).text();
    assert.deepEqual(await listed(other), ['listed 2']);
    await soon(one, ['listed 2']);
    await (await one.ask(key, 'DELETE', `/api/agents/${id}`)).text();
    assert.deepEqual([await listed(one), await asModels(one)], [[], []]);
    await soon(other, []);
  });

  it('list to no project the agents of another', async () => {
    const agent = { name: 'ours', instructions: 'Be brief.', model: 'm' };
    assert.equal((await one.ask(key, 'POST', '/api/agents', agent)).status, 201);
    const names = async (secret: string): Promise<string[]> => {
      const { data } = JSON.parse(await (await one.ask(secret, 'GET', '/api/agents')).text());
      return data.map(({ name }: { name: string }) => name);
    };
    for (let round = 0; round < 2; round++)
      assert.deepEqual([await names(key), await names(strangersKey)], [['ours'], []]);
  });

  it('go on answering while Redis hangs, when it is killed, and share again when it is back', async () => {
    await chat(one, 'before');
    redis.stop();
    try {
      assert.match((await chat(one, 'hung')).text, /^number/);
      assert.match((await chat(other, 'hung', true)).text, /^number/);
      assert.equal((await chat(one, 'hung')).cache, 'hit', 'each has a memory of its own');
    } finally {
      redis.cont();
    }
    await redis.kill();
    assert.match((await chat(one, 'killed')).text, /^number/);
    assert.match((await chat(other, 'killed')).text, /^number/);
    await redis.restart();
    let round = 0;
    await waitFor(async () => {
      const question = `back ${++round}`;
      await chat(one, question);
      return (await chat(other, question)).cache === 'hit' ? true : null;
    }, 20_000);
  });
});
