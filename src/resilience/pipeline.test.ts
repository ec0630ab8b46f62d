import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { AdaptiveLimit } from './adaptive-limit.ts';
import { Breaker } from './breaker/breaker.ts';
import { BREAKER_DEFAULTS } from './breaker/options.ts';
import { Bulkhead } from './bulkhead.ts';
import type { PipelineOptions } from './pipeline.ts';
import { BrokenCircuitError, CallTimeoutError, OverloadError } from './outcome.ts';
import { pipeline, PipelineBuilder, PipelineOrderError } from './pipeline.ts';
import { RetryBudget } from './retry-budget.ts';
import { verdictOfStatus } from './verdict.ts';

function guarded(options: Partial<typeof BREAKER_DEFAULTS> = {}) {
  const clock = new VirtualClock();
  const breaker = new Breaker('upstream', { ...BREAKER_DEFAULTS, ...options }, { clock, random: { next: () => 0.5 } });
  return { clock, breaker };
}

const never = (): Promise<never> => new Promise(() => undefined);

describe('the order of a pipeline', () => {
  it('is refused where it cannot be right, with the reason and the right one', () => {
    const { breaker } = guarded();
    assert.throws(() => pipeline().breaker(breaker).retry(), PipelineOrderError);
    assert.throws(() => pipeline().breaker(breaker).retry(), /retry\(\) cannot follow breaker\(\): a retry inside/);
    assert.throws(() => pipeline().timeout(10).breaker(breaker), /breaker\(\) cannot follow timeout\(\)/);
    assert.throws(() => pipeline().retry().deadline(10), /a deadline bounds all attempts/);
    assert.throws(() => pipeline().timeout(10).timeout(20), /it is there already\. The order is fallback, deadline/);
    assert.throws(() => pipeline().timeout(0), /timeout is more than 0 ms, not 0/);
    assert.throws(() => pipeline().deadline(Number.NaN), /deadline is more than 0 ms, not NaN/);
  });

  it('refuses numbers that are none or out of bounds, each by its name', () => {
    const wrong: readonly [() => unknown, RegExp][] = [
      [() => pipeline().retry({ attempts: 0 }), /^RangeError: attempts is 1 or more, not 0$/],
      [() => pipeline().retry({ baseMs: Number.NaN }), /^RangeError: baseMs is 0 or more, not NaN$/],
      [() => pipeline().hedge({ delayMs: -1 }), /^RangeError: delayMs is 0 or more, not -1$/],
      [() => pipeline().bulkhead({ waitMs: Number.NaN }), /^RangeError: waitMs is 0 or more, not NaN$/],
      [() => new RetryBudget({ ratio: Number.NaN }), /^RangeError: ratio is from 0 to 1, not NaN$/],
    ];
    for (const [make, message] of wrong)
      assert.throws(() => {
        const made = make();
        if (made instanceof PipelineBuilder) made.build();
      }, message);
  });

  it('builds with every part', async () => {
    const { clock, breaker } = guarded();
    const all = pipeline({ clock })
      .fallback(() => 'instead')
      .deadline(1_000)
      .retry()
      .hedge()
      .breaker(breaker)
      .bulkhead()
      .adaptive()
      .timeout(100)
      .build();
    assert.equal(await all.execute(() => 'well'), 'well');
    assert.deepEqual(breaker.counts(), { failures: 0, calls: 1 });
  });
});

describe('tryExecute and execute', () => {
  it('take sync and async operations alike: a sync undefined is a success, a sync throw is recorded', async () => {
    const { clock, breaker } = guarded();
    const built = pipeline({ clock }).breaker(breaker).build();
    assert.deepEqual(await built.tryExecute(() => undefined), { kind: 'ok', value: undefined, degraded: false });
    assert.equal(await built.execute(async () => 7), 7);
    const error = new Error('sync');
    const outcome = await built.tryExecute(() => {
      throw error;
    });
    assert.equal(outcome.kind === 'failed' && outcome.error, error);
    assert.deepEqual(breaker.counts(), { failures: 1, calls: 3 });
    await assert.rejects(
      built.execute(() => Promise.reject(error)),
      (thrown) => thrown === error,
    );
  });

  it('do not call an open upstream, and say when to come back', async () => {
    const { clock, breaker } = guarded();
    const built = pipeline({ clock }).breaker(breaker).build();
    let calls = 0;
    for (let call = 0; call < 8; call++) {
      await built.tryExecute(() => {
        calls++;
        throw new Error('down');
      });
    }
    assert.equal(calls, 5);
    const refused = await built.tryExecute(never);
    assert.partialDeepStrictEqual(refused, { kind: 'open', key: 'upstream', reason: 'open', retryAfterMs: 30_000 });
    await assert.rejects(built.execute(never), (error) => {
      assert.ok(error instanceof BrokenCircuitError);
      return error.retryAfterMs === 30_000 && /upstream lets no call through/.test(error.message);
    });
  });

  it('take a timeout for the upstream’s failure, and the caller’s abort for nobody’s, whatever it is called', async () => {
    const { clock, breaker } = guarded();
    const built = pipeline({ clock }).breaker(breaker).timeout(100).build();
    const slow = built.tryExecute(never);
    await clock.advance(100);
    assert.deepEqual(await slow, { kind: 'timeout', scope: 'attempt', limitMs: 100 });
    assert.equal(breaker.counts().failures, 1);
    // A caller's reason that looks just like our own timeout is still the caller's.
    const reason = new CallTimeoutError('attempt', 100);
    const controller = new AbortController();
    const left = built.tryExecute(never, { signal: controller.signal });
    controller.abort(reason);
    assert.deepEqual(await left, { kind: 'cancelled', reason });
    assert.deepEqual(breaker.counts(), { failures: 1, calls: 1 });
    // And an AbortError that the operation threw by itself is its failure.
    await built.tryExecute(() => Promise.reject(new DOMException('aborted', 'AbortError')));
    assert.equal(breaker.counts().failures, 2);
    assert.equal(breaker.inFlight, 0);
  });

  it('bound the whole call by the nearer of both deadlines, waits included', async () => {
    const clock = new VirtualClock();
    const built = pipeline({ clock }).deadline(1_000).retry({ idempotent: true }).timeout(700).build();
    const seen: number[] = [];
    const call = built.tryExecute(({ remainingMs }) => {
      seen.push(remainingMs);
      return never();
    });
    await clock.advance(2_000);
    assert.deepEqual(await call, { kind: 'timeout', scope: 'deadline', limitMs: 1_000 });
    assert.equal(seen.length, 2);
    assert.equal(seen[0], 1_000);
    const hurried = built.tryExecute(never, { deadlineMs: 200 });
    await clock.advance(200);
    assert.deepEqual(await hurried, { kind: 'timeout', scope: 'deadline', limitMs: 200 });
    const late = await built.tryExecute(() => assert.fail('called past its deadline'), { deadlineMs: 0 });
    assert.equal(late.kind, 'timeout');
  });

  it('through a circuit that opened meanwhile count nowhere, and any keeps its breaker from being forgotten', async () => {
    const clock = new VirtualClock();
    const breaker = new Breaker('upstream', BREAKER_DEFAULTS, { clock, random: { next: () => 0.5 } });
    const built = pipeline({ clock }).breaker(breaker).build();
    const answer = Promise.withResolvers<string>();
    const late = built.execute(() => answer.promise);
    breaker.openFor(1_000);
    breaker.recover();
    answer.resolve('late');
    assert.equal(await late, 'late');
    assert.equal(breaker.lateResults, 1);
    assert.deepEqual(breaker.counts(), { failures: 0, calls: 0 });
    clock.jump(600_000);
    await built.execute(() => 'well');
    assert.equal(breaker.lateResults, 1);
    clock.jump(60_000);
    assert.equal(breaker.idleFor(600_000), false);
    assert.equal(breaker.idleFor(60_000), true);
  });

  it('do not call for a caller who has left', async () => {
    const built = pipeline().build();
    const signal = AbortSignal.abort(new Error('gone'));
    const outcome = await built.tryExecute(() => assert.fail('called'), { signal });
    assert.equal(outcome.kind, 'cancelled');
    await assert.rejects(
      built.execute(() => 1, { signal }),
      /gone/,
    );
  });

  it('give each operation a signal of its own, where nothing can end the call early', async () => {
    const { clock, breaker } = guarded();
    const built = pipeline({ clock }).breaker(breaker).build();
    const [first, second] = [await built.execute((context) => context), await built.execute((context) => context)];
    assert.deepEqual([first.attempt, first.remainingMs, first.signal.aborted], [1, Infinity, false]);
    assert.notEqual(first.signal, second.signal);
  });

  it('leave no listener and no timer behind, and never abort after success', async () => {
    const clock = new VirtualClock();
    const built = pipeline({ clock }).deadline(5_000).retry().timeout(100).build();
    const controller = new AbortController();
    const signals: AbortSignal[] = [];
    for (let call = 0; call < 100; call++) {
      await built.execute(({ signal }) => signals.push(signal), { signal: controller.signal });
    }
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
    assert.ok(clock.pending <= 2, 'one timer a limit, however many calls');
    await clock.advance(10_000);
    assert.equal(clock.pending, 0);
    controller.abort();
    assert.ok(signals.every(({ aborted }) => !aborted));
  });

  it('refuse what does not fit, without touching the breaker', async () => {
    const { clock, breaker } = guarded();
    const bulkhead = new Bulkhead({ clock, concurrent: 1 });
    const limit = new AdaptiveLimit({ initial: 1 });
    const full = pipeline({ clock }).breaker(breaker).bulkhead(bulkhead).build();
    const shed = pipeline({ clock }).breaker(breaker).adaptive(limit).build();
    const held = Promise.withResolvers<string>();
    const running = [full.tryExecute(() => held.promise), shed.tryExecute(() => held.promise)];
    assert.deepEqual(await full.tryExecute(never), { kind: 'bulkhead', concurrent: 1 });
    assert.deepEqual(await shed.tryExecute(never), { kind: 'shed', limit: 1 });
    await assert.rejects(full.execute(never), OverloadError);
    held.resolve('done');
    await Promise.all(running);
    assert.deepEqual(breaker.counts(), { failures: 0, calls: 2 });
    assert.equal(bulkhead.running + limit.running + breaker.inFlight, 0);
  });

  it('send nobody who waited for a slot to an upstream whose circuit opened meanwhile', async () => {
    const { clock, breaker } = guarded({ failures: 1, probeSuccesses: 1 });
    const bulkhead = new Bulkhead({ clock, concurrent: 1, queue: 3, waitMs: 60_000 });
    const built = pipeline({ clock }).breaker(breaker).bulkhead(bulkhead).build();
    let asked = 0;
    const down = async (): Promise<never> => {
      asked++;
      await clock.sleep(10);
      throw new Error('down');
    };
    const calls = [1, 2, 3, 4].map(() => built.tryExecute(down));
    await clock.advance(100);
    const kinds = (await Promise.all(calls)).map(({ kind }) => kind);
    assert.deepEqual([kinds, asked], [['failed', 'open', 'open', 'open'], 1]);
    assert.deepEqual([breaker.inFlight, bulkhead.running, bulkhead.waiting], [0, 0, 0]);
    clock.jump(30_000);
    assert.equal(await built.execute(() => 'well'), 'well');
    assert.equal(breaker.state.kind, 'closed');
  });

  it('do not call for a caller who leaves in the moment in which he gets his slot', async () => {
    const clock = new VirtualClock();
    const breaker = new Breaker('upstream', BREAKER_DEFAULTS, { clock, random: { next: () => 0.5 } });
    const bulkhead = new Bulkhead({ clock, concurrent: 1, queue: 1 });
    const built = pipeline({ clock }).breaker(breaker).bulkhead(bulkhead).build();
    assert.ok(bulkhead.tryEnter());
    const controller = new AbortController();
    let calls = 0;
    const waiting = built.tryExecute(() => calls++, { signal: controller.signal });
    const reason = new Error('gone');
    bulkhead.leave();
    controller.abort(reason);
    assert.deepEqual(await waiting, { kind: 'cancelled', reason });
    assert.deepEqual([calls, bulkhead.running, breaker.inFlight], [0, 0, 0]);
  });

  it('take for a failure what a judge gives that is no verdict, and hold nothing', async () => {
    const noVerdict: object[] = [() => undefined, async () => verdictOfStatus(200), () => ({ kind: 'good' })];
    for (const judge of noVerdict) {
      const { clock, breaker } = guarded();
      const bulkhead = new Bulkhead({ clock, concurrent: 1 });
      const options: PipelineOptions = { clock };
      // As a caller in JavaScript may.
      Object.assign(options, { judgeValue: judge, judgeError: judge });
      const built = pipeline(options).breaker(breaker).bulkhead(bulkhead).build();
      assert.equal((await built.tryExecute(() => 1)).kind, 'failed');
      assert.equal((await built.tryExecute(() => Promise.reject(new Error('down')))).kind, 'failed');
      assert.deepEqual(breaker.counts(), { failures: 2, calls: 2 });
      assert.deepEqual([breaker.inFlight, bulkhead.running], [0, 0]);
    }
  });

  it('judge values where they are told to, and errors as they are told to', async () => {
    const { clock, breaker } = guarded();
    const built = pipeline({
      clock,
      judgeValue: (value) => verdictOfStatus(typeof value === 'number' ? value : 200),
      judgeError: () => {
        throw new Error('a judge that fails');
      },
    })
      .breaker(breaker)
      .build();
    assert.equal((await built.tryExecute(() => 404)).kind, 'ok');
    const outcome = await built.tryExecute(() => 503);
    assert.equal(outcome.kind, 'failed');
    await assert.rejects(
      built.execute(() => 503),
      /counts as a failure/,
    );
    assert.equal((await built.tryExecute(() => Promise.reject(new Error('x')))).kind, 'failed');
    assert.deepEqual(breaker.counts(), { failures: 3, calls: 4 });
    assert.equal(breaker.inFlight, 0);
  });
});

describe('fallback', () => {
  it('answers whatever went wrong, and marks it', async () => {
    const { clock, breaker } = guarded({ failures: 1 });
    const degraded: string[] = [];
    const built = pipeline({
      clock,
      onEvent: (event) => {
        degraded.push(event.kind === 'call-degraded' ? event.refusal.kind : event.kind);
        throw new Error('a listener that fails');
      },
    })
      .fallback((refusal) => `instead of ${refusal.kind}`)
      .breaker(breaker)
      .build();
    const failed = await built.tryExecute(() => Promise.reject(new Error('down')));
    assert.deepEqual(failed, { kind: 'ok', value: 'instead of failed', degraded: true });
    assert.equal(await built.execute(never), 'instead of open');
    assert.deepEqual(degraded, ['failed', 'open']);
  });

  it('does not answer a caller who left, and its own failure is told', async () => {
    const built = pipeline()
      .fallback(() => {
        throw new Error('the fallback is down too');
      })
      .build();
    const cancelled = await built.tryExecute(never, { signal: AbortSignal.abort(new Error('gone')) });
    assert.equal(cancelled.kind, 'cancelled');
    await assert.rejects(
      built.execute(() => Promise.reject(new Error('down'))),
      /the fallback is down too/,
    );
  });
});
