/** Callers who wish for less time than the route gives: they get their error, and a healthy deployment stays in service for all others. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CallTimeouts } from '#contract/gateway';
import { answers, gate, neverAnswers, startUpstream, streams, until } from '../helpers/upstream.ts';
import type { Behaviour } from '../helpers/upstream.ts';
import { plainResult, startBench, streamResult } from './harness.ts';
import { hubError } from './told.ts';

const settings = { retry: { retries: 0, baseMs: 0, maxMs: 0 } };
const KEY = 'provider:one/test-model';

interface Case {
  readonly name: string;
  readonly stream: boolean;
  readonly timeouts: Partial<CallTimeouts>;
  readonly afterMs: number;
  readonly outcome: string;
  readonly behaviour?: Behaviour;
}

const stalls = streams(['All'], { ending: 'stall' });
const WISHES: readonly Case[] = [
  { name: 'a total of 50 ms', stream: false, timeouts: { totalMs: 50 }, afterMs: 60, outcome: 'timeout_total' },
  {
    name: 'a total of 50 ms of a stream',
    stream: true,
    timeouts: { totalMs: 50 },
    afterMs: 60,
    outcome: 'timeout_total',
  },
  {
    name: 'a first token in 1 ms',
    stream: true,
    timeouts: { firstTokenMs: 1 },
    afterMs: 5,
    outcome: 'timeout_first_token',
  },
  {
    name: 'no pause over 1 ms',
    stream: true,
    timeouts: { idleMs: 1 },
    afterMs: 5,
    outcome: 'timeout_idle',
    behaviour: stalls,
  },
];
const FAILURES: readonly Case[] = [
  {
    name: 'the route’s own total',
    stream: false,
    timeouts: { totalMs: 600_000 },
    afterMs: 600_000,
    outcome: 'timeout_total',
  },
  {
    name: 'a longer wait for the first token than the route’s, and a total that ends between the two',
    stream: true,
    timeouts: { firstTokenMs: 300_000, totalMs: 120_000 },
    afterMs: 120_000,
    outcome: 'timeout_total',
  },
  { name: 'nothing', stream: true, timeouts: {}, afterMs: 60_000, outcome: 'timeout_first_token' },
];

for (const [blamed, cases] of [
  [false, WISHES],
  [true, FAILURES],
] as const) {
  describe(`a silent deployment ${blamed ? 'is blamed' : 'is not blamed'} where a caller wishes for`, () => {
    for (const { name, stream, timeouts, afterMs, outcome, behaviour = neverAnswers } of cases) {
      it(name, async (t) => {
        const upstream = await startUpstream(t);
        const bench = startBench(t, { providers: { one: upstream.baseUrl }, settings });
        upstream.otherwise = behaviour;
        const ask = stream ? streamResult : plainResult;
        const times = blamed ? 1 : 5;
        for (let call = 0; call < times; call++) {
          const asked = ask(bench, { ...bench.call({ stream }), preferences: { timeouts } });
          const reached = behaviour === stalls ? 'firstTokenMs' : 'connectMs';
          await until(
            `it has its ${reached}`,
            () => typeof bench.running.list()[0]?.attempts[0]?.[reached] === 'number',
          );
          await bench.clock.advance(afterMs);
          assert.equal(hubError((await asked).error).code, 'upstream_timeout');
          assert.equal(bench.lastRun.attempts[0]?.outcome, outcome);
        }
        const { failures } = bench.breakers.get(KEY).counts();
        const [status] = bench.gateway.deployments();
        assert.deepEqual([failures, status?.lastFailure], blamed ? [1, outcome] : [0, null]);
        upstream.otherwise = answers();
        assert.equal((await plainResult(bench)).text, 'All is well.');
      });
    }
  });
}

it('a probe whose caller would not wait gives its place to the next', async (t) => {
  const upstream = await startUpstream(t);
  const bench = startBench(t, { providers: { one: upstream.baseUrl }, settings });
  const breaker = bench.breakers.get(KEY);
  breaker.openFor(1_000);
  await bench.clock.advance(1_000);
  const held = gate();
  upstream.script(async (exchange) => {
    await held.opened;
    await answers()(exchange);
  });
  const asked = plainResult(bench, { ...bench.call(), preferences: { timeouts: { totalMs: 50 } } });
  await until('the upstream has the request', () => upstream.received.length === 1);
  await bench.clock.advance(60);
  assert.equal(hubError((await asked).error).code, 'upstream_timeout');
  held.open();
  for (let call = 0; call < 2; call++) assert.equal((await plainResult(bench)).error, null);
  assert.equal(breaker.state.kind, 'closed');
});
