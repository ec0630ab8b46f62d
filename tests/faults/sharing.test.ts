/** Which deployment gets a call: strategies inside a group, and what a caller may wish by headers, held against the route. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { CallerError } from '#core/errors';
import type { CallPreferences } from '#contract/gateway';
import type { Strategy } from '#gateway/settings';
import { answers, gate, neverAnswers, refuses, startUpstream, until } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';
import { plainResult, startBench } from './harness.ts';
import type { Bench, Result } from './harness.ts';

interface Three {
  readonly bench: Bench;
  readonly upstreams: Readonly<Record<'a' | 'b' | 'c', Upstream>>;
}

/** One group of three, or three groups. */
async function startThree(t: TestContext, strategy: Strategy | undefined, grouped = true): Promise<Three> {
  const upstreams = { a: await startUpstream(t), b: await startUpstream(t), c: await startUpstream(t) };
  for (const [name, upstream] of Object.entries(upstreams)) upstream.otherwise = answers(`From ${name}.`);
  const targets = ['a', 'b', 'c'].map((provider) => ({ provider, model: 'test-model' }));
  const bench = startBench(t, {
    providers: Object.fromEntries(Object.entries(upstreams).map(([name, { baseUrl }]) => [name, baseUrl])),
    routes: { m: { groups: grouped ? [targets] : targets.map((target) => [target]), strategy } },
    settings: { retry: { retries: 1, baseMs: 0, maxMs: 0 } },
  });
  return { bench, upstreams };
}

function ask(bench: Bench, preferences: CallPreferences): Promise<Result> {
  return plainResult(bench, { ...bench.call(), preferences });
}

const counts = ({ upstreams: { a, b, c } }: Three): number[] => [a, b, c].map(({ received }) => received.length);

describe('weights', () => {
  it('share the calls of a group, and what has none gets those alone that the others fail', async (t) => {
    const upstreams = [await startUpstream(t), await startUpstream(t), await startUpstream(t)];
    const weights = [1, 3, 0];
    const bench = startBench(t, {
      providers: Object.fromEntries(upstreams.map(({ baseUrl }, at) => [`p${at}`, baseUrl])),
      routes: { m: { groups: [weights.map((weight, at) => ({ provider: `p${at}`, model: 'test-model', weight }))] } },
    });
    for (let call = 0; call < 400; call++) assert.equal((await plainResult(bench)).error, null);
    const [first = 0, second = 0, third] = upstreams.map(({ received }) => received.length);
    // The draws are from a seed: a quarter and three quarters, give or take three standard deviations.
    assert.ok(Math.abs(first - 100) <= 26 && second === 400 - first, `${first} and ${second} of 400`);
    assert.equal(third, 0);
    assert.match(bench.lastRun.attempts[0]?.reason ?? '', /^drawn with weight [13] from 3 in group 1 of 1/);
    for (const upstream of upstreams.slice(0, 2)) upstream.otherwise = refuses(503);
    assert.equal((await plainResult(bench)).error, null);
    assert.equal(bench.lastRun.provider, 'p2');
  });
});

describe('least-busy', () => {
  it('gives a call to the deployment with the fewest in flight', async (t) => {
    const three = await startThree(t, 'least-busy');
    const { opened, open } = gate();
    for (const upstream of Object.values(three.upstreams))
      upstream.otherwise = async (exchange) => {
        await opened;
        await answers()(exchange);
      };
    const results: Promise<Result>[] = [];
    for (let call = 1; call <= 9; call++) {
      results.push(plainResult(three.bench));
      await until('it is asked', () => counts(three).reduce((sum, count) => sum + count) === call);
    }
    assert.deepEqual(counts(three), [3, 3, 3]);
    open();
    await Promise.all(results);
    assert.match(three.bench.lastRun.attempts[0]?.reason ?? '', /least busy of 3/);
  });
});

describe('least-latency', () => {
  it('tries each deployment, then keeps to the fastest, and comes back to a slow one after a while', async (t) => {
    const three = await startThree(t, 'least-latency');
    const { bench, upstreams } = three;
    const tookMs = { a: 400, b: 100, c: 300 };
    /** Each upstream answers once the clock has moved by its time. */
    async function call(): Promise<void> {
      const before = counts(three);
      const gates = gate();
      for (const [name, upstream] of Object.entries(upstreams))
        upstream.otherwise = async (exchange) => {
          await gates.opened;
          await answers(`From ${name}.`)(exchange);
        };
      const result = plainResult(bench);
      await until('one is asked', () => counts(three).some((count, at) => count > (before[at] ?? 0)));
      const at = counts(three).findIndex((count, index) => count > (before[index] ?? 0));
      await bench.clock.advance(Object.values(tookMs)[at] ?? 0);
      gates.open();
      await result;
    }
    for (let n = 0; n < 3; n++) await call();
    assert.deepEqual(counts(three), [1, 1, 1]);
    for (let n = 0; n < 5; n++) await call();
    assert.deepEqual(counts(three), [1, 6, 1]);
    tookMs.b = 2_000;
    await call();
    await call();
    assert.deepEqual(counts(three), [1, 7, 2], 'one slow answer is enough to leave it');
    await bench.clock.advance(60_000);
    for (let n = 0; n < 3; n++) await call();
    assert.ok(
      counts(three).every((count, at) => count > ([1, 7, 2][at] ?? 0)),
      'what was slow is given another chance',
    );
  });
});

describe('what a caller wishes', () => {
  it('is tried first in the order that it names, providers and deployments alike, the rest after them', async (t) => {
    const three = await startThree(t, undefined, false);
    for (const upstream of Object.values(three.upstreams)) upstream.otherwise = refuses(503);
    await ask(three.bench, { order: ['c', 'b/test-model'] });
    assert.deepEqual(
      three.bench.lastRun.attempts.slice(0, 3).map(({ provider }) => provider),
      ['c', 'b', 'a'],
    );
  });

  it('is kept to where it says "only", also when they fail', async (t) => {
    const three = await startThree(t, undefined, false);
    three.upstreams.b.otherwise = refuses(404, { message: 'no such model' });
    assert.notEqual((await ask(three.bench, { only: ['b'] })).error, null);
    assert.deepEqual(counts(three), [0, 1, 0]);
  });

  it('asks one deployment where it wants no fallback, which may be asked again', async (t) => {
    const three = await startThree(t, undefined, false);
    three.upstreams.a.script(refuses(500));
    assert.equal((await ask(three.bench, { fallback: false })).text, 'From a.');
    assert.deepEqual(counts(three), [2, 0, 0]);
    three.upstreams.a.script(refuses(429, { message: 'slow down' }));
    assert.notEqual((await ask(three.bench, { fallback: false })).error, null);
    assert.deepEqual(counts(three), [3, 0, 0]);
  });

  it('is refused where it names what the route does not have, and nobody is asked', async (t) => {
    const three = await startThree(t, undefined, false);
    for (const preferences of [{ order: ['a', 'elsewhere'] }, { only: ['http://169.254.169.254/'] }]) {
      const { error } = await ask(three.bench, preferences);
      assert.ok(error instanceof CallerError && error.code === 'bad_request');
      assert.match(error.detail, /it has: a\/test-model, b\/test-model, c\/test-model/);
    }
    assert.deepEqual(counts(three), [0, 0, 0]);
  });

  it('sets the timers of the call, over the deployment’s, over the route’s', async (t) => {
    const upstream = await startUpstream(t);
    upstream.otherwise = neverAnswers;
    const target = { provider: 'a', model: 'test-model', timeouts: { totalMs: 2_000 } };
    const bench = startBench(t, {
      providers: { a: upstream.baseUrl },
      routes: { m: { groups: [[target]], timeouts: { totalMs: 60_000 } } },
    });
    for (const [preferences, expectedMs] of [
      [{}, 2_000],
      [{ timeouts: { totalMs: 500 } }, 500],
    ] as const) {
      const asked = upstream.received.length;
      const result = ask(bench, preferences);
      await until('it is asked', () => upstream.received.length > asked);
      await bench.clock.advance(expectedMs - 1);
      assert.equal(bench.runs.length, bench.attempts.length);
      await bench.clock.advance(2);
      assert.notEqual((await result).error, null);
      assert.ok(Math.abs((bench.lastRun.durationMs ?? 0) - expectedMs) <= 1);
    }
  });
});
