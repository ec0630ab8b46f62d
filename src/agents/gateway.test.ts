/** Agents among the models: what a client of OpenAI's form sees of a turn, plain and streamed. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { newId } from '#core/ids';
import { UnavailableError, UpstreamError } from '#core/errors';
import type { AgentRecord } from '#contract/agents';
import type { ChatChunk, ChatRequest } from '#contract/chat';
import { callerGone } from '#contract/gateway';
import type { ChatCall } from '#contract/gateway';
import { chunk } from '../../tests/helpers/http-hub.ts';
import {
  answer,
  askUser,
  calls,
  fails,
  gives,
  hangsAfter,
  modelsOf,
  says,
  startAgentBench,
  user,
  weather,
} from '../../tests/helpers/agent-bench.ts';
import type { AgentScript } from '../../tests/helpers/agent-bench.ts';
import { until } from '../../tests/helpers/upstream.ts';
import { AgentGateway } from './gateway.ts';

const berlin = ['weather', { city: 'Berlin' }] as const;
const sunny = async () => answer(200, ['clear']).given;

function bench(script: AgentScript, list?: () => Promise<readonly AgentRecord[]>) {
  const inside = startAgentBench(script);
  const passed: ChatCall[] = [];
  const gateway = new AgentGateway({
    gateway: { ...modelsOf([says('From a model.')], passed), models: async () => [model('fast')] },
    agents: inside.agents,
    store: {
      findByName: async (projectId, name) =>
        projectId === inside.agent.projectId && name === inside.agent.name ? inside.agent : null,
      list: list ?? (async (projectId) => (projectId === inside.agent.projectId ? [inside.agent] : [])),
    },
    clock: inside.clock,
    logger: { debug: log, info: log, warn: log, error: log },
  });
  function log(event: string): void {
    inside.log.push(event);
  }
  const call = (fields: Partial<ChatRequest> = {}, signal = new AbortController().signal): ChatCall => ({
    ...inside.call({ signal }),
    runId: newId('run', 1_767_225_600_000),
    request: { model: 'agent:helper', messages: [user('How is the weather?')], ...fields },
  });
  return { ...inside, gateway, passed, calling: call };
}

const model = (id: string) => ({ id, object: 'model' as const, created: 0, owned_by: 'revoagent' });

async function chunksOf(events: AsyncIterable<string>): Promise<(ChatChunk & { revoagent?: { end?: string } })[]> {
  const chunks = [];
  for await (const data of events) chunks.push(JSON.parse(data));
  return chunks;
}

const textOf = (chunks: readonly ChatChunk[]) => chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');

describe('an agent as a model', () => {
  it('answers in OpenAI’s form under its own name, its tools run inside, and says what it used', async () => {
    const { gateway, calling, asked } = bench({
      agent: { tools: [weather] },
      model: [calls([berlin]), says('It is clear.')],
      external: sunny,
    });
    const call = calling({ temperature: 0.5, stream: false });
    const { body, summary, raw } = await gateway.complete(call);
    assert.equal(raw, undefined);
    assert.deepEqual([body.model, body.object, body.id], ['agent:helper', 'chat.completion', `chatcmpl-${call.runId}`]);
    const [choice] = body.choices;
    assert.deepEqual([choice?.message.content, choice?.finish_reason], ['It is clear.', 'stop']);
    assert.deepEqual(body.usage, { prompt_tokens: 20, completion_tokens: 10, total_tokens: 30 });
    const { runId, provider, attempts, overheadMs } = summary;
    assert.deepEqual([runId, provider, attempts, overheadMs], [call.runId, 'openai', 2, 1]);
    assert.equal(asked[0]?.runId, call.runId);
    assert.deepEqual(
      asked.map(({ request }) => [request['temperature'], request.stream]),
      [
        [0.5, true],
        [0.5, true],
      ],
    );
  });

  it('streams the texts of all its steps, and nothing of what its tools did but a note that clients pass over', async () => {
    const spoken = JSON.stringify({
      choices: [
        {
          index: 0,
          delta: {
            content: 'I look.',
            tool_calls: [{ index: 0, id: 'a', function: { name: 'weather', arguments: '{"city":"B"}' } }],
          },
        },
      ],
    });
    const script: AgentScript = {
      agent: { tools: [weather] },
      model: [gives([spoken, chunk('', 'tool_calls')]), says('It is clear.')],
      external: sunny,
    };
    const streamed = bench(script);
    const call = streamed.calling({ stream: true, stream_options: { include_usage: true } });
    const stream = await streamed.gateway.stream(call);
    const chunks = await chunksOf(stream.events);
    assert.equal(textOf(chunks), 'I look.\n\nIt is clear.');
    assert.equal(chunks[0]?.choices[0]?.delta.role, 'assistant');
    assert.ok(chunks.every(({ choices }) => choices[0]?.delta['tool_calls'] === undefined));
    assert.deepEqual(
      chunks
        .slice(-2)
        .map(({ choices, usage, revoagent }) => [choices[0]?.finish_reason, usage?.total_tokens, revoagent?.end]),
      [
        ['stop', undefined, 'stop'],
        [undefined, 30, undefined],
      ],
    );
    assert.deepEqual(stream.spent().costMicroUsd, 200);
    const plain = bench(script);
    assert.equal((await plain.gateway.complete(plain.calling())).body.choices[0]?.message.content, textOf(chunks));
  });

  it('ends with the caller’s calls, plain and streamed', async () => {
    const script: AgentScript = { agent: { tools: [askUser] }, model: [calls([['ask_user', {}]])] };
    const made = { id: 'call-0', type: 'function', function: { name: 'ask_user', arguments: '{}' } };
    const plain = bench(script);
    const [choice] = (await plain.gateway.complete(plain.calling())).body.choices;
    assert.deepEqual(
      [choice?.finish_reason, choice?.message.content, choice?.message['tool_calls']],
      ['tool_calls', null, [made]],
    );
    const streamed = bench(script);
    const chunks = await chunksOf((await streamed.gateway.stream(streamed.calling({ stream: true }))).events);
    assert.deepEqual(chunks[0]?.choices[0]?.delta, { role: 'assistant', tool_calls: [{ index: 0, ...made }] });
    assert.equal(chunks[1]?.choices[0]?.finish_reason, 'tool_calls');
  });

  it('that ends at a limit says length, and which limit', async () => {
    const { gateway, calling } = bench({
      agent: { tools: [weather], limits: { steps: 1, deadlineMs: 1_000, costMicroUsd: null } },
      model: [calls([berlin])],
    });
    const { body } = await gateway.complete(calling());
    assert.equal(body.choices[0]?.finish_reason, 'length');
    assert.deepEqual((body['revoagent'] as { end: string }).end, 'steps');
  });

  it('that got the last resort only says so as a model’s answer does', async () => {
    const { gateway, calling } = bench({ model: [says('We are closed.', 'error', { degraded: true })] });
    const { body, summary } = await gateway.complete(calling());
    assert.deepEqual([body.choices[0]?.finish_reason, summary.degraded], ['error', true]);
  });

  it('passes a restart on', async () => {
    const restart = JSON.stringify({ choices: [], revoagent: { event: 'restart' } });
    const script = { model: [gives([chunk('Wrong'), restart, chunk('Right.'), chunk('', 'stop')])] };
    const streamed = bench(script);
    const chunks = await chunksOf((await streamed.gateway.stream(streamed.calling({ stream: true }))).events);
    assert.deepEqual(chunks[1]?.revoagent, { event: 'restart' });
    const plain = bench(script);
    assert.equal((await plain.gateway.complete(plain.calling())).body.choices[0]?.message.content, 'Right.');
  });

  it('asks its model for no restart where its caller’s form has no word for one', async () => {
    const { gateway, calling, asked } = bench({ model: [says('Hello.')] });
    await chunksOf((await gateway.stream({ ...calling({ stream: true }), restarts: false })).events);
    await chunksOf((await gateway.stream(calling({ stream: true }))).events);
    assert.deepEqual(
      asked.map(({ restarts }) => restarts),
      [false, undefined],
    );
  });

  it('says again after a restart what the steps before have said: to its reader all of it is void', async () => {
    const restart = JSON.stringify({ choices: [], revoagent: { event: 'restart' } });
    const call = { index: 0, id: 'a', function: { name: 'weather', arguments: '{"city":"B"}' } };
    const calling = JSON.stringify({ choices: [{ index: 0, delta: { content: 'I look.', tool_calls: [call] } }] });
    const { gateway, calling: asked } = bench({
      agent: { tools: [weather] },
      model: [gives([calling]), gives([chunk('Rai'), restart, chunk('Sunny.'), chunk('', 'stop')])],
      external: sunny,
    });
    const chunks = await chunksOf((await gateway.stream(asked({ stream: true }))).events);
    const at = chunks.findLastIndex(({ choices }) => choices.length === 0);
    assert.equal(textOf(chunks.slice(0, at)), 'I look.\n\nRai');
    assert.equal(textOf(chunks.slice(at)), 'I look.\n\nSunny.');
  });

  it('fails with a status before anything is shown, and in the stream afterwards', async () => {
    const early = bench({ model: [fails(new UpstreamError('upstream_failed', 'No.'))] });
    await assert.rejects(early.gateway.stream(early.calling({ stream: true })), { code: 'upstream_failed' });
    const late = bench({
      agent: { tools: [weather] },
      model: [
        gives([
          chunk('Well'),
          JSON.stringify({
            choices: [
              {
                index: 0,
                delta: {
                  tool_calls: [{ index: 0, id: 'a', function: { name: 'weather', arguments: '{"city":"B"}' } }],
                },
              },
            ],
          }),
          chunk('', 'tool_calls'),
        ]),
        fails(new UpstreamError('upstream_cut', 'Cut.')),
      ],
      external: sunny,
    });
    const { events } = await late.gateway.stream(late.calling({ stream: true }));
    const first = await events.next();
    assert.match(String(first.value), /Well/);
    await assert.rejects(chunksOf(events), { code: 'upstream_cut' });
  });

  it('ends its call of the model where its reader leaves before, or while, it reads', async () => {
    const unread = bench({ model: [hangsAfter('So')] });
    const stream = await unread.gateway.stream(unread.calling({ stream: true }));
    await stream.events.return?.();
    assert.equal(unread.asked[0]?.signal.aborted, true);
    assert.equal(unread.clock.pending, 0);
    const left = new AbortController();
    const leaving = bench({ model: [hangsAfter('So')] });
    const { events } = await leaving.gateway.stream(leaving.calling({ stream: true }, left.signal));
    await events.next();
    const waiting = events.next();
    await until('the model is asked', () => leaving.asked.length === 1);
    left.abort(callerGone);
    await assert.rejects(waiting, { code: 'cancelled' });
    assert.equal(leaving.clock.pending, 0);
  });

  it('is not found by another project, nor under another name', async () => {
    const { gateway, calling } = bench({ model: [says('Hello.')] });
    const caller = { keyId: null, projectId: 'prj_other', scopes: new Set(['chat'] as const) };
    for (const call of [{ ...calling(), caller }, calling({ model: 'agent:nobody' }), calling({ model: 'agent:\0' })]) {
      await assert.rejects(gateway.complete(call), { code: 'model_not_found' });
      await assert.rejects(gateway.stream(call), { code: 'model_not_found' });
    }
  });

  it('gives no vectors, also where a route would take any name', async () => {
    const { gateway, calling } = bench({ model: [] });
    const call = { ...calling(), request: { model: 'agent:helper', input: ['Hello.'] } };
    await assert.rejects(gateway.embed(call), { code: 'bad_request', param: 'model' });
  });

  it('refuses what it would have to leave out: several answers, functions of the old form', async () => {
    const { gateway, calling } = bench({ model: [says('Hello.')] });
    for (const fields of [{ n: 2 }, { functions: [] }])
      await assert.rejects(gateway.complete(calling(fields)), { code: 'unsupported_field' });
    assert.equal((await gateway.complete(calling({ n: 1 }))).body.choices.length, 1);
  });
});

describe('the list of models', () => {
  it('has the agents of the caller’s project, and of no other', async () => {
    const { gateway, call } = bench({ model: [] });
    const { signal } = new AbortController();
    const ids = async (projectId: string) =>
      (await gateway.models({ ...call().caller, projectId }, signal)).map(({ id }) => id);
    assert.deepEqual(await ids(call().caller.projectId), ['fast', 'agent:helper']);
    assert.deepEqual(await ids('prj_other'), ['fast']);
  });

  it('has the other models while the database is away', async () => {
    const { gateway, call, log } = bench({ model: [] }, async () => {
      throw new UnavailableError('database_unavailable', 'Away.');
    });
    const models = await gateway.models(call().caller, new AbortController().signal);
    assert.deepEqual(
      models.map(({ id }) => id),
      ['fast'],
    );
    assert.deepEqual(log, ['agents-not-listed']);
  });

  it('and every model that is no agent pass by untouched', async () => {
    const { gateway, calling, passed, asked } = bench({ model: [] });
    const call = calling({ model: 'fast', stream: true });
    assert.equal(textOf(await chunksOf((await gateway.stream(call)).events)), 'From a model.');
    assert.equal(passed[0], call);
    assert.equal(asked.length, 0);
  });
});
