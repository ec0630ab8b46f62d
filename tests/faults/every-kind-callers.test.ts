/**
 * For every provider kind: callers who leave while it is tried again or asked beside another, callers who read slowly, and streams that
 * break after their first words with continuation on. Seen from both sides, in the words of the kind's own protocol.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { callerGone } from '#contract/gateway';
import { neverAnswers, until } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';
import { continued, read } from './continued.ts';
import { WORDS } from './faults.ts';
import { startBench } from './harness.ts';
import type { Bench, BenchOptions } from './harness.ts';
import { KINDS, kindAnswers, kindRefuses, kindStreams, providerOf, startKindUpstream } from './kinds.ts';
import type { KindUnderTest } from './kinds.ts';
import { FORMS, askers, untilStalled } from './told.ts';

const HEDGE_AFTER_MS = 500;
const PAUSE_MS = 10_000;

interface Pair {
  readonly bench: Bench;
  readonly one: Upstream;
  readonly two: Upstream;
}

async function startPair(t: TestContext, kind: KindUnderTest, options: Partial<BenchOptions> = {}): Promise<Pair> {
  const [one, two] = [await startKindUpstream(t, kind), await startKindUpstream(t, kind)];
  const prefill = kind.errors.beginning === null ? {} : { prefill: true };
  const providers = { one: providerOf(kind, one), two: { ...providerOf(kind, two), ...prefill } };
  return { bench: startBench(t, { providers, ...options }), one, two };
}

function assertNobodyBlamed(bench: Bench): void {
  assert.equal(bench.lastRun.status, 'cancelled');
  for (const breaker of bench.breakers.values()) assert.equal(breaker.inFlight, 0);
}

for (const kind of KINDS) {
  for (const form of FORMS) {
    describe(`a caller of ${kind.kind} who leaves (${form})`, () => {
      it('in the pause before a second attempt ends it there: the upstream is not asked again', async (t) => {
        const { bench, one } = await startPair(t, kind, {
          routes: { m: { groups: [[{ provider: 'one', model: 'test-model' }]] } },
          settings: { retry: { retries: 1, baseMs: PAUSE_MS, maxMs: PAUSE_MS } },
        });
        one.script(kindRefuses(kind, kind.errors.failed));
        const controller = new AbortController();
        const result = askers[form](bench, bench.call({ stream: form === 'stream' }, controller));
        await until('the first attempt has failed', () => bench.attempts.length === 1);
        controller.abort(callerGone);
        assert.notEqual((await result).error, null);
        await bench.clock.advance(2 * PAUSE_MS);
        assert.equal(one.received.length, 1);
        assertNobodyBlamed(bench);
      });

      it('in its second attempt lets that upstream go, and nobody else is asked', async (t) => {
        const { bench, one, two } = await startPair(t, kind);
        one.script(kindRefuses(kind, kind.errors.failed));
        two.script(neverAnswers);
        const controller = new AbortController();
        const result = askers[form](bench, bench.call({ stream: form === 'stream' }, controller));
        await until('the second attempt is under way', () => two.received.length === 1);
        controller.abort(callerGone);
        assert.notEqual((await result).error, null);
        await until('the second is let go', () => two.received[0]?.aborted === true);
        assert.deepEqual([one.received.length, two.received.length], [1, 1]);
        assertNobodyBlamed(bench);
        assert.equal(bench.breakers.get('provider:two/test-model').counts().failures, 0);
      });

      it('while two are asked beside each other lets both go', async (t) => {
        const groups = ['one', 'two'].map((provider) => [{ provider, model: 'test-model' }]);
        const { bench, one, two } = await startPair(t, kind, {
          routes: { m: { groups, hedge: { afterMs: HEDGE_AFTER_MS } } },
        });
        one.script(neverAnswers);
        two.script(neverAnswers);
        const controller = new AbortController();
        const result = askers[form](bench, bench.call({ stream: form === 'stream' }, controller));
        await until('the first is asked', () => one.received.length === 1);
        await bench.clock.advance(HEDGE_AFTER_MS);
        await until('the second is asked', () => two.received.length === 1);
        controller.abort(callerGone);
        assert.notEqual((await result).error, null);
        await until('both are let go', () => [one, two].every(({ received }) => received[0]?.aborted === true));
        assertNobodyBlamed(bench);
        for (const breaker of bench.breakers.values()) assert.equal(breaker.counts().failures, 0);
      });
    });
  }

  describe(`a stream of ${kind.kind}`, () => {
    it('is not fetched faster than it is read, and nothing of it is lost', async (t) => {
      const { bench, one } = await startPair(t, kind);
      const word = kind.word('x'.repeat(64 * 1024));
      const words = Array.from({ length: 250 }, () => word);
      one.script(kindStreams([kind.opening, ...words, kind.closing('whole'), kind.last]));
      const { events } = await bench.gateway.stream(bench.call({ stream: true }));
      const iterator = events[Symbol.asyncIterator]();
      let bytes = String((await iterator.next()).value).length;
      let before = -1;
      let still = 0;
      await until('the upstream cannot send on', () => {
        const now = one.received[0]?.bytesSent ?? 0;
        still = now === before ? still + 1 : 0;
        before = now;
        return now > 0 && still > 500;
      });
      assert.equal(one.received[0]?.finished, false);
      for await (const data of { [Symbol.asyncIterator]: () => iterator }) bytes += data.length;
      assert.ok(bytes > words.length * 64 * 1024);
      assert.equal(bench.lastRun.status, 'succeeded');
    });

    for (const [name, stalls] of [
      ['is cut', false],
      ['stalls', true],
    ] as const) {
      it(`that ${name} after its first words ends whole, also where the other refuses to go on from them`, async (t) => {
        const { bench, one, two } = await startPair(t, kind);
        const parts = [kind.opening, ...WORDS.map(kind.word)];
        one.script(kindStreams(parts, { after: ({ cut }) => (stalls ? undefined : cut()) }));
        const { beginning } = kind.errors;
        if (beginning !== null) two.script(kindRefuses(kind, beginning));
        two.otherwise = kindAnswers(kind, ['All', ' is', ' well.']);
        const reading = read(bench, continued(bench));
        if (stalls) {
          await until('the upstream has the request', () => one.received.length === 1);
          await untilStalled(bench);
          await bench.clock.advance(30_000);
        }
        const { text, restarts, finish, error } = await reading;
        assert.deepEqual(
          { text, restarts, finish, error },
          { text: 'All is well.', restarts: 1, finish: 'stop', error: null },
        );
        assert.deepEqual([one.received.length, two.received.length], [1, beginning === null ? 1 : 2]);
        if (stalls) await until('the silent one is let go', () => one.received[0]?.aborted === true);
        assert.equal(bench.lastRun.status, 'succeeded');
        assert.equal(bench.lastRun.provider, 'two');
      });
    }
  });
}
