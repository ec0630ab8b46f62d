/** A provider whose `maxConnections` are all taken: a bound of the hub's own, which is not held against the upstream. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { UnavailableError } from '#core/errors';
import { answers, gate, startUpstream, until } from '../helpers/upstream.ts';
import { plainResult, startBench } from './harness.ts';

const KEY = 'provider:a/test-model';

it('calls that wait in vain for a connection go elsewhere, open no circuit, and cost no attempt and earn no retry', async (t) => {
  const upstreams = [await startUpstream(t), await startUpstream(t)] as const;
  const [a, b] = upstreams;
  const busy = gate();
  a.otherwise = async (exchange) => {
    await busy.opened;
    return answers('From a.')(exchange);
  };
  b.otherwise = answers('From b.');
  let earned = 0;
  const bench = startBench(t, {
    providers: { a: { baseUrl: a.baseUrl, maxConnections: 1 }, b: b.baseUrl },
    routes: {
      m: { groups: ['a', 'b'].map((provider) => [{ provider, model: 'test-model' }]) },
      alone: { groups: [[{ provider: 'a', model: 'test-model' }]] },
    },
    settings: { retry: { retries: 0, baseMs: 0, maxMs: 0 }, attemptsMax: 1 },
    retryBudget: { recordCall: () => void earned++, tryRetry: () => true },
    breaker: { failures: 1, minFailureRate: 0 },
  });
  const first = plainResult(bench);
  await until('the one connection is taken', () => a.received.length === 1);
  const second = plainResult(bench);
  const third = plainResult(bench, bench.call({ model: 'alone' }));
  await bench.clock.advance(5_001);
  assert.deepEqual(await second, { text: 'From b.', error: null });
  const { error } = await third;
  assert.ok(error instanceof UnavailableError && error.code === 'overloaded' && error.retryAfterMs !== undefined);
  assert.equal(earned, 1, 'for the second, at b');
  assert.equal(bench.breakers.get(KEY).state.kind, 'closed');
  const given = bench.attempts.map(({ provider, outcome }) => `${provider} ${outcome}`);
  assert.deepEqual(given.toSorted(), ['a bulkhead_full', 'a bulkhead_full', 'b succeeded']);
  busy.open();
  assert.equal((await first).text, 'From a.');
  assert.equal((await plainResult(bench, bench.call({ model: 'alone' }))).text, 'From a.');
  assert.deepEqual([a.received.length, b.received.length], [2, 1]);
});
