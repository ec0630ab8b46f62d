/**
 * Traces of a started hub at a real OTLP/HTTP receiver: the tree of a run that failed over, of a stream, of an agent's turn, of a run on a
 * socket; what a collector that is gone or hangs costs, which is its spans alone; and that nothing that was said is in any of it.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { callsWeather, startAgentHub, weatherTool } from '../helpers/agent-hub.ts';
import type { AgentHub } from '../helpers/agent-hub.ts';
import { startCollector } from '../helpers/collector.ts';
import type { Collector, Span } from '../helpers/collector.ts';
import { waitFor } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';
import type { TestPostgres } from '../helpers/postgres.ts';
import { forTheSuite } from '../helpers/suite.ts';
import { answers, refuses, startUpstream } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';

const CALLER = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };
const TRACEPARENT = `00-${CALLER.traceId}-${CALLER.spanId}-01`;
const CHAT = '/v1/chat/completions';

/** The span of this name beneath the caller's own. */
async function topOf(collector: Collector, parentSpanId: string, name: string): Promise<Span> {
  const top = () => collector.spans.find((span) => span.parentSpanId === parentSpanId && span.name === name);
  return waitFor(
    top,
    30_000,
    () => `no span ${name} beneath ${parentSpanId}: ${collector.spans.map((span) => span.name).join(', ')}`,
  );
}

function only(spans: readonly Span[]): Span {
  assert.deepEqual(spans.length, 1, spans.map(({ name }) => name).join(', '));
  return spans[0] ?? assert.fail();
}

async function until(what: string, ask: () => boolean): Promise<void> {
  await waitFor(
    () => ask() || undefined,
    30_000,
    () => `this did not happen: ${what}`,
  );
}

const traceparentOf = ({ traceId, spanId }: Span): string => `00-${traceId}-${spanId}-01`;

/** The collector, a route that fails over from the sick upstream to the hub's own, and one of its own alone. */
function sectionsOf(collector: Collector, sick: Upstream) {
  const headers = { authorization: 'Bearer canary-of-the-collector' };
  return {
    telemetry: { traces: { endpoint: collector.url, ratio: 0, headers } },
    providers: { sick: { kind: 'openai-compatible', baseUrl: sick.baseUrl, apiKey: 'sk-canary' } },
    routes: {
      over: { groups: [[{ provider: 'sick', model: 'test-model' }], [{ provider: 'test', model: 'test-model' }]] },
      'test/*': { groups: [[{ provider: 'test' }]] },
    },
  };
}

describe('a hub with a collector of traces', () => {
  const suite = forTheSuite();
  let postgres: TestPostgres;
  before(async () => {
    postgres = await startPostgres();
    suite.after(() => postgres.close());
  });

  describe('exports one tree a run, whose ids are those that callers, upstreams and tools see', () => {
    const toolHeaders: unknown[] = [];
    const t = forTheSuite();
    let collector: Collector;
    let sick: Upstream;
    let hub: AgentHub;
    before(async () => {
      collector = await startCollector(t);
      sick = await startUpstream(t);
      sick.otherwise = refuses(500);
      hub = await startAgentHub(t, { url: await postgres.createDatabase() }, sectionsOf(collector, sick));
      hub.tool = (response) => {
        toolHeaders.push(response.req.headers['traceparent']);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"sky":"canary-sky"}');
      };
      hub.upstream.otherwise = answers('canary-answer');
    });
    const ask = async (body: object, path = CHAT, traceparent = TRACEPARENT) => {
      const headers = { 'content-type': 'application/json', authorization: 'Bearer canary-key', traceparent };
      const response = await fetch(hub.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
      assert.equal(response.status, 200);
      return { text: await response.text(), traceparent: response.headers.get('traceparent') };
    };
    const messages = [{ role: 'user', content: 'canary-prompt' }];

    it('a run that failed over', async () => {
      const { traceparent } = await ask({ model: 'over', messages });
      const request = await topOf(collector, CALLER.spanId, `POST ${CHAT}`);
      assert.equal(traceparentOf(request), traceparent);
      assert.deepEqual([request.kind, request.failed], ['server', false]);
      assert.partialDeepStrictEqual(request.attributes, {
        'http.request.method': 'POST',
        'http.route': CHAT,
        'http.response.status_code': 200,
      });
      const run = only(collector.beneath(request));
      assert.equal(run.name, 'run over');
      assert.equal(run.attributes['revoagent.run.id'], request.attributes['revoagent.run.id']);
      const [first, second] = collector.beneath(run);
      assert.ok(first !== undefined && second !== undefined);
      for (const attempt of [first, second]) {
        assert.deepEqual([attempt.name, attempt.kind], ['chat test-model', 'client']);
        assert.ok(attempt.startNs >= run.startNs && attempt.endNs <= run.endNs + 1_000_000n);
      }
      assert.partialDeepStrictEqual(first.attributes, {
        'error.type': '500',
        'revoagent.deployment': 'sick/test-model',
        'revoagent.attempt.number': 1,
      });
      assert.partialDeepStrictEqual(second.attributes, {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'openai-compatible',
        'gen_ai.request.model': 'test-model',
        'gen_ai.response.finish_reasons': ['stop'],
        'gen_ai.usage.input_tokens': 7,
        'gen_ai.usage.output_tokens': 3,
        'revoagent.attempt.kind': 'fallback',
      });
      assert.deepEqual([first.failed, second.failed, run.failed], [true, false, false]);
      assert.equal(sick.received[0]?.headers['traceparent'], traceparentOf(first));
      assert.equal(hub.upstream.received[0]?.headers['traceparent'], traceparentOf(second));
      await until('the log has the trace', () => hub.hub.output().includes(`"trace":"${CALLER.traceId}"`));
    });

    it('a stream', async () => {
      const caller = TRACEPARENT.replace(CALLER.spanId, 'aaaaaaaaaaaaaaaa');
      await ask({ model: 'test/test-model', messages, stream: true }, CHAT, caller);
      const request = await topOf(collector, 'aaaaaaaaaaaaaaaa', `POST ${CHAT}`);
      const run = only(collector.beneath(request));
      assert.equal(run.attributes['revoagent.stream'], true);
      assert.deepEqual(only(collector.beneath(run)).events, ['connected', 'first_token']);
    });

    it('a turn of an agent', async () => {
      const id = await hub.create({ tools: [weatherTool] });
      hub.upstream.script(callsWeather('canary-city'), answers('canary-answer'));
      const caller = TRACEPARENT.replace(CALLER.spanId, 'bbbbbbbbbbbbbbbb');
      await ask({ prompt: 'canary-prompt' }, `/api/agents/${id}/chat`, caller);
      const request = await topOf(collector, 'bbbbbbbbbbbbbbbb', 'POST /api/agents/{id}/chat');
      const turn = only(collector.beneath(request));
      assert.equal(turn.name, 'invoke_agent helper');
      assert.partialDeepStrictEqual(turn.attributes, { 'gen_ai.agent.id': id, 'revoagent.turn.end': 'stop' });
      const beneath = collector.beneath(turn);
      assert.deepEqual(
        beneath.map(({ name }) => name),
        ['run test/*', 'execute_tool weather', 'run test/*'],
      );
      const [, tool] = beneath;
      assert.ok(tool !== undefined);
      assert.deepEqual(toolHeaders, [traceparentOf(tool)]);
      assert.partialDeepStrictEqual(tool.attributes, {
        'gen_ai.tool.name': 'weather',
        'gen_ai.tool.call.id': 'call_1',
      });
    });

    it('a run on a socket', async () => {
      const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/ws/chat`, {
        headers: { traceparent: TRACEPARENT.replace(CALLER.spanId, 'cccccccccccccccc') },
      });
      const ended = new Promise<void>((resolve, reject) => {
        socket.on('error', reject);
        socket.on('message', (data: Buffer) => {
          const { type, ...rest } = JSON.parse(data.toString('utf8'));
          if (type === 'end') resolve();
          if (type === 'error') reject(new Error(JSON.stringify(rest)));
        });
      });
      socket.once('open', () =>
        socket.send(
          JSON.stringify({ type: 'chat', id: '1', request: { model: 'test/test-model', prompt: 'canary-prompt' } }),
        ),
      );
      await ended;
      socket.close();
      const message = await topOf(collector, 'cccccccccccccccc', 'websocket chat');
      assert.equal(only(collector.beneath(message)).name, 'run test/*');
    });

    it('nothing of a caller who does not want his trace kept, nor of traces that begin here at a ratio of 0', async () => {
      const known = collector.requests.length;
      await ask({ model: 'test/test-model', messages }, CHAT, TRACEPARENT.replace(/01$/, '00'));
      await fetch(`${hub.url}/health`);
      assert.equal(await hub.hub.end('SIGTERM'), 0, hub.hub.output());
      assert.deepEqual(
        collector.requests.slice(known).map(({ body }) => body),
        [],
      );
    });

    it('and no word of what was said, nor a key', () => {
      assert.ok(collector.requests.length > 0);
      for (const { path, authorization, body } of collector.requests) {
        assert.deepEqual([path, authorization], ['/v1/traces', 'Bearer canary-of-the-collector']);
        assert.doesNotMatch(body, /canary|sk-of-the-hub/);
      }
      assert.doesNotMatch(hub.hub.output(), /canary/);
    });
  });

  it('serves the same while its collector hangs, and ends in time with what it could not tell', async (t) => {
    const collector = await startCollector(t);
    const held: unknown[] = [];
    collector.answer = (response) => void held.push(response);
    const traces = { endpoint: `${collector.url}/v1/traces`, ratio: 1, timeoutMs: 60_000 };
    const hub = await startAgentHub(t, { url: await postgres.createDatabase() }, { telemetry: { traces } });
    const ask = () => hub.ask('POST', CHAT, { model: 'test/test-model', messages: [{ role: 'user', content: 'Hi' }] });
    assert.equal((await ask()).status, 200);
    await until('the collector holds a request that it does not answer', () => held.length === 1);
    for (let count = 0; count < 20; count++) assert.equal((await ask()).status, 200);
    // One at a time: what came meanwhile waits, and its requests did not.
    assert.equal(held.length, 1);
    assert.equal(await hub.hub.end('SIGTERM'), 0, hub.hub.output());
    assert.match(hub.hub.output(), /"event":"spans-lost"/);
  });

  it('serves the same without its collector, opens the circuit of it, and says so once', async (t) => {
    const traces = { endpoint: 'http://127.0.0.1:9/v1/traces', ratio: 1 };
    const hub = await startAgentHub(t, { url: await postgres.createDatabase() }, { telemetry: { traces } });
    const ask = () => hub.ask('POST', CHAT, { model: 'test/test-model', messages: [{ role: 'user', content: 'Hi' }] });
    for (let count = 0; count < 5; count++) assert.equal((await ask()).status, 200);
    await until('it was told', () => hub.hub.output().includes('"event":"spans-not-sent"'));
    const { text } = await hub.ask('GET', '/api/circuit-breakers');
    assert.match(text, /"key":"traces"/);
    assert.equal(await hub.hub.end('SIGTERM'), 0, hub.hub.output());
    assert.equal(hub.hub.output().split('"event":"spans-not-sent"').length - 1, 1);
  });
});
