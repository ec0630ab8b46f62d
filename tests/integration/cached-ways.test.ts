/**
 * What a whole hub keeps, in the ways that callers take it besides plain HTTP: in fewer bytes, over a WebSocket, and as a step of an agent.
 */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { before, beforeEach, describe, it } from 'node:test';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { temporaryFolder } from '../helpers/hub-process.ts';
import type { ProjectHub } from '../helpers/project-hubs.ts';
import { makeKeys, startProjectHub } from '../helpers/project-hubs.ts';
import { readyDatabase } from '../helpers/ready-database.ts';
import { ended, opened } from '../helpers/socket-client.ts';
import type { Told } from '../helpers/socket-client.ts';
import { forTheSuite } from '../helpers/suite.ts';
import { answers, startUpstream } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';

const DECODERS = { zstd: zstdDecompressSync, br: brotliDecompressSync, gzip: gunzipSync } as const;
type Encoding = keyof typeof DECODERS;

/** In a URL it is longer than any tag of a cache. */
const LONG_NAME = '模'.repeat(200);

/** Takes milliseconds to compress. */
const LONG = Array.from({ length: 10_000 }, (_, index) => `word ${index * 7919}`).join(' ');

describe('what a hub keeps', () => {
  const suite = forTheSuite();
  let upstream: Upstream;
  let hub: ProjectHub;
  let key: string;
  let asked = 0;

  before(async () => {
    upstream = await startUpstream(suite);
    upstream.models = Array.from({ length: 3_000 }, (_, index) => `model-${index * 7919}`);
    const dataDir = await temporaryFolder(suite);
    await readyDatabase(dataDir);
    const [[made] = []] = await makeKeys({ kind: 'embedded', dataDir, queryTimeoutMs: 10_000 }, [1]);
    key = made ?? assert.fail();
    const config = {
      // Beside other tests forty callers at once may be more than is answered in time: that has tests of its own.
      server: { port: 0, shutdownGraceMs: 0, loadShedding: { enabled: false } },
      providers: { up: { kind: 'openai-compatible', baseUrl: upstream.baseUrl, apiKey: 'sk-test' } },
      routes: {
        m: { groups: [[{ provider: 'up', model: 'test-model' }]], cache: {} },
        [LONG_NAME]: { groups: [[{ provider: 'up', model: 'test-model' }]], cache: {} },
        'up/*': { groups: [[{ provider: 'up' }]] },
      },
      external: { api: { baseUrl: upstream.baseUrl, cache: {} } },
    };
    hub = await startProjectHub(suite, config, { dataDir });
    for (let number = 0; number < 20; number++) {
      const agent = { name: `agent-${number}`, instructions: LONG.slice(number, number + 8_000), model: 'm' };
      const created = await hub.ask(key, 'POST', '/api/agents', agent);
      assert.equal(created.status, 201, await created.text());
    }
  });
  beforeEach(() => {
    upstream.received.length = 0;
    upstream.otherwise = (exchange) => answers(`number ${++asked}`)(exchange);
  });

  interface Got {
    readonly response: IncomingMessage;
    readonly bytes: Buffer;
  }

  /** `fetch` would decode by itself. */
  function take(at: string, accepts: string | undefined, body?: object): Promise<Got> {
    const headers = {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      ...(accepts !== undefined && { 'accept-encoding': accepts }),
    };
    return new Promise((resolve, reject) => {
      const method = body === undefined ? 'GET' : 'POST';
      const sent = request(hub.url + at, { method, headers }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => resolve({ response, bytes: Buffer.concat(parts) }));
      });
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  const question = (content: string, stream = false) => ({ model: 'm', stream, messages: [{ role: 'user', content }] });

  for (const [what, at, body] of [
    ['a completion', '/v1/chat/completions', question('What is long?')],
    ['models', '/v1/models', undefined],
    ['agents', '/api/agents', undefined],
    ['an answer of an external API', '/api/external/api/models', undefined],
  ] as const)
    it(`${what}: comes in each encoding as the same bytes, made once for any number who ask`, async () => {
      upstream.otherwise = answers(LONG);
      await take(at, undefined, body);
      const plain = await take(at, undefined, body);
      assert.ok(plain.bytes.length > 40_000, String(plain.bytes.length));
      assert.match(plain.response.headers.vary ?? '', /(^|, )accept-encoding$/);
      for (const encoding of Object.keys(DECODERS) as Encoding[]) {
        const once = await take(at, encoding, body);
        assert.ok(DECODERS[encoding](once.bytes).equals(plain.bytes));
        // Were each made anew, most would find no place to be made in, and come as they are.
        const all = await Promise.all(Array.from({ length: 40 }, () => take(at, encoding, body)));
        for (const { response, bytes } of all) {
          const { vary, 'content-encoding': encoded, 'content-length': length, etag } = response.headers;
          assert.deepEqual([encoded, length, vary], [encoding, String(bytes.length), plain.response.headers.vary]);
          assert.equal(etag, plain.response.headers.etag);
          assert.ok(bytes.equals(once.bytes));
        }
      }
      assert.ok(upstream.received.length <= 1, 'the rest is kept');
    });

  it('is taken out by the tag of its route, however long the name', async () => {
    for (const model of ['m', LONG_NAME]) {
      const told = async (): Promise<unknown> => {
        const { response } = await take('/v1/chat/completions', undefined, {
          ...question('What is taken out?'),
          model,
        });
        return response.headers['x-revoagent-cache'];
      };
      const twice = [await told(), await told()];
      const tag = encodeURIComponent(`route:${encodeURIComponent(model)}`);
      const answer = await hub.ask(key, 'DELETE', `/api/cache?tag=${tag}`);
      assert.equal(answer.status, 200, await answer.text());
      assert.deepEqual([...twice, await told()], ['miss', 'hit', 'miss']);
    }
  });

  for (const [what, at, body] of [
    ['a chat', '/v1/chat/completions', question('What is asked on and on?')],
    ['a stream', '/v1/chat/completions', question('What is streamed on and on?', true)],
    ['a message', '/v1/messages', { ...question('What is said on and on?'), max_tokens: 10 }],
    ['a response', '/v1/responses', { model: 'm', input: [{ role: 'user', content: 'What is told on and on?' }] }],
  ] as const)
    it(`${what} that is asked again and again is the same, and asks the upstream the same when it is taken out`, async () => {
      for (let round = 0; round < 2; round++) {
        const statuses: unknown[] = [];
        const texts = new Set<string>();
        for (let time = 0; time < 6; time++) {
          const { response, bytes } = await take(at, undefined, body);
          assert.equal(response.statusCode, 200, bytes.toString());
          statuses.push(response.headers['x-revoagent-cache']);
          const said = [...bytes.toString().matchAll(/"(?:content|text)":"([^"]*)"/g)].map(([, part]) => part).join('');
          texts.add(/number \d+/.exec(said)?.[0] ?? assert.fail(bytes.toString()));
        }
        assert.deepEqual(statuses, ['miss', 'hit', 'hit', 'hit', 'hit', 'hit']);
        assert.equal(texts.size, 1);
        assert.equal((await hub.ask(key, 'DELETE', '/api/cache?tag=route%3Am')).status, 200);
      }
      const [first, second, ...more] = upstream.received.map((exchange) => exchange.body);
      assert.deepEqual(more, []);
      assert.ok(first !== undefined);
      assert.deepEqual(second, first);
    });

  it('a stream out of a kept answer is not compressed', async () => {
    upstream.otherwise = answers(LONG);
    await take('/v1/chat/completions', 'gzip', question('What is streamed?'));
    const { response, bytes } = await take(
      '/v1/chat/completions',
      'gzip, br, zstd',
      question('What is streamed?', true),
    );
    assert.deepEqual([response.headers['x-revoagent-cache'], response.headers['content-encoding']], ['hit', undefined]);
    assert.match(bytes.toString(), /data: \[DONE\]/);
  });

  it('is given over a WebSocket to who asks what another asked by HTTP, and the other way round', async (t) => {
    const socket = await opened(t, hub, { headers: { authorization: `Bearer ${key}` } });
    const chat = async (id: string, content: string): Promise<{ start: Told; text: string }> => {
      const { stream: _, ...asking } = question(content);
      socket.send({ type: 'chat', id, request: asking });
      assert.equal((await ended(socket, id)).type, 'end');
      const start = socket.of(id).find(({ type }) => type === 'start') ?? assert.fail();
      return {
        start,
        text: socket
          .of(id)
          .map(({ text = '' }) => text)
          .join(''),
      };
    };
    const http = async (content: string) =>
      JSON.parse((await take('/v1/chat/completions', undefined, question(content))).bytes.toString());

    const said: string = (await http('by HTTP')).choices[0].message.content;
    const hit = await chat('a', 'by HTTP');
    assert.partialDeepStrictEqual(hit.start, { cache: { status: 'hit' }, provider: 'up' });
    assert.equal(hit.text, said);

    const miss = await chat('b', 'by socket');
    assert.partialDeepStrictEqual(miss.start, { cache: { status: 'miss' } });
    assert.equal((await http('by socket')).choices[0].message.content, miss.text);
    assert.equal(upstream.received.length, 2);

    socket.send({
      type: 'chat',
      id: 'c',
      form: 'openai',
      request: question('by socket'),
      preferences: { cache: { use: false } },
    });
    await ended(socket, 'c');
    assert.equal(upstream.received.length, 3, 'who does not want it has it made');
  });

  it('stands for a step of an agent whose turn asks the model the same, and the step costs nothing', async () => {
    const { data } = JSON.parse((await take('/api/agents?namePrefix=agent-7', undefined)).bytes.toString());
    const turn = async (prompt: string) => {
      const { response, bytes } = await take(`/api/agents/${data[0].id}/chat`, undefined, { prompt });
      assert.equal(response.statusCode, 200, bytes.toString());
      return JSON.parse(bytes.toString());
    };
    const first = await turn('What now?');
    const second = await turn('What now?');
    assert.equal(second.text, first.text);
    assert.equal(upstream.received.length, 1);
    assert.notDeepEqual(second.runIds, first.runIds);
    const run = JSON.parse((await take(`/api/runs/${second.runIds[0]}`, undefined)).bytes.toString());
    assert.partialDeepStrictEqual(run, {
      status: 'succeeded',
      attempts: [],
      answered: { by: 'hit', runId: first.runIds[0] },
    });
    assert.notEqual((await turn('And now?')).text, first.text);
    assert.equal(upstream.received.length, 2);
  });
});
