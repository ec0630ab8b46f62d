/**
 * Callers who leave and callers who read slowly, in every phase of a call: the upstream is let go at once, nobody is blamed, and what
 * nobody reads is not fetched.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { callerGone } from '#contract/gateway';
import { gate, neverAnswers, refuses, startUpstream, streams, until } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';
import { plainResult, startBench, streamResult } from './harness.ts';
import type { Bench } from './harness.ts';

/** Nobody is blamed: no failure in the window, no place taken, the run says cancelled. */
async function assertNobodyBlamed(bench: Bench, upstream: Upstream, requests: number): Promise<void> {
  await until('the upstream sees that its client left', () => upstream.received.every(({ aborted }) => aborted));
  assert.equal(upstream.received.length, requests);
  const [breaker] = [...bench.breakers.values()];
  assert.equal(breaker?.counts().failures, 0);
  assert.equal(breaker.inFlight, 0);
  assert.equal(bench.lastRun.status, 'cancelled');
  assert.equal(bench.attempts.at(-1)?.outcome, 'cancelled');
  assert.deepEqual(await plainResult(bench), { text: 'All is well.', error: null });
}

describe('a caller who leaves', () => {
  for (const form of ['plain', 'stream'] as const) {
    it(`cancels the upstream before its first byte (${form})`, async (t) => {
      const upstream = await startUpstream(t);
      upstream.script(neverAnswers);
      const bench = startBench(t, { providers: { one: upstream.baseUrl } });
      const controller = new AbortController();
      const call = bench.call({ stream: form === 'stream' }, controller);
      const result = form === 'stream' ? streamResult(bench, call) : plainResult(bench, call);
      await until('the upstream has the request', () => upstream.received.length === 1);
      controller.abort(callerGone);
      assert.equal((await result).text, '');
      assert.notEqual((await result).error, null);
      await assertNobodyBlamed(bench, upstream, 1);
    });
  }

  it('cancels the upstream in the middle of a stream, whether or not it waits for the next event', async (t) => {
    for (const waiting of [true, false]) {
      const upstream = await startUpstream(t);
      const { opened } = gate();
      upstream.script(streams(['One', ' two'], { gates: { 1: opened } }));
      const bench = startBench(t, { providers: { one: upstream.baseUrl } });
      const controller = new AbortController();
      const { events } = await bench.gateway.stream(bench.call({ stream: true }, controller));
      const iterator = events[Symbol.asyncIterator]();
      // The role, then the first word: what was read up to the commit point.
      await iterator.next();
      await iterator.next();
      const next = waiting ? iterator.next() : undefined;
      controller.abort(callerGone);
      if (next !== undefined) await assert.rejects(next);
      await assertNobodyBlamed(bench, upstream, 1);
    }
  });

  it('ends the pause before a second attempt, and the upstream is not asked again', async (t) => {
    const upstream = await startUpstream(t);
    upstream.script(refuses(500));
    const bench = startBench(t, {
      providers: { one: upstream.baseUrl },
      settings: { retry: { retries: 1, baseMs: 10_000, maxMs: 10_000 } },
    });
    const controller = new AbortController();
    const result = plainResult(bench, bench.call({}, controller));
    await until('the first attempt has failed', () => bench.attempts.length === 1);
    controller.abort(callerGone);
    assert.notEqual((await result).error, null);
    assert.equal(upstream.received.length, 1);
    assert.equal(bench.lastRun.status, 'cancelled');
    await bench.clock.advance(60_000);
    assert.equal(upstream.received.length, 1);
  });

  it('cancels the second attempt when the first has failed, and no third is made', async (t) => {
    const [one, two, three] = [await startUpstream(t), await startUpstream(t), await startUpstream(t)];
    one.script(refuses(500));
    two.script(neverAnswers);
    const bench = startBench(t, { providers: { one: one.baseUrl, two: two.baseUrl, three: three.baseUrl } });
    const controller = new AbortController();
    const result = plainResult(bench, bench.call({}, controller));
    await until('the second attempt is under way', () => two.received.length === 1);
    controller.abort(callerGone);
    assert.notEqual((await result).error, null);
    await until('the second upstream sees that its client left', () => two.received[0]?.aborted === true);
    assert.deepEqual([one.received.length, two.received.length, three.received.length], [1, 1, 0]);
    assert.equal(bench.lastRun.status, 'cancelled');
    assert.deepEqual(
      bench.lastRun.attempts.map(({ outcome }) => outcome),
      ['status', 'cancelled'],
    );
    assert.equal(bench.breakers.get('provider:two/test-model').counts().failures, 0);
  });
});

describe('a caller who reads slowly', () => {
  it('holds back the upstream instead of filling the hub’s memory', async (t) => {
    const upstream = await startUpstream(t);
    const words = Array.from({ length: 400 }, () => 'x'.repeat(64 * 1024));
    upstream.script(streams(words));
    const bench = startBench(t, { providers: { one: upstream.baseUrl } });
    const { events } = await bench.gateway.stream(bench.call({ stream: true }));
    const iterator = events[Symbol.asyncIterator]();
    await iterator.next();
    // Nobody reads; the upstream sends until its socket and the hub's are full, and no further.
    let before = 0;
    let turnsWithout = 0;
    await until('the upstream cannot send on', () => {
      const now = upstream.received[0]?.bytesSent ?? 0;
      turnsWithout = now === before ? turnsWithout + 1 : 0;
      before = now;
      return now > 0 && turnsWithout > 500;
    });
    assert.equal(upstream.received[0]?.finished, false);
    let bytes = 0;
    for await (const data of { [Symbol.asyncIterator]: () => iterator }) bytes += data.length;
    assert.ok(bytes > 400 * 64 * 1024, 'and nothing of it is lost');
    assert.equal(bench.lastRun.status, 'succeeded');
  });
});
