/** The tools that a step calls: what goes wrong with them, and how many run. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UpstreamError } from '#core/errors';
import { limits } from '#core/limits';
import {
  answer,
  askUser,
  calls,
  resultOf,
  saidIn,
  says,
  startAgentBench,
  weather,
} from '../../tests/helpers/agent-bench.ts';
import type { CancelSignal } from '#core/cancel';
import { settle } from '../../tests/helpers/virtual-clock.ts';
import { until } from '../../tests/helpers/upstream.ts';

const berlin = ['weather', { city: 'Berlin' }] as const;
const sunny = async () => answer(200, ['{"sky":"clear"}']).given;
const withWeather = { tools: [weather] };

describe('what a tool does wrong is told to the model and reported, and the turn goes on', () => {
  const cases = [
    { name: 'an unknown tool', call: ['no_such', {}], outcome: 'unknown_tool', says: /no tool of this name.*weather/ },
    { name: 'arguments that are no JSON', call: ['weather', '{"city":'], outcome: 'bad_arguments', says: /not JSON/ },
    { name: 'arguments against the schema', call: ['weather', { days: 1 }], outcome: 'bad_arguments', says: /city/ },
    { name: 'a path of dots', call: ['weather', { city: '..' }], outcome: 'bad_arguments', says: /part of the path/ },
    {
      name: 'a status 404',
      external: () => answer(404, ['no such city']).given,
      outcome: 'failed',
      says: /404.*no such city/s,
    },
    {
      name: 'a target that is down',
      external: () => {
        throw new UpstreamError('upstream_failed', 'The external API "meteo" answered with status 503.');
      },
      outcome: 'failed',
      says: /status 503/,
    },
    {
      name: 'a target that is too slow for itself',
      external: () => {
        throw new UpstreamError('upstream_timeout', 'The external API "meteo" was too slow.');
      },
      outcome: 'timed_out',
      says: /too slow/,
    },
    {
      name: 'bytes that are no text',
      external: () => answer(200, ['\u0000'], 'image/png').given,
      outcome: 'succeeded',
      says: /no text/,
    },
  ] as const;
  for (const given of cases) {
    it(given.name, async () => {
      const bench = startAgentBench({
        agent: withWeather,
        model: [calls(['call' in given ? given.call : berlin]), says('I could not find out.')],
        external: 'external' in given ? async () => given.external() : sunny,
      });
      const result = await resultOf(bench.agents.turn(bench.call()));
      assert.deepEqual(
        result.tools.map(({ outcome }) => outcome),
        [given.outcome],
      );
      assert.match(saidIn(bench.asked[1]?.request.messages.at(-1)), given.says);
      assert.equal(result.text, 'I could not find out.');
      assert.equal(bench.externals.length, 'external' in given ? 1 : 0);
    });
  }

  it('but patterns of its schema are not applied: one could stop the process', async () => {
    const parameters = {
      type: 'object',
      properties: { city: { type: 'string', pattern: '^(a+)+$' }, pattern: { type: 'integer' } },
      patternProperties: { '^(a+)+$': { type: 'string' } },
      additionalProperties: false,
    };
    const bench = startAgentBench({
      agent: { tools: [{ ...weather, parameters }] },
      model: [
        calls([
          ['weather', { city: `${'a'.repeat(60)}!`, pattern: 1, [`${'a'.repeat(60)}!`]: 'x' }],
          ['weather', { city: 'Berlin', pattern: 'one' }],
        ]),
        says('Sunny.'),
      ],
      external: sunny,
    });
    const { tools } = await resultOf(bench.agents.turn(bench.call()));
    assert.deepEqual(
      tools.map(({ outcome }) => outcome),
      ['succeeded', 'bad_arguments'],
    );
  });

  it('a tool that hangs is given up at its limit, and its call is told to stop', async () => {
    const signals: CancelSignal[] = [];
    const bench = startAgentBench({
      agent: { ...withWeather, limits: { steps: 8, deadlineMs: 600_000, costMicroUsd: null } },
      model: [calls([berlin]), says('No answer from the weather.')],
      external: ({ signal }) => {
        signals.push(signal);
        return new Promise(() => undefined);
      },
    });
    const pending = resultOf(bench.agents.turn(bench.call()));
    await until('the tool runs', () => signals.length === 1);
    await bench.clock.advance(limits.agentToolMs);
    const result = await pending;
    assert.deepEqual(
      result.tools.map(({ outcome, tookMs }) => ({ outcome, tookMs })),
      [{ outcome: 'timed_out', tookMs: limits.agentToolMs }],
    );
    assert.equal(signals[0]?.aborted, true);
    assert.equal(bench.clock.pending, 0);
  });

  it('of 10 MB no more than the limit is read, the model gets its beginning, and is told so', async () => {
    const part = Buffer.alloc(64 * 1024, 'é');
    const { given, state } = answer(
      200,
      Array.from({ length: 160 }, () => part),
    );
    const bench = startAgentBench({
      agent: withWeather,
      model: [calls([berlin]), says('Much.')],
      external: async () => given,
    });
    const result = await resultOf(bench.agents.turn(bench.call()));
    assert.deepEqual(
      result.tools.map(({ outcome }) => outcome),
      ['oversize'],
    );
    const told = saidIn(bench.asked[1]?.request.messages.at(-1));
    assert.ok(Buffer.byteLength(told) < limits.toolAnswerToModelBytesMax + 200);
    assert.match(told, /^é+\n\(The answer is cut: this is the beginning of more than 1048576 bytes/);
    assert.deepEqual(state, { ended: true, pulled: limits.toolAnswerBytesMax / part.length + 1 });
  });

  it('of a long answer that fits the model gets the beginning, without half a character', async () => {
    const { given } = answer(200, ['x', Buffer.alloc(100_000, 'é')]);
    const bench = startAgentBench({
      agent: withWeather,
      model: [calls([berlin]), says('Much.')],
      external: async () => given,
    });
    const result = await resultOf(bench.agents.turn(bench.call()));
    assert.equal(result.tools[0]?.outcome, 'succeeded');
    assert.match(saidIn(bench.asked[1]?.request.messages.at(-1)), /^xé+\n\(The answer is cut: .* 100001 bytes/);
  });
});

describe('tools of one step', () => {
  it('run beside each other, a few at a time, and their results are told in the order of the calls', async () => {
    let running = 0;
    let most = 0;
    const waiting: (() => void)[] = [];
    const made = Array.from({ length: 12 }, (_, place) => ['weather', { city: `c${place}` }] as const);
    const bench = startAgentBench({
      agent: withWeather,
      model: [calls(made), says('All of them.')],
      async external({ target }) {
        most = Math.max(most, ++running);
        await new Promise<void>((resolve) => waiting.push(resolve));
        running--;
        return answer(200, [target]).given;
      },
    });
    const pending = resultOf(bench.agents.turn(bench.call()));
    for (let ended = 0; ended < made.length; ended++) {
      await until('a tool waits', () => waiting.length > 0);
      waiting.pop()?.();
      await settle();
    }
    await pending;
    assert.equal(most, limits.agentToolsAtOnceMax);
    assert.deepEqual(
      bench.asked[1]?.request.messages.filter(({ role }) => role === 'tool').map(({ content }) => content),
      made.map(([, { city }]) => `/v1/${city}`),
    );
  });

  it('beyond the bound are not run, and the model is told', async () => {
    const made = Array.from({ length: limits.agentToolsOfStepMax + 1 }, () => berlin);
    const bench = startAgentBench({ agent: withWeather, model: [calls(made), says('Enough.')], external: sunny });
    const { tools } = await resultOf(bench.agents.turn(bench.call()));
    assert.equal(bench.externals.length, limits.agentToolsOfStepMax);
    assert.equal(tools.at(-1)?.outcome, 'failed');
    assert.equal(tools.length, made.length);
  });

  it('that are the caller’s end the turn with the calls, and the hub’s beside them are not run', async () => {
    const bench = startAgentBench({
      agent: { tools: [weather, askUser] },
      model: [calls([berlin, ['ask_user', { text: 'Which?' }]])],
      external: sunny,
    });
    const result = await resultOf(bench.agents.turn(bench.call()));
    assert.equal(result.end, 'tool_calls');
    assert.deepEqual(result.toolCalls, [
      { id: 'call-1', type: 'function', function: { name: 'ask_user', arguments: '{"text":"Which?"}' } },
    ]);
    assert.equal(bench.externals.length, 0);
  });

  it('that the caller brings for one turn are told to the model as they came', async () => {
    const tool = { type: 'function', function: { name: 'mine', parameters: { type: 'object' } } };
    const bench = startAgentBench({ agent: withWeather, model: [calls([['mine', {}]])] });
    const result = await resultOf(bench.agents.turn(bench.call({ tools: [tool] })));
    assert.equal(result.end, 'tool_calls');
    const told = bench.asked[0]?.request['tools'];
    assert.deepEqual(Array.isArray(told) ? told.at(-1) : told, tool);
  });

  it('may not have the name of one of the agent’s', async () => {
    const bench = startAgentBench({ agent: withWeather, model: [says('Hello.')] });
    const call = bench.call({ tools: [{ type: 'function', function: { name: 'weather' } }] });
    await assert.rejects(resultOf(bench.agents.turn(call)), { code: 'invalid_body', param: 'tools' });
    assert.equal(bench.asked.length, 0);
  });
});
