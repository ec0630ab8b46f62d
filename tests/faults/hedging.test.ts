/**
 * A slow first deployment and another asked beside it: the first good answer wins, the other is let go and blamed for nothing, and the
 * whole stays within the budgets. Time is virtual: what is slow here is silent.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { callerGone } from '#contract/gateway';
import { answers, gate, neverAnswers, refuses, startUpstream, streams, until } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';
import { plainResult, startBench, streamResult } from './harness.ts';
import type { Bench, BenchOptions } from './harness.ts';

const AFTER_MS = 500;

interface Trio {
  readonly bench: Bench;
  readonly one: Upstream;
  readonly two: Upstream;
}

async function startHedged(t: TestContext, options: Partial<BenchOptions> = {}): Promise<Trio> {
  const [one, two] = [await startUpstream(t), await startUpstream(t)];
  const groups = ['one', 'two'].map((provider) => [{ provider, model: 'test-model' }]);
  const bench = startBench(t, {
    providers: { one: one.baseUrl, two: two.baseUrl },
    routes: { m: { groups, hedge: { afterMs: AFTER_MS } } },
    ...options,
  });
  return { bench, one, two };
}

async function untilAsked(upstream: Upstream): Promise<void> {
  await until('the upstream is asked', () => upstream.received.length === 1);
}

const kindsAndOutcomes = (bench: Bench): string[][] =>
  bench.lastRun.attempts.map(({ kind, outcome }) => [kind, outcome]);

describe('a hedged call', () => {
  for (const form of ['plain', 'stream'] as const) {
    const ask = (bench: Bench) => (form === 'plain' ? plainResult(bench) : streamResult(bench));

    it(`asks one deployment while it answers in time (${form})`, async (t) => {
      const { bench, one, two } = await startHedged(t);
      assert.deepEqual(await ask(bench), { text: 'All is well.', error: null });
      assert.deepEqual([one.received.length, two.received.length], [1, 0]);
      assert.equal(bench.clock.pending, 0);
    });

    it(`asks a second one beside a silent first, whose answer is given; the first is let go, not blamed (${form})`, async (t) => {
      const { bench, one, two } = await startHedged(t);
      one.script(neverAnswers);
      two.script(answers('From two.'));
      const result = ask(bench);
      await untilAsked(one);
      await bench.clock.advance(AFTER_MS - 1);
      assert.equal(two.received.length, 0);
      await bench.clock.advance(1);
      assert.deepEqual(await result, { text: 'From two.', error: null });
      await until('the first is let go', () => one.received[0]?.aborted === true);
      assert.deepEqual(kindsAndOutcomes(bench), [
        ['first', 'superseded'],
        ['hedge', 'succeeded'],
      ]);
      const breaker = bench.breakers.get('provider:one/test-model');
      assert.deepEqual([breaker.counts().failures, breaker.inFlight], [0, 0]);
      assert.equal(bench.clock.pending, 0);
    });

    it(`gives the first one’s answer where that comes after all, and lets the second go (${form})`, async (t) => {
      const { bench, one, two } = await startHedged(t);
      const { opened, open } = gate();
      one.script(async (exchange) => {
        await opened;
        await answers('From one.')(exchange);
      });
      two.script(neverAnswers);
      const result = ask(bench);
      await untilAsked(one);
      await bench.clock.advance(AFTER_MS);
      await untilAsked(two);
      open();
      assert.deepEqual(await result, { text: 'From one.', error: null });
      await until('the second is let go', () => two.received[0]?.aborted === true);
      assert.deepEqual(kindsAndOutcomes(bench), [
        ['first', 'succeeded'],
        ['hedge', 'superseded'],
      ]);
    });

    it(`waits for the other where one fails, and falls back where both do (${form})`, async (t) => {
      const { bench, one, two } = await startHedged(t, { settings: { retry: { retries: 1, baseMs: 0, maxMs: 0 } } });
      const { opened, open } = gate();
      one.script(async (exchange) => {
        await opened;
        await refuses(500)(exchange);
      });
      two.script(refuses(503));
      for (const upstream of [one, two]) upstream.otherwise = answers('In the end.');
      const result = ask(bench);
      await untilAsked(one);
      await bench.clock.advance(AFTER_MS);
      await untilAsked(two);
      await until('the second has failed', () => bench.attempts.length === 1);
      assert.equal(one.received.length, 1, 'nobody else is asked while the first still may answer');
      open();
      await until('both have failed', () => bench.attempts.length >= 2);
      await bench.clock.advance(1);
      assert.deepEqual(await result, { text: 'In the end.', error: null });
    });

    it(`leaves no attempt behind when the caller leaves during the hedge (${form})`, async (t) => {
      const { bench, one, two } = await startHedged(t);
      one.script(neverAnswers);
      two.script(neverAnswers);
      const controller = new AbortController();
      const call = bench.call({ stream: form === 'stream' }, controller);
      const result = form === 'plain' ? plainResult(bench, call) : streamResult(bench, call);
      await untilAsked(one);
      await bench.clock.advance(AFTER_MS);
      await untilAsked(two);
      controller.abort(callerGone);
      assert.notEqual((await result).error, null);
      await until('both are let go', () => [one, two].every(({ received }) => received[0]?.aborted === true));
      assert.deepEqual(kindsAndOutcomes(bench), [
        ['first', 'cancelled'],
        ['hedge', 'cancelled'],
      ]);
      for (const breaker of bench.breakers.values())
        assert.deepEqual([breaker.counts().failures, breaker.inFlight], [0, 0]);
      assert.equal(bench.clock.pending, 0);
    });
  }

  it('is refused by both where one says that nobody would take the request', async (t) => {
    const { bench, one, two } = await startHedged(t);
    one.script(neverAnswers);
    two.script(refuses(400, { message: 'bad tool', type: 'invalid_request_error' }));
    const result = plainResult(bench);
    await untilAsked(one);
    await bench.clock.advance(AFTER_MS);
    assert.match(String((await result).error), /bad tool/);
    await until('the first is let go', () => one.received[0]?.aborted === true);
  });

  it('is not hedged without leave of the retry budget, nor beyond the attempts of a request', async (t) => {
    for (const refusal of [
      { retryBudget: { recordCall: () => undefined, tryRetry: () => false } },
      { settings: { attemptsMax: 1 } },
    ]) {
      const { bench, one, two } = await startHedged(t, refusal);
      const { opened, open } = gate();
      one.script(streams(['Late.'], { before: opened }));
      const result = streamResult(bench);
      await untilAsked(one);
      await bench.clock.advance(10 * AFTER_MS);
      assert.equal(two.received.length, 0);
      open();
      assert.deepEqual(await result, { text: 'Late.', error: null });
    }
  });

  it('counts the time that two waited beside each other once', async (t) => {
    const { bench, one, two } = await startHedged(t);
    one.script(neverAnswers);
    const { opened, open } = gate();
    two.script(async (exchange) => {
      await opened;
      await answers()(exchange);
    });
    const result = plainResult(bench);
    await untilAsked(one);
    await bench.clock.advance(AFTER_MS);
    await untilAsked(two);
    await bench.clock.advance(1_000);
    open();
    await result;
    assert.equal(bench.lastRun.durationMs, AFTER_MS + 1_000);
    assert.equal(bench.lastRun.overheadMs, 0);
  });
});
