/** Counting tokens: by Anthropic where it would answer, by the hub itself where it would not or cannot tell; and never as a run. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { callerGone } from '#contract/gateway';
import type { Limits } from '#contract/limits';
import { refusesMessage } from '../helpers/anthropic-upstream.ts';
import { answersBody, answersHtml, neverAnswers, resets, startUpstream, until } from '../helpers/upstream.ts';
import type { Behaviour, Upstream } from '../helpers/upstream.ts';
import { startBench } from './harness.ts';
import type { Bench, BenchOptions } from './harness.ts';

const counts = (input_tokens: unknown): Behaviour => answersBody({ input_tokens });
const ESTIMATE = { tokens: 9, estimated: true, provider: null, model: null };
const counted = (tokens: number, provider = 'one') => ({ tokens, estimated: false, provider, model: 'test-model' });

async function start(
  t: TestContext,
  options: Partial<BenchOptions> = {},
): Promise<{ bench: Bench; one: Upstream; two: Upstream }> {
  const [one, two] = [await startUpstream(t), await startUpstream(t)];
  const kind = 'anthropic';
  const providers = { one: { kind, baseUrl: one.baseUrl }, two: { kind, baseUrl: two.baseUrl } };
  return { bench: startBench(t, { providers, ...options }), one, two };
}

describe('the tokens of a chat', () => {
  it('are counted by Anthropic, who is told what has tokens and nothing else; it is no run and costs nothing', async (t) => {
    const { bench, one, two } = await start(t);
    one.script(counts(2_095));
    const call = bench.call({
      max_completion_tokens: 50,
      temperature: 0.5,
      stop: ['END'],
      user: 'u',
      stream: true,
      stream_options: { include_usage: true },
      service_tier: 'auto',
      thinking: { type: 'enabled', budget_tokens: 2_000 },
      tools: [{ type: 'function', function: { name: 'w' } }],
    });
    assert.deepEqual(await bench.gateway.countTokens(call), counted(2_095));
    const [asked] = one.received;
    assert.equal(asked?.path, '/v1/messages/count_tokens');
    assert.deepEqual(asked.body, {
      model: 'test-model',
      messages: [{ role: 'user', content: 'Are you well?' }],
      thinking: { type: 'enabled', budget_tokens: 2_000 },
      tools: [{ name: 'w', input_schema: { type: 'object', properties: {} } }],
    });
    assert.deepEqual([two.received, bench.runs, bench.attempts, bench.ledger], [[], [], [], []]);
  });

  const FAILURES: readonly (readonly [name: string, Behaviour])[] = [
    ['fails', refusesMessage(529, 'overloaded_error', 'Overloaded')],
    ['limits the rate', refusesMessage(429, 'rate_limit_error', 'Later')],
    ['refuses the key', refusesMessage(401, 'authentication_error', 'No')],
    ['does not count', answersHtml(404)],
    ['gives no number', counts('many')],
    ['gives less than none', counts(-1)],
    ['resets', resets],
  ];
  for (const [name, behaviour] of FAILURES)
    it(`are counted by another where one ${name}, and estimated where all do; its answers are not blamed`, async (t) => {
      const { bench, one, two } = await start(t);
      one.otherwise = behaviour;
      two.script(counts(7), behaviour);
      assert.deepEqual(await bench.gateway.countTokens(bench.call()), counted(7, 'two'));
      assert.deepEqual(await bench.gateway.countTokens(bench.call()), ESTIMATE);
      const alone = { ...bench.call(), preferences: { fallback: false } };
      assert.deepEqual(await bench.gateway.countTokens(alone), ESTIMATE);
      assert.equal(two.received.length, 2, 'nor is another asked for who wants none');
      assert.equal(bench.breakers.get('provider:one/test-model').counts().failures, 0);
    });

  it('are estimated where Anthropic is silent, within ten seconds, and it is let go; also where its circuit is open', async (t) => {
    const { bench, one, two } = await start(t);
    one.otherwise = neverAnswers;
    const asked = bench.gateway.countTokens(bench.call());
    await until('it is asked', () => one.received.length === 1);
    await bench.clock.advance(10_000);
    assert.deepEqual(await asked, ESTIMATE);
    await until('it is let go', () => one.received[0]?.aborted === true);
    assert.equal(bench.breakers.get('provider:one').counts().failures, 1);
    bench.breakers.get('provider:one').forceOpen({ by: 'test', reason: 'away' });
    two.otherwise = counts(7);
    assert.deepEqual(await bench.gateway.countTokens(bench.call()), counted(7, 'two'));
    assert.deepEqual([one.received.length, two.received.length], [1, 1]);
  });

  it('are nobody’s where the request is wrong: the caller gets Anthropic’s own reason', async (t) => {
    const { bench, one, two } = await start(t);
    one.script(refusesMessage(400, 'invalid_request_error', 'messages: roles must alternate'));
    await assert.rejects(bench.gateway.countTokens(bench.call()), {
      code: 'upstream_rejected',
      detail: /roles must alternate/,
    });
    assert.equal(two.received.length, 0);
  });

  it('are not waited for by a caller who leaves', async (t) => {
    const { bench, one } = await start(t);
    one.script(neverAnswers);
    const controller = new AbortController();
    const asked = bench.gateway.countTokens(bench.call({}, controller));
    await until('it is asked', () => one.received.length === 1);
    controller.abort(callerGone);
    await assert.rejects(asked, { code: 'cancelled' });
    await until('it is let go', () => one.received[0]?.aborted === true);
    const breaker = bench.breakers.get('provider:one');
    assert.deepEqual([breaker.counts(), breaker.inFlight], [{ failures: 0, calls: 0 }, 0]);
  });

  it('are estimated where another kind answers first, and where a guardrail judges what goes out', async (t) => {
    const [other, one] = [await startUpstream(t), await startUpstream(t)];
    const target = (provider: string) => ({ provider, model: 'test-model' });
    const bench = startBench(t, {
      providers: { other: other.baseUrl, one: { kind: 'anthropic', baseUrl: one.baseUrl } },
      routes: {
        m: { groups: [[target('other')], [target('one')]] },
        both: { groups: [[target('other'), target('one')]] },
        judged: { groups: [[target('one')]], guardrail: { module: '/g.ts', onFailure: 'closed', timeoutMs: 1 } },
      },
    });
    one.otherwise = counts(7);
    for (const model of ['m', 'judged'])
      assert.deepEqual(await bench.gateway.countTokens(bench.call({ model })), ESTIMATE, model);
    assert.deepEqual([other.received, one.received], [[], []]);
    assert.deepEqual(await bench.gateway.countTokens(bench.call({ model: 'both' })), counted(7));
    const preferences = { only: ['one'] };
    assert.deepEqual(await bench.gateway.countTokens({ ...bench.call(), preferences }), counted(7));
  });

  it('cost a request, and neither tokens nor money, whether they are counted or not', async (t) => {
    const seen: unknown[] = [];
    const limits: Limits = {
      admit: ({ estimate }) => {
        seen.push(estimate());
        return Promise.resolve({ standings: [], estimate: estimate(), settle: (spent) => void seen.push(spent) });
      },
      report: () => Promise.resolve({ mode: 'memory', dividedBy: 1, limits: [] }),
      mode: () => ({ mode: 'memory', dividedBy: 1 }),
    };
    const { bench, one } = await start(t, { limits });
    one.script(counts(5), refusesMessage(400, 'invalid_request_error', 'No'));
    await bench.gateway.countTokens(bench.call());
    await assert.rejects(bench.gateway.countTokens(bench.call()));
    const nothing = { tokens: 0, microUsd: 0 };
    assert.deepEqual(seen, [nothing, nothing, nothing, nothing]);
  });
});
