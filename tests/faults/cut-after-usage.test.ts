/**
 * Upstreams that say what they used before the answer is at its end, and then fail: the hub asked for that event and keeps it to itself,
 * and the failure after it is told as any other. Seen by callers of each API, in the run, and by the next caller of a cached route.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { post, sseEvents } from '../helpers/http-calls.ts';
import { startHttpHub } from '../helpers/http-hub.ts';
import { event, gate, startUpstream, streams, until } from '../helpers/upstream.ts';
import type { Behaviour, StreamScript, Upstream } from '../helpers/upstream.ts';
import { continued, read } from './continued.ts';
import { rateLimited } from './faults.ts';
import { startBench } from './harness.ts';
import type { Bench } from './harness.ts';
import { untilStalled } from './told.ts';

const USED = event({
  id: 'chatcmpl-test',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'test-model',
  choices: [],
  usage: { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 },
});

interface Failing {
  readonly name: string;
  readonly ending?: StreamScript['ending'];
  /** Sent after the usage. */
  readonly sends?: string;
  readonly code: string;
  readonly openAiCode?: string;
  readonly outcome: string;
}

const FAILING: readonly Failing[] = [
  { name: 'is cut', ending: 'cut', code: 'upstream_cut', outcome: 'cut' },
  { name: 'says that it is done', ending: 'unfinished', code: 'upstream_cut', outcome: 'cut' },
  { name: 'stalls', ending: 'stall', code: 'upstream_timeout', outcome: 'timeout_idle' },
  {
    name: 'reports an error',
    sends: event({ error: rateLimited }),
    code: 'upstream_rate_limited',
    openAiCode: 'rate_limit_exceeded',
    outcome: 'reported',
  },
  {
    name: 'sends what is no event',
    sends: 'data: {"id": "x", "choi\n\n',
    code: 'upstream_malformed',
    outcome: 'malformed',
  },
];

/** "The dose is not", what was used (more than once, as some servers say it), and the failure. `opened`: waited for before the usage. */
function fails({ ending, sends }: Failing, opened: Promise<void> = Promise.resolve()): Behaviour {
  const parts = ['The dose is', ' not', USED, USED, ...(sends === undefined ? [] : [sends])];
  const raw = Object.fromEntries(parts.entries().filter(([, part]) => part.startsWith('data:')));
  return streams(parts, { raw, gates: { 2: opened }, ...(ending !== undefined && { ending }) });
}

const messages = [{ role: 'user', content: 'Well?' }];
/** Each surface's words for the same bound, so that all ask the same. */
const BOUNDED: Readonly<Record<string, object>> = {
  '/v1/messages': { messages, max_tokens: 100 },
  '/v1/responses': { input: 'Well?', max_output_tokens: 100 },
};
/** How a stream of a surface ends that was broken in its text, and how none may. */
const SURFACES = [
  ['Anthropic’s API', '/v1/messages', ['content_block_delta', 'error'], 'message_stop'],
  [
    'OpenAI’s Responses API',
    '/v1/responses',
    ['response.output_text.delta', 'response.failed', 'error'],
    'response.completed',
  ],
] as const;

interface Scene {
  readonly bench: Bench;
  readonly upstream: Upstream;
  ask(path: string): Promise<{ text: string; cache: string | null }>;
}

async function start(t: TestContext, cached: boolean): Promise<Scene> {
  const upstream = await startUpstream(t);
  const groups = [[{ provider: 'one', model: 'test-model' }]];
  const bench = startBench(t, {
    providers: { one: upstream.baseUrl },
    routes: { m: { groups, ...(cached && { cache: {} }) } },
    settings: { retry: { retries: 0, baseMs: 0, maxMs: 0 } },
  });
  const hub = await startHttpHub(t, {
    stream: (call) => bench.gateway.stream({ ...call, receivedAt: bench.clock.now() }),
  });
  const ask: Scene['ask'] = async (path) => {
    const body = { model: 'm', stream: true, ...(BOUNDED[path] ?? { messages, max_completion_tokens: 100 }) };
    const response = await post(hub, path, body, { authorization: `Bearer ${hub.keys.chat}` });
    return { text: await response.text(), cache: response.headers.get('x-revoagent-cache') };
  };
  return { bench, upstream, ask };
}

async function stalled({ bench, upstream }: Pick<Scene, 'bench' | 'upstream'>): Promise<void> {
  await until('the upstream has the request', () => upstream.received.length === 1);
  await untilStalled(bench);
  await bench.clock.advance(30_000);
}

function assertFailed(bench: Bench, { code, outcome }: Failing): void {
  for (const run of bench.runs) assert.deepEqual([run.status, run.errorCode], ['failed', code]);
  assert.deepEqual(
    bench.attempts.map((attempt) => [attempt.outcome, attempt.promptTokens, attempt.completionTokens]),
    [[outcome, 7, 2]],
  );
}

for (const failing of FAILING)
  describe(`a stream that ${failing.name} after its usage`, () => {
    for (const cached of [false, true]) {
      const route = cached ? 'a cached route' : 'a route';

      it(`ends in an error for a caller of OpenAI’s API by ${route}, and its half is nobody else’s answer`, async (t) => {
        const { bench, upstream, ask } = await start(t, cached);
        upstream.script(fails(failing));
        const asked = ask('/v1/chat/completions');
        if (failing.ending === 'stall') await stalled({ bench, upstream });
        const events = sseEvents((await asked).text).map(({ data }) => data);
        assert.ok(!events.includes('[DONE]'), 'half an answer has no formal end');
        assert.equal(JSON.parse(events.pop() ?? '').error.code, failing.openAiCode ?? failing.code);
        const deltas = events.map((data) => JSON.parse(data).choices[0]?.delta.content);
        assert.deepEqual(deltas, ['', 'The dose is', ' not'], 'nor does he see what he did not ask for');
        assertFailed(bench, failing);
        await bench.clock.advance(60_000);
        const next = await ask('/v1/chat/completions');
        assert.equal(next.cache, cached ? 'miss' : null);
        assert.match(next.text, /well\.[^]*\[DONE\]/);
        assert.equal(upstream.received.length, 2);
      });
    }

    for (const [surface, path, ending, whole] of SURFACES)
      it(`ends in an error for a caller of ${surface}, asked for by himself or shared`, async (t) => {
        for (const shared of [false, true]) {
          const { bench, upstream, ask } = await start(t, true);
          const { opened, open } = gate();
          upstream.script(fails(failing, opened));
          if (shared) void ask('/v1/chat/completions');
          await until('it is asked', () => upstream.received.length === (shared ? 1 : 0));
          const asked = ask(path);
          await until('he follows', () => bench.running.list().length === (shared ? 2 : 1));
          open();
          if (failing.ending === 'stall') await stalled({ bench, upstream });
          const names = sseEvents((await asked).text).map(({ event: name }) => name);
          assert.deepEqual(names.slice(-ending.length), ending);
          assert.ok(!names.includes(whole));
          await until('the runs are over', () => bench.runs.length === (shared ? 2 : 1));
          assertFailed(bench, failing);
          assert.equal(upstream.received.length, 1);
        }
      });

    it('is gone on with where the caller wants that', async (t) => {
      const [one, two] = [await startUpstream(t), await startUpstream(t)];
      const bench = startBench(t, { providers: { one: one.baseUrl, two: two.baseUrl } });
      one.script(fails(failing));
      const reading = read(bench, continued(bench));
      if (failing.ending === 'stall') await stalled({ bench, upstream: one });
      const { text, restarts, finish, error } = await reading;
      assert.deepEqual(
        { text, restarts, finish, error },
        { text: 'All is well.', restarts: 1, finish: 'stop', error: null },
      );
    });
  });
