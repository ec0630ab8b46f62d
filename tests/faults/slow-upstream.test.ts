/**
 * An upstream that was away, is well again, and takes longer for every answer than a probe is waited for, with the hub's own settings:
 * its circuit closes all the same.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { loadConfig } from '#config/index';
import { providerKinds } from '#providers/index';
import { answers, gate, neverAnswers, refuses, startUpstream, streams, until } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';
import { plainResult, startBench } from './harness.ts';
import type { Bench } from './harness.ts';

const { resilience } = loadConfig({ kinds: providerKinds, env: {}, cwd: import.meta.dirname }).config;
const KEY = 'provider:one/test-model';

/** With its circuit open, and the first wait over. */
async function startTripped(t: TestContext): Promise<{ bench: Bench; upstream: Upstream; state: () => string }> {
  const upstream = await startUpstream(t);
  const { breaker, timeouts } = resilience;
  const settings = { timeouts, retry: { retries: 0, baseMs: 0, maxMs: 0 } };
  const bench = startBench(t, { providers: { one: upstream.baseUrl }, breaker, settings });
  upstream.otherwise = refuses(500);
  for (let call = 0; call < breaker.failures; call++) await plainResult(bench);
  const state = (): string => bench.breakers.get(KEY).state.kind;
  assert.equal(state(), 'open');
  await bench.clock.advance(breaker.openMsMax);
  return { bench, upstream, state };
}

describe('an upstream that is well again and slow', () => {
  it('is used again after the first tokens of two streams, which go on for longer than a probe is waited for', async (t) => {
    const { bench, upstream, state } = await startTripped(t);
    const rest = gate();
    upstream.otherwise = streams(['All', ' is', ' well.'], { gates: { 1: rest.opened } });
    const first = await bench.gateway.stream(bench.call({ stream: true }));
    const second = await bench.gateway.stream(bench.call({ stream: true }));
    assert.equal(state(), 'closed');
    await bench.clock.advance(resilience.breaker.openMsMax + 1);
    rest.open();
    for (const { events } of [first, second]) for await (const event of events) assert.ok(event);
    assert.deepEqual(
      bench.runs.slice(-2).map(({ status }) => status),
      ['succeeded', 'succeeded'],
    );
    const { inFlight, lateResults } = bench.breakers.get(KEY);
    assert.deepEqual([inFlight, lateResults, bench.breakers.get(KEY).counts().calls], [0, 0, 2]);
  });

  it('is used again after two plain answers of 40 s each', async (t) => {
    const { bench, upstream, state } = await startTripped(t);
    const due: { at: number; open: () => void }[] = [];
    upstream.otherwise = async (exchange) => {
      const { opened, open } = gate();
      due.push({ at: bench.clock.now() + 40_000, open });
      await opened;
      await answers()(exchange);
    };
    let answered = 0;
    for (let second = 0; second < 120 && state() !== 'closed'; second++) {
      const before = upstream.received.length;
      const well = bench.breakers.get(KEY).inFlight;
      const asked = plainResult(bench).then(({ error }) => error === null && answered++);
      if (bench.breakers.get(KEY).inFlight > well)
        await until('the upstream has the request', () => upstream.received.length > before);
      else await asked;
      await bench.clock.advance(1_000);
      const ready = due.filter(({ at }) => at <= bench.clock.now());
      due.splice(0, ready.length);
      const expected = answered + ready.length;
      for (const { open } of ready) open();
      await until('what was answered has arrived', () => answered === expected);
    }
    assert.equal(state(), 'closed');
    assert.equal(answered, 2);
  });
});

it('an upstream that hangs is probed as seldom as one that fails, and callers are refused meanwhile', async (t) => {
  const { bench, upstream, state } = await startTripped(t);
  upstream.otherwise = neverAnswers;
  const before = upstream.received.length;
  let refused = 0;
  for (let second = 0; second < 300; second++) {
    void plainResult(bench).then(({ error }) => error !== null && refused++);
    await bench.clock.advance(1_000);
  }
  const probes = upstream.received.length - before;
  // As one that fails at once: 30 s apart, a fifth less where the jitter is at its shortest.
  assert.ok(probes <= 300 / 24, `${probes} probes`);
  assert.ok(refused >= 300 - probes);
  assert.notEqual(state(), 'closed');
});
