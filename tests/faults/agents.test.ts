/**
 * Everything that goes wrong around an agent's turn, over real sockets: its model's provider and the targets of its tools. What the caller
 * got, what the conversation keeps, and what the upstream and the target received.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { seededRandom } from '#core/random';
import { limits } from '#core/limits';
import { callerGone } from '#contract/gateway';
import type { AgentEvent, AgentRecord } from '#contract/agents';
import { RunningAgents } from '#agents/agents';
import { createExternals } from '#external/externals';
import { agentRecord, user, weather } from '../helpers/agent-bench.ts';
import { callsWeather } from '../helpers/agent-hub.ts';
import { loadText } from '../helpers/config-text.ts';
import { answersOn } from '../helpers/lookups.ts';
import { MemoryConversations } from '../helpers/memory-conversations.ts';
import { answers, startUpstream, streams, until } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';
import { unobserved } from '../helpers/unobserved.ts';
import { neverAnswers as toolHangs, resets as toolResets, startTarget } from './external-bench.ts';
import type { Behaviour as ToolBehaviour, Target } from './external-bench.ts';
import { FAULTS, WORDS } from './faults.ts';
import { startBench } from './harness.ts';
import type { Bench } from './harness.ts';
import { hubError } from './told.ts';

const DEADLINE_MS = 3_600_000;

interface Scene {
  readonly bench: Bench;
  readonly upstream: Upstream;
  readonly target: Target;
  readonly agents: RunningAgents;
  readonly conversations: MemoryConversations;
  readonly conversationId: string;
  /** A turn in the conversation, read to its end: `code` is that of its error. */
  ask(signal?: AbortSignal): Promise<{ events: AgentEvent[]; code: string | null }>;
}

async function startScene(t: TestContext, more: Partial<AgentRecord> = {}): Promise<Scene> {
  const [upstream, target] = [await startUpstream(t), await startTarget(t)];
  const bench = startBench(t, {
    providers: { one: upstream.baseUrl },
    settings: { retry: { retries: 0, baseMs: 1, maxMs: 1 } },
  });
  const meteo = {
    baseUrl: `http://127.0.0.1:${target.port}`,
    retry: { retries: 0 },
    responseBytesMax: 64 * 1024 * 1024,
  };
  const { external: configured } = loadText(t, JSON.stringify({ external: { meteo } })).config;
  const { clock, breakers, gateway } = bench;
  const external = createExternals(configured, {
    clock,
    breakers,
    random: seededRandom(1),
    retryRatio: 0.2,
    answers: answersOn(clock),
    observer: unobserved,
  });
  t.after(() => external.close());
  const agent = agentRecord({
    model: 'm',
    tools: [weather],
    limits: { steps: 4, deadlineMs: DEADLINE_MS, costMicroUsd: null },
    ...more,
  });
  const conversations = new MemoryConversations();
  const conversationId = conversations.create(agent.id);
  const none = (): Promise<never> => Promise.reject(new Error('this agent has no memory'));
  const agents = new RunningAgents({
    agents: { find: async () => agent },
    conversations,
    memory: { remember: none, recall: none, find: none, list: none, forget: none },
    external,
    gateway,
    clock,
    observer: { turnFinished: nothing },
    logger: { debug: nothing, info: nothing, warn: nothing, error: nothing },
  });
  const ask: Scene['ask'] = async (signal = new AbortController().signal) => {
    const { caller } = bench.call();
    const events: AgentEvent[] = [];
    const call = { surface: 'hub', caller, agentId: agent.id, conversationId, signal, traceparent: undefined } as const;
    try {
      for await (const event of agents.turn({ ...call, messages: [user('Well?')], receivedAt: clock.now() }))
        events.push(event);
      return { events, code: null };
    } catch (error) {
      return { events, code: hubError(error).code };
    }
  };
  return { bench, upstream, target, agents, conversations, conversationId, ask };
}

function nothing(): void {}

const textOf = (events: readonly AgentEvent[]) =>
  events.map((event) => (event.type === 'delta' ? event.text : '')).join('');
const resultOf = (events: readonly AgentEvent[]) => {
  const last = events.at(-1);
  assert.ok(last?.type === 'end', `the turn ended, not ${JSON.stringify(last)}`);
  return last.result;
};

describe('an upstream that fails under an agent: an honest error, one request, a broken turn, and the next turn is served', () => {
  for (const fault of FAULTS.filter(({ on }) => on !== 'plain')) {
    it(fault.name, async (t) => {
      const { bench, upstream, conversations, conversationId, ask } = await startScene(t);
      upstream.script(fault.behaviour);
      const pending = ask();
      if (fault.waitMs !== undefined) {
        await until('the upstream has the request', () => upstream.received.length === 1);
        if (fault.text !== undefined)
          await until('it speaks', () => bench.running.list()[0]?.attempts[0]?.firstTokenMs !== null);
        for (let turn = 0; turn < 50; turn++) await bench.clock.advance(0);
        await bench.clock.advance(fault.waitMs);
      }
      const { events, code } = await pending;
      assert.equal(code, fault.code);
      assert.equal(textOf(events), fault.text ?? '');
      assert.equal(upstream.received.length, 1);
      const { state, errorCode } = conversations.last(conversationId);
      assert.deepEqual({ state, errorCode }, { state: 'broken', errorCode: fault.code });

      await bench.clock.advance(60_000);
      const next = await ask();
      assert.equal(resultOf(next.events).text, 'All is well.');
      assert.equal(conversations.last(conversationId).state, 'whole');
      const told = upstream.received.at(-1)?.body['messages'];
      assert.deepEqual(told, [{ role: 'system', content: 'Be of help.' }, user('Well?')]);
      assert.equal(bench.running.list().length, 0);
    });
  }
});

describe('a stream that is cut after a tool has run', () => {
  it('breaks the turn, and the tool is not run again by the hub', async (t) => {
    const { upstream, target, conversations, conversationId, ask } = await startScene(t);
    upstream.script(callsWeather(), streams(WORDS, { ending: 'cut' }));
    const { events, code } = await ask();
    assert.equal(code, 'upstream_cut');
    assert.equal(textOf(events), 'One two three');
    assert.equal(target.received.length, 1);
    const { state, tools, runIds } = conversations.last(conversationId);
    assert.deepEqual([state, tools.length, runIds.length], ['broken', 1, 2]);
  });
});

describe('a tool that fails under an agent is bounded and reported, and the agent answers', () => {
  const tenMegabytes: ToolBehaviour = ({ response }) =>
    void response.writeHead(200, { 'content-type': 'text/plain' }).end(Buffer.alloc(10 * 1024 * 1024, 'x'));
  const half: ToolBehaviour = ({ response }) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': '100' });
    response.write('half', () => response.socket?.destroy());
  };
  const status =
    (code: number): ToolBehaviour =>
    ({ response }) =>
      void response.writeHead(code, { 'content-type': 'text/plain' }).end('the reason');
  const trickles: ToolBehaviour = ({ response }) => {
    response.writeHead(200, { 'content-type': 'text/plain' });
    response.write('some');
  };
  const cases = [
    { name: 'answers 500', tool: status(500), outcome: 'failed', says: /status 500/ },
    { name: 'answers 422, with the reason', tool: status(422), outcome: 'failed', says: /422\.\nthe reason/ },
    { name: 'resets the connection', tool: toolResets, outcome: 'failed', says: /before it answered/ },
    { name: 'is cut in the middle of its answer', tool: half, outcome: 'failed', says: /before it was whole/ },
    { name: 'returns 10 MB', tool: tenMegabytes, outcome: 'oversize', says: /more than 1048576 bytes/, gaveUp: true },
    {
      name: 'hangs',
      tool: toolHangs,
      outcome: 'timed_out',
      says: /too slow|longer than/,
      gaveUp: true,
      hangs: true,
    },
    {
      name: 'stalls in its answer',
      tool: trickles,
      outcome: 'timed_out',
      says: /too slow|longer than/,
      gaveUp: true,
      hangs: true,
    },
  ] as const;
  for (const given of cases) {
    it(given.name, async (t) => {
      const { bench, upstream, target, conversations, conversationId, ask } = await startScene(t);
      target.script(given.tool);
      upstream.script(callsWeather(), answers('I could not find out.'));
      const pending = ask();
      await until('the tool is called', () => target.received.length === 1);
      const since = bench.clock.now();
      // The model's own clocks run too: time goes on no further than the tool needs.
      for (let turn = 0; upstream.received.length < 2; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
        if ('hangs' in given && turn % 20 === 19) await bench.clock.advance(1_000);
      }
      if ('hangs' in given) assert.ok(bench.clock.now() - since <= limits.agentToolMs);
      const result = resultOf((await pending).events);
      assert.deepEqual(
        result.tools.map(({ name, outcome }) => `${name} ${outcome}`),
        [`weather ${given.outcome}`],
      );
      assert.equal(result.text, 'I could not find out.');
      const told = upstream.received[1]?.body['messages'];
      const last: unknown = Array.isArray(told) ? told.at(-1)?.content : '';
      assert.match(String(last), given.says);
      assert.ok(String(last).length < limits.toolAnswerToModelBytesMax + 200);
      assert.equal(target.received.length, 1);
      if ('gaveUp' in given) await until('the target is told', () => target.received[0]?.aborted === true);
      assert.equal(conversations.last(conversationId).state, 'whole');
    });
  }

  it('loops: it is called once a step until the steps are used up', async (t) => {
    const { upstream, target, ask } = await startScene(t);
    upstream.otherwise = callsWeather();
    const result = resultOf((await ask()).events);
    assert.equal(result.end, 'steps');
    assert.deepEqual([upstream.received.length, target.received.length], [4, 3]);
  });
});

describe('a caller who leaves', () => {
  it('in the middle of a tool ends it at its target, and the turn is broken as cancelled', async (t) => {
    const { upstream, target, conversations, conversationId, ask } = await startScene(t);
    target.script(toolHangs);
    upstream.script(callsWeather());
    const left = new AbortController();
    const pending = ask(left.signal);
    await until('the tool is called', () => target.received.length === 1);
    left.abort(callerGone);
    const { code } = await pending;
    assert.equal(code, 'cancelled');
    await until('the target is told', () => target.received[0]?.aborted === true);
    assert.equal(upstream.received.length, 1);
    const { state, errorCode } = conversations.last(conversationId);
    assert.deepEqual({ state, errorCode }, { state: 'broken', errorCode: 'cancelled' });
  });

  it('in the middle of the model’s words ends its stream', async (t) => {
    const { bench, upstream, conversations, conversationId, ask } = await startScene(t);
    upstream.script(streams(WORDS, { ending: 'stall' }));
    const left = new AbortController();
    const pending = ask(left.signal);
    await until('the upstream has the request', () => upstream.received.length === 1);
    await until('it speaks', () => bench.running.list()[0]?.attempts[0]?.firstTokenMs !== null);
    left.abort(callerGone);
    assert.equal((await pending).code, 'cancelled');
    await until('the upstream is told', () => upstream.received[0]?.aborted === true);
    assert.equal(conversations.last(conversationId).errorCode, 'cancelled');
  });
});
