/**
 * The last resort of a route: for every failure of an upstream before the first content, and for nothing that is the caller's own. What the
 * caller saw, what the upstream received, and what the run and the circuit know of it.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { callerGone } from '#contract/gateway';
import type { CallTimeouts } from '#contract/gateway';
import { LimitExceededError } from '#contract/limits';
import { answers, gate, neverAnswers, refuses, startUpstream, until } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';
import { settle } from '../helpers/virtual-clock.ts';
import { FAULTS } from './faults.ts';
import { startBench } from './harness.ts';
import type { Bench, BenchOptions } from './harness.ts';
import { FORMS, askers, hubError, untilStalled } from './told.ts';

const SORRY = 'Back soon.';
const routes = { m: { groups: [[{ provider: 'one', model: 'x' }]], lastResort: { text: SORRY } } };
const settings = { retry: { retries: 0, baseMs: 1, maxMs: 1 } };

async function start(
  t: TestContext,
  options: Partial<BenchOptions> = {},
): Promise<{ bench: Bench; upstream: Upstream }> {
  const upstream = await startUpstream(t);
  return { upstream, bench: startBench(t, { providers: { one: upstream.baseUrl }, routes, settings, ...options }) };
}

for (const form of FORMS) {
  const ask = askers[form];
  const stream = form === 'stream';

  describe(`the last resort (${form})`, () => {
    for (const fault of FAULTS.filter(({ on }) => on === 'both' || on === form)) {
      const begun = fault.text !== undefined;
      it(`${fault.name}: ${begun ? 'never after the first content' : 'it answers, and the run keeps the reason'}`, async (t) => {
        const { bench, upstream } = await start(t);
        upstream.script(fault.behaviour);
        const pending = ask(bench);
        if (fault.waitMs !== undefined) {
          await until('the upstream has the request', () => upstream.received.length === 1);
          if (begun) await untilStalled(bench);
          await bench.clock.advance(fault.waitMs);
        }
        const { text, error } = await pending;
        const { status, errorCode, finishReason, attempts } = bench.lastRun;
        if (begun) {
          assert.deepEqual([text, hubError(error).code, status], [fault.text, fault.code, 'failed']);
        } else {
          assert.deepEqual([text, error], [SORRY, null]);
          assert.deepEqual([status, errorCode, finishReason], ['degraded', fault.code, 'error']);
        }
        assert.deepEqual(
          attempts.map(({ outcome }) => outcome),
          [fault.outcome],
        );
        assert.equal(upstream.received.length, 1);
        await bench.clock.advance(60_000);
        assert.equal((await ask(bench)).text, 'All is well.');
        assert.equal(bench.running.list().length, 0);
      });
    }

    it('answers every call while an upstream is down, whether its circuit is closed, open or probed', async (t) => {
      const { bench } = await start(t, { providers: { one: 'http://127.0.0.1:9/v1' }, breaker: { failures: 3 } });
      const codes = new Set<string>();
      // A minute and a half, a call every nine seconds: from the first failure over an open circuit to probes that fail.
      for (let call = 0; call < 10; call++) {
        assert.deepEqual(await ask(bench), { text: SORRY, error: null });
        assert.equal(bench.lastRun.status, 'degraded');
        codes.add(String(bench.lastRun.errorCode));
        await bench.clock.advance(9_000);
      }
      assert.deepEqual([...codes].toSorted(), ['no_deployment_available', 'upstream_unreachable']);
      assert.equal(bench.breakers.get('provider:one/x').state.kind, 'open');
    });

    it('answers where the only deployment has as many calls as it may have', async (t) => {
      const { bench, upstream } = await start(t, { settings: { ...settings, concurrentMax: 1 } });
      upstream.script(neverAnswers);
      const controller = new AbortController();
      const held = ask(bench, bench.call({ stream }, controller));
      await until('the first call is there', () => upstream.received.length === 1);
      assert.equal((await ask(bench)).text, SORRY);
      assert.deepEqual([bench.lastRun.status, bench.lastRun.errorCode], ['degraded', 'overloaded']);
      controller.abort(callerGone);
      assert.equal(hubError((await held).error).code, 'cancelled', 'who has left is answered nothing');
    });

    const refusals = {
      upstream_rejected: { message: 'No such parameter.', type: 'invalid_request_error' },
      context_length_exceeded: { message: 'Too long.', code: 'context_length_exceeded' },
      content_filtered: { message: 'No.', code: 'content_policy_violation' },
    };
    for (const [code, reason] of Object.entries(refusals))
      it(`is none for ${code}: the caller must change the request`, async (t) => {
        const { bench, upstream } = await start(t);
        upstream.script(refuses(400, reason));
        assert.equal(hubError((await ask(bench)).error).code, code);
        assert.deepEqual([bench.lastRun.status, bench.lastRun.errorCode], ['failed', code]);
      });

    it('is none for a model that the upstream does not have, nor for a wish that the route cannot meet', async (t) => {
      const { bench, upstream } = await start(t);
      upstream.script(refuses(404, { message: 'There is no x.', code: 'model_not_found' }));
      assert.equal(hubError((await ask(bench)).error).code, 'model_not_found');
      const wishing = { ...bench.call({ stream }), preferences: { only: ['two'] } };
      assert.equal(hubError((await ask(bench, wishing)).error).code, 'bad_request');
    });

    it('is none for a limit of the hub’s own', async (t) => {
      const limit = { scope: 'key', id: 'k', measure: 'requests', period: 'minute' } as never;
      const { bench, upstream } = await start(t, {
        limits: {
          admit: () => Promise.reject(new LimitExceededError('One a minute.', limit, [limit])),
          report: () => Promise.resolve({ mode: 'memory', dividedBy: 1, limits: [] }),
          mode: () => ({ mode: 'memory', dividedBy: 1 }),
        },
      });
      assert.equal(hubError((await ask(bench)).error).code, 'rate_limited');
      assert.equal(upstream.received.length, 0);
    });

    it('is none for a time that the caller himself has set, and is for the route’s', async (t) => {
      const wishes: Partial<CallTimeouts>[] = [{ totalMs: 1_000 }, ...(stream ? [{ firstTokenMs: 1_000 }] : [])];
      for (const timeouts of wishes) {
        const { bench, upstream } = await start(t);
        upstream.script(neverAnswers);
        const pending = ask(bench, { ...bench.call({ stream }), preferences: { timeouts } });
        await until('the upstream has the request', () => upstream.received.length === 1);
        await bench.clock.advance(1_000);
        assert.equal(hubError((await pending).error).code, 'upstream_timeout');
      }
      const { bench, upstream } = await start(t);
      upstream.script(neverAnswers);
      const pending = ask(bench, { ...bench.call({ stream }), preferences: { timeouts: { connectMs: 5_000 } } });
      await until('the upstream has the request', () => upstream.received.length === 1);
      await bench.clock.advance(600_000);
      assert.equal((await pending).text, SORRY);
    });

    it('is told to all who share the call, and each of their runs keeps the reason', async (t) => {
      const { bench, upstream } = await start(t, { routes: { m: { ...routes.m, cache: { ttlMs: 60_000 } } } });
      const { opened, open } = gate();
      upstream.script(async (exchange) => {
        await opened;
        await refuses(503)(exchange);
      });
      const all = Array.from({ length: 5 }, () => ask(bench, bench.call({ stream })));
      await until('it is asked', () => upstream.received.length === 1);
      open();
      for (const { text } of await Promise.all(all)) assert.equal(text, SORRY);
      assert.equal(upstream.received.length, 1);
      assert.deepEqual(
        bench.runs.map(({ status, errorCode }) => `${status} ${errorCode}`),
        Array.from({ length: 5 }, () => 'degraded upstream_failed'),
      );
      await settle();
      assert.equal((await ask(bench)).text, 'All is well.', 'and it is not kept');
    });
  });
}

describe('a kept answer past its time', () => {
  it('stands in for no refusal of the request itself', async (t) => {
    const { bench, upstream } = await start(t, {
      routes: { m: { groups: routes.m.groups, cache: { ttlMs: 60_000 } } },
    });
    upstream.otherwise = answers('Kept.');
    await askers.plain(bench);
    bench.clock.jump(70_000);
    upstream.otherwise = refuses(400, { message: 'No.', code: 'content_policy_violation' });
    assert.equal(hubError((await askers.plain(bench)).error).code, 'content_filtered');
  });
});
