/**
 * Limits of an agent over real turns: each step is let in, reserved and settled by itself, in HTTP and on the WebSocket, and what other
 * agents and plain chats do is not counted.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { callsWeather, startAgentHub, weatherTool } from '../helpers/agent-hub.ts';
import type { AgentHub } from '../helpers/agent-hub.ts';
import { waitFor } from '../helpers/hub-process.ts';
import { forTheSuite } from '../helpers/suite.ts';
import { answers, gate } from '../helpers/upstream.ts';

/** What `callsWeather` and `answers` say they used, and what it costs at the prices of the hub. */
const STEP = { tokens: 10, usd: 13e-6 };

interface Standing {
  readonly kind: string;
  readonly used: number;
}

/** What is counted against the agent, by kind. */
async function usedBy({ ask }: AgentHub, agent: string): Promise<Record<string, number>> {
  const { status, body, text } = await ask('GET', `/api/limits?agent=${agent}`);
  assert.equal(status, 200, text);
  return Object.fromEntries((body['limits'] as Standing[]).map(({ kind, used }) => [kind, used]));
}

/** Each test has an agent of its own: what one is counted is nothing to the others. */
const LIMITS = {
  careful: { requestsPerMinute: 10, tokensPerMinute: 10_000, concurrent: 1, usdPerDay: 1 },
  eager: { requestsPerMinute: 3 },
  spoken: { requestsPerMinute: 1 },
};

describe('a turn of an agent with limits', () => {
  const suite = forTheSuite();
  let hub: AgentHub;
  before(async () => {
    hub = await startAgentHub(suite, {}, { limits: { agents: { named: LIMITS } } });
  });
  /** How often the model and the tools are asked from now on. */
  const counted = (): (() => readonly [number, number]) => {
    const [models, tools] = [hub.upstream.received.length, hub.toolCalls.length];
    return () => [hub.upstream.received.length - models, hub.toolCalls.length - tools];
  };

  it('reserves each of its steps, and settles it before the next one', async (t) => {
    const id = await hub.create({ name: 'careful', tools: [weatherTool] });
    const [toolCalled, toolMay] = [gate(), gate()];
    const [asked, mayAnswer] = [gate(), gate()];
    const clear = hub.tool;
    t.after(() => (hub.tool = clear));
    hub.tool = (response) => {
      toolCalled.open();
      void toolMay.opened.then(() => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
    };
    hub.upstream.script(callsWeather(), async (exchange) => {
      asked.open();
      await mayAnswer.opened;
      await answers('It is clear.')(exchange);
    });
    const turn = hub.ask('POST', `/api/agents/${id}/chat`, { prompt: 'The weather?' });

    await toolCalled.opened;
    const between = { requests: 1, tokens: STEP.tokens, concurrent: 0, usd: STEP.usd };
    await waitFor(async () => (same(await usedBy(hub, 'careful'), between) ? true : null));
    toolMay.open();

    await asked.opened;
    const within = await usedBy(hub, 'careful');
    assert.deepEqual([within['requests'], within['concurrent']], [2, 1]);
    // 1,024 for the answer, as there is no max_tokens, and the prompt by its bytes.
    assert.ok((within['tokens'] ?? 0) > STEP.tokens + 1_024, `${within['tokens']} tokens are reserved`);
    assert.ok((within['usd'] ?? 0) > STEP.usd * 2, `${within['usd']} dollars are reserved`);
    mayAnswer.open();

    assert.equal((await turn).status, 200);
    const after = { requests: 2, tokens: 2 * STEP.tokens, concurrent: 0, usd: 2 * STEP.usd };
    await waitFor(async () => (same(await usedBy(hub, 'careful'), after) ? true : null));
  });

  it('ends where a step is over the limit, asks the model no more, and leaves other agents and plain chats alone', async () => {
    const id = await hub.create({ name: 'eager', tools: [weatherTool] });
    const free = await hub.create({ name: 'free' });
    const chat = (agent: string) => hub.ask('POST', `/api/agents/${agent}/chat`, { prompt: 'The weather?' });
    const asked = counted();
    hub.upstream.script(callsWeather(), answers('It is clear.'), callsWeather());
    assert.equal((await chat(id)).status, 200);
    assert.deepEqual(await usedBy(hub, 'eager'), { requests: 2 });

    const refused = await chat(id);
    assert.equal(refused.status, 429, refused.text);
    assert.match(refused.text, /The agent \\"eager\\" may have 3 requests a minute/);
    const [models, tools] = asked();
    assert.equal(models, 3, 'its first step was asked, its second was not');
    assert.equal(tools, 2, 'the tool that the first step called has run');
    assert.deepEqual(await usedBy(hub, 'eager'), { requests: 3 }, 'what is refused counts for nothing');

    hub.upstream.otherwise = answers('Well.');
    assert.equal((await chat(free)).status, 200);
    const plain = { model: 'test/test-model', messages: [{ role: 'user', content: 'Hi.' }] };
    assert.equal((await hub.ask('POST', '/v1/chat/completions', plain)).status, 200);
    assert.deepEqual(await usedBy(hub, 'eager'), { requests: 3 });
    assert.deepEqual(await usedBy(hub, 'free'), {});
  });

  it('is refused on the WebSocket in an error that says whose limit it is', async (t) => {
    const agentId = await hub.create({ name: 'spoken' });
    const asked = counted();
    hub.upstream.otherwise = answers('Well.');
    const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/ws/chat`);
    t.after(() => socket.terminate());
    const heard: Record<string, unknown>[] = [];
    socket.on('message', (data: Buffer) => heard.push(JSON.parse(data.toString())));
    await once(socket, 'open');
    const lastOf = (run: string) =>
      waitFor(() => heard.find(({ id, type }) => id === run && (type === 'end' || type === 'error')));
    for (const id of ['a', 'b']) {
      socket.send(JSON.stringify({ type: 'agent', id, agentId, messages: [{ role: 'user', content: 'Hi.' }] }));
      await lastOf(id);
    }
    assert.equal((await lastOf('a'))['type'], 'end');
    const { type, error } = await lastOf('b');
    const { code, limit, retryable } = error as Record<string, unknown>;
    assert.deepEqual([type, code, retryable], ['error', 'rate_limited', true]);
    assert.deepEqual(
      Object.entries(limit as object).filter(([name]) => name === 'scope' || name === 'kind' || name === 'max'),
      [
        ['scope', 'agent'],
        ['kind', 'requests'],
        ['max', 1],
      ],
    );
    assert.deepEqual(asked(), [1, 0]);
  });
});

/** Money is told in dollars: to a millionth of a cent. */
function same(one: Record<string, number>, other: Record<string, number>): boolean {
  const names = Object.keys({ ...one, ...other });
  return names.every((name) => Math.abs((one[name] ?? Number.NaN) - (other[name] ?? Number.NaN)) < 1e-8);
}
