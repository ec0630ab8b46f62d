/**
 * What the gateway does when an upstream fails, over real sockets: what the caller saw, what the upstream received, and that the next
 * healthy call is served. Every fault, plain and streamed.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UpstreamError } from '#core/errors';
import {
  answers,
  answersBody,
  neverAnswers,
  refuses,
  resets,
  startUpstream,
  streams,
  until,
} from '../helpers/upstream.ts';
import { FAULTS, WORDS, rateLimited } from './faults.ts';
import { plainResult, startBench, streamResult } from './harness.ts';
import { FORMS, assertTold, hubError } from './told.ts';

const once = { retry: { retries: 0, baseMs: 1, maxMs: 1 } };

for (const fault of FAULTS) {
  for (const form of FORMS) {
    if (fault.on !== 'both' && fault.on !== form) continue;
    it(`${fault.name}: the ${form} caller gets ${fault.code}, the upstream one request, and the next call is served`, async (t) => {
      const upstream = await startUpstream(t);
      const bench = startBench(t, { providers: { one: upstream.baseUrl }, settings: once });
      await assertTold(bench, upstream, fault, form);
    });
  }
}

describe('what the caller is told', () => {
  it('a rejected request reaches the caller with the provider’s own reason, and no other deployment is asked', async (t) => {
    const [one, two] = [await startUpstream(t), await startUpstream(t)];
    const bench = startBench(t, { providers: { one: one.baseUrl, two: two.baseUrl } });
    const reason = {
      message: 'This model’s maximum context length is 8 tokens.',
      type: 'invalid_request_error',
      code: 'context_length_exceeded',
      param: 'messages',
    };
    for (const ask of [plainResult, streamResult]) {
      one.script(refuses(400, reason));
      const { error } = await ask(bench);
      assert.ok(error instanceof UpstreamError);
      assert.equal(error.code, 'context_length_exceeded');
      assert.match(error.detail, /maximum context length is 8 tokens/);
      assert.equal(error.param, 'messages');
      assert.deepEqual(error.upstreamBody, reason);
    }
    assert.equal(two.received.length, 0);
    assert.equal(bench.breakers.get('provider:one/test-model').counts().failures, 0);
  });

  it('a key that a provider quotes in an error never reaches the caller', async (t) => {
    const upstream = await startUpstream(t);
    const bench = startBench(t, { providers: { one: upstream.baseUrl }, settings: once });
    for (const behaviour of [
      refuses(400, { message: 'Bad key sk-of-the-hub here.' }),
      answersBody({ error: { message: 'sk-of-the-hub', code: 400 } }),
    ]) {
      upstream.script(behaviour);
      const { error } = await plainResult(bench);
      assert.ok(error instanceof UpstreamError);
      assert.doesNotMatch(JSON.stringify([error.detail, error.upstreamBody, error.internal]), /sk-of-the-hub/);
    }
    assert.equal(upstream.received[0]?.headers['authorization'], 'Bearer sk-of-the-hub');
  });

  it('a limit of the upstream’s is told with its Retry-After', async (t) => {
    const upstream = await startUpstream(t);
    const bench = startBench(t, { providers: { one: upstream.baseUrl }, settings: once });
    upstream.script(refuses(429, rateLimited, { 'retry-after': '7' }));
    assert.equal(hubError((await plainResult(bench)).error).retryAfterMs, 7_000);
    const meanwhile = hubError((await plainResult(bench)).error);
    assert.equal(meanwhile.code, 'upstream_rate_limited');
    assert.equal(meanwhile.retryAfterMs, 7_000);
    assert.equal(upstream.received.length, 1);
    await bench.clock.advance(7_000);
    assert.equal((await plainResult(bench)).text, 'All is well.');
  });

  it('an unknown model is refused with the nearest one, and costs no request', async (t) => {
    const upstream = await startUpstream(t);
    const routes = { 'gpt-4o': { groups: [[{ provider: 'one', model: 'x' }]] } };
    const bench = startBench(t, { providers: { one: upstream.baseUrl }, routes });
    const { error } = await plainResult(bench, bench.call({ model: 'gpt-4' }));
    assert.equal(hubError(error).code, 'model_not_found');
    assert.match(hubError(error).detail, /Did you mean "gpt-4o"/);
    assert.equal(bench.lastRun.errorCode, 'model_not_found');
    assert.equal(upstream.received.length, 0);
  });
});

describe('failover', () => {
  const before = FAULTS.filter((fault) => fault.text === undefined && fault.waitMs === undefined);
  for (const fault of before) {
    it(`${fault.name}: another deployment answers, and the caller sees nothing of it`, async (t) => {
      const [one, two] = [await startUpstream(t), await startUpstream(t)];
      const bench = startBench(t, { providers: { one: one.baseUrl, two: two.baseUrl } });
      for (const [form, ask] of [
        ['plain', plainResult],
        ['stream', streamResult],
      ] as const) {
        if (fault.on !== 'both' && fault.on !== form) continue;
        one.script(fault.behaviour);
        const { text, error } = await ask(bench);
        assert.equal(error, null);
        assert.equal(text, 'All is well.');
        assert.equal(bench.lastRun.provider, 'two');
        assert.deepEqual(
          bench.lastRun.attempts.map(({ outcome }) => outcome),
          [fault.outcome, 'succeeded'],
        );
        await bench.clock.advance(60_000);
      }
      assert.equal(one.received.length, two.received.length);
    });
  }

  it('after the first content there is no failover: the second deployment is not asked', async (t) => {
    const [one, two] = [await startUpstream(t), await startUpstream(t)];
    const bench = startBench(t, { providers: { one: one.baseUrl, two: two.baseUrl } });
    one.script(streams(WORDS, { ending: 'cut' }));
    const { text, error } = await streamResult(bench);
    assert.equal(text, 'One two three');
    assert.equal(hubError(error).code, 'upstream_cut');
    assert.equal(two.received.length, 0);
  });

  it('a silent deployment is not tried twice, and another answers within the same call', async (t) => {
    const [one, two] = [await startUpstream(t), await startUpstream(t)];
    const bench = startBench(t, { providers: { one: one.baseUrl, two: two.baseUrl } });
    one.otherwise = neverAnswers;
    const pending = streamResult(bench);
    await until('the first has the request', () => one.received.length === 1);
    await bench.clock.advance(60_000);
    assert.equal((await pending).text, 'All is well.');
    assert.equal(one.received.length, 1);
    assert.equal(two.received.length, 1);
  });

  it('the only deployment is tried again after a pause while its failure may pass, and no more often than the budget of attempts', async (t) => {
    const upstream = await startUpstream(t);
    const bench = startBench(t, { providers: { one: upstream.baseUrl } });
    upstream.script(refuses(503), resets);
    const pending = plainResult(bench);
    for (const tries of [1, 2]) {
      await until(`try ${tries}`, () => bench.attempts.length === tries);
      await bench.clock.advance(2_000);
    }
    assert.equal((await pending).text, 'All is well.');
    assert.equal(upstream.received.length, 3);

    upstream.otherwise = refuses(503);
    const failing = plainResult(bench);
    for (const tries of [4, 5]) {
      await until(`try ${tries}`, () => bench.attempts.length === tries);
      await bench.clock.advance(2_000);
    }
    assert.equal(hubError((await failing).error).code, 'upstream_failed');
    assert.equal(upstream.received.length, 6);
  });

  it('one that asks to be left alone for long keeps nobody from asking another again', async (t) => {
    const [one, two] = [await startUpstream(t), await startUpstream(t)];
    const settings = { retry: { retries: 1, baseMs: 0, maxMs: 2_000 } };
    const bench = startBench(t, { providers: { one: one.baseUrl, two: two.baseUrl }, settings });
    one.otherwise = refuses(503, undefined, { 'retry-after': '60' });
    two.script(resets);
    assert.deepEqual(await plainResult(bench), { text: 'All is well.', error: null });
    assert.deepEqual([one.received.length, two.received.length], [1, 2]);
  });

  it('an empty retry budget means one try', async (t) => {
    const upstream = await startUpstream(t);
    const bench = startBench(t, {
      providers: { one: upstream.baseUrl },
      retryBudget: { recordCall: () => undefined, tryRetry: () => false },
    });
    upstream.otherwise = refuses(500);
    assert.equal(hubError((await plainResult(bench)).error).code, 'upstream_failed');
    assert.equal(upstream.received.length, 1);
  });

  it('four attempts are the most, however many deployments a route has', async (t) => {
    const upstream = await startUpstream(t);
    upstream.otherwise = refuses(500);
    const groups = [1, 2, 3, 4, 5, 6].map((number) => [{ provider: 'one', model: `m${number}` }]);
    const bench = startBench(t, { providers: { one: upstream.baseUrl }, routes: { m: { groups } } });
    assert.equal(hubError((await plainResult(bench)).error).code, 'upstream_failed');
    assert.deepEqual(
      upstream.received.map(({ body }) => body['model']),
      ['m1', 'm2', 'm3', 'm4'],
    );
  });
});

describe('the circuit', () => {
  for (const [form, ask] of [
    ['plain', plainResult],
    ['stream', streamResult],
  ] as const) {
    it(`opens after 5 failures in 30 s, costs no upstream request while open, and closes by itself (${form})`, async (t) => {
      const upstream = await startUpstream(t);
      const bench = startBench(t, { providers: { one: upstream.baseUrl }, settings: once });
      upstream.otherwise = refuses(500);
      for (let call = 0; call < 5; call++) assert.equal(hubError((await ask(bench)).error).code, 'upstream_failed');
      const [fifth] = bench.lastRun.attempts;
      assert.deepEqual(
        [fifth?.breakerState, fifth?.breakerStateAfter],
        ['closed', 'open'],
        'the attempt that opened it',
      );
      assert.equal(bench.breakers.get('provider:one/test-model').state.kind, 'open');

      for (let call = 0; call < 3; call++) {
        const error = hubError((await ask(bench)).error);
        assert.equal(error.code, 'no_deployment_available');
        assert.ok((error.retryAfterMs ?? 0) > 20_000);
      }
      assert.equal(upstream.received.length, 5);
      assert.deepEqual(
        bench.lastRun.attempts.map(({ outcome, breakerState, breakerStateAfter }) => [
          outcome,
          breakerState,
          breakerStateAfter,
        ]),
        [['breaker_open', 'open', 'open']],
      );

      upstream.otherwise = answers();
      await bench.clock.advance(36_000);
      for (let probe = 0; probe < 2; probe++) assert.equal((await ask(bench)).text, 'All is well.');
      assert.equal(bench.breakers.get('provider:one/test-model').state.kind, 'closed');
      assert.equal(upstream.received.length, 7);
    });
  }

  it('answers with the last resort where the route has one, marked as degraded, plain and streamed', async (t) => {
    const upstream = await startUpstream(t);
    const routes = { m: { groups: [[{ provider: 'one', model: 'x' }]], lastResort: { text: 'Back soon.' } } };
    const bench = startBench(t, { providers: { one: upstream.baseUrl }, routes });
    bench.breakers.get('provider:one/x').forceOpen({ by: 'test', reason: 'maintenance' });
    const { body, summary } = await bench.gateway.complete(bench.call());
    assert.deepEqual([summary.degraded, summary.provider, body.choices[0]?.finish_reason], [true, null, 'error']);
    assert.equal(body.choices[0]?.message.content, 'Back soon.');
    assert.equal(bench.lastRun.status, 'degraded');
    const streamed = await bench.gateway.stream(bench.call({ stream: true }));
    assert.equal(streamed.summary.degraded, true);
    const chunks = [];
    for await (const data of streamed.events) chunks.push(JSON.parse(data).choices[0]);
    assert.deepEqual(
      chunks.map(({ delta, finish_reason: finish }) => [delta.content, finish]),
      [
        ['Back soon.', null],
        [undefined, 'error'],
      ],
    );
    assert.equal(upstream.received.length, 0);
  });

  it('a full deployment is passed over, and full ones alone give "overloaded"', async (t) => {
    const upstream = await startUpstream(t);
    const bench = startBench(t, { providers: { one: upstream.baseUrl }, settings: { concurrentMax: 1 } });
    upstream.script(neverAnswers);
    const controller = new AbortController();
    const held = plainResult(bench, bench.call({}, controller));
    await until('the first call is there', () => upstream.received.length === 1);
    assert.equal(hubError((await plainResult(bench)).error).code, 'overloaded');
    assert.equal(upstream.received.length, 1);
    controller.abort();
    await held;
    assert.equal((await plainResult(bench)).text, 'All is well.');
  });
});
