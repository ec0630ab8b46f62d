/** Answers that are kept past their time, for what they may stand in for. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answers, gate, refuses, resets, until } from '../helpers/upstream.ts';
import { settle } from '../helpers/virtual-clock.ts';
import { plainResult, startCached, streamResult } from './harness.ts';

describe('an answer past its time', () => {
  it('stands in for an upstream that fails, marked as such, and is replaced when the upstream is back', async (t) => {
    const { bench, upstream } = await startCached(t);
    upstream.otherwise = answers('Kept.');
    await plainResult(bench);
    bench.clock.jump(70_000);
    for (const [name, fault] of Object.entries({ '500': refuses(500), '429': refuses(429), reset: resets })) {
      upstream.otherwise = fault;
      const whole = await bench.gateway.complete(bench.call());
      assert.deepEqual([whole.body.choices[0]?.message.content, whole.summary.degraded], ['Kept.', true], name);
      assert.equal(whole.summary.cache?.status, 'stale');
      assert.ok((whole.summary.cache?.ageMs ?? 0) >= 70_000);
      assert.equal(bench.lastRun.status, 'degraded');
      assert.equal(bench.lastRun.answered?.by, 'stale');
      assert.equal((await streamResult(bench)).text, 'Kept.');
    }
    await settle();
    bench.clock.jump(60_000);
    upstream.otherwise = answers('Back.');
    assert.equal((await plainResult(bench)).text, 'Back.');
    assert.equal(bench.lastRun.status, 'succeeded');
  });

  for (const [what, kept, by] of [
    ['a copy', true, ['stale', 'stale', 'stale']],
    ['a last resort', false, [undefined, 'shared', 'shared']],
  ] as const)
    it(`or ${what}: stands in for all who share the call that failed, and each run says what it is`, async (t) => {
      const groups = [[{ provider: 'a', model: 'test-model' }]];
      const routes = { m: { groups, cache: {}, lastResort: { text: 'Later.' } } };
      const { bench, upstream } = await startCached(t, { routes });
      if (kept) await plainResult(bench);
      bench.runs.length = 0;
      bench.clock.jump(400_000);
      const { opened, open } = gate();
      const asked = upstream.received.length;
      upstream.otherwise = async (exchange) => {
        await opened;
        await refuses(500)(exchange);
      };
      const answered = Array.from({ length: 3 }, () => bench.gateway.complete(bench.call()));
      await until('it is asked', () => upstream.received.length > asked);
      open();
      for (const { body, summary } of await Promise.all(answered)) {
        assert.equal(body.choices[0]?.message.content, kept ? 'All is well.' : 'Later.');
        assert.deepEqual([summary.degraded, summary.cache?.status === 'stale'], [true, kept]);
      }
      assert.ok(bench.runs.every(({ status }) => status === 'degraded'));
      assert.deepEqual(
        bench.runs.map((run) => run.answered?.by),
        by,
      );
    });

  it('stands in for no mistake of the caller, and never after its time for that', async (t) => {
    const groups = [[{ provider: 'a', model: 'test-model' }]];
    const { bench, upstream } = await startCached(t, { routes: { m: { groups, cache: { staleOnErrorMs: 100_000 } } } });
    await plainResult(bench);
    bench.clock.jump(350_000);
    upstream.otherwise = refuses(400);
    assert.match(String((await plainResult(bench)).error), /400|refused/);
    upstream.otherwise = refuses(500);
    assert.equal((await plainResult(bench)).error, null);
    bench.clock.jump(200_000);
    assert.notEqual((await plainResult(bench)).error, null);
  });
});
