/** A request that a provider cannot be told: who answers it instead, and what the caller reads where nobody can. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HubError } from '#core/errors';

import { refuses, startUpstream } from '../helpers/upstream.ts';
import { plainResult, startBench, streamResult } from './harness.ts';

const FORMS = [
  ['plain', plainResult],
  ['stream', streamResult],
] as const;
const settings = { retry: { retries: 0, baseMs: 1, maxMs: 1 } };
const anthropic = (baseUrl: string) => ({ kind: 'anthropic', baseUrl });
const route = (...names: string[]) => ({
  m: { groups: names.map((provider) => [{ provider, model: 'test-model' }]) },
});

for (const [form, ask] of FORMS) {
  describe(`a seed, which Anthropic has none of (${form})`, () => {
    const fields = { seed: 7, stream: form === 'stream' };

    it('is named to the caller where nobody else can take it; nothing is sent, and the circuit learns nothing', async (t) => {
      const one = await startUpstream(t);
      const routes = { m: { ...route('one').m, content: 'full' } } as const;
      const bench = startBench(t, { providers: { one: anthropic(one.baseUrl) }, settings, routes });
      const { error } = await ask(bench, bench.call(fields));
      assert.ok(error instanceof HubError);
      assert.deepEqual([error.code, error.param], ['unsupported_field', 'seed']);
      assert.match(error.detail, /"one" cannot be told seed: /);
      assert.equal(one.received.length, 0);
      assert.deepEqual(bench.contents, [], 'what was given to nobody is not kept');
      assert.deepEqual(
        bench.lastRun.attempts.map(({ outcome, verdict }) => [outcome, verdict]),
        [['untranslatable', 'try_other']],
      );
    });

    it('goes to a provider that understands it', async (t) => {
      const one = await startUpstream(t);
      const two = await startUpstream(t);
      const providers = { one: anthropic(one.baseUrl), two: two.baseUrl };
      const bench = startBench(t, { providers, settings, routes: route('one', 'two') });
      assert.deepEqual(await ask(bench, bench.call(fields)), { text: 'All is well.', error: null });
      assert.deepEqual([one.received.length, two.received[0]?.body['seed']], [0, 7]);
      const { summary } = await bench.gateway.complete(bench.call({ seed: 7 }));
      assert.equal(summary.attempts, 1, 'one was sent');
    });

    it('costs none of the attempts: the fifth deployment answers, and the call earns its retries once', async (t) => {
      const one = await startUpstream(t);
      const good = await startUpstream(t);
      const deaf = anthropic(one.baseUrl);
      let earned = 0;
      const bench = startBench(t, {
        providers: { a: deaf, b: deaf, c: deaf, d: deaf, good: good.baseUrl },
        settings,
        retryBudget: { recordCall: () => void earned++, tryRetry: () => true },
      });
      assert.deepEqual(await ask(bench, bench.call(fields)), { text: 'All is well.', error: null });
      assert.deepEqual([one.received.length, good.received.length, earned], [0, 1, 1]);
      assert.deepEqual(
        bench.lastRun.attempts.map(({ kind, outcome }) => [kind, outcome]),
        [...Array.from({ length: 4 }, () => ['first', 'untranslatable']), ['first', 'succeeded']],
      );
      assert.equal(bench.gateway.deployments()[0]?.lastFailure, null);
    });

    it('earns no retry where nobody could be told', async (t) => {
      const one = await startUpstream(t);
      let earned = 0;
      const retryBudget = { recordCall: () => void earned++, tryRetry: () => true };
      const bench = startBench(t, { providers: { one: anthropic(one.baseUrl) }, settings, retryBudget });
      await ask(bench, bench.call(fields));
      assert.equal(earned, 0);
    });

    for (const order of [
      ['one', 'two'],
      ['two', 'one'],
    ]) {
      it(`leaves the caller the failure of the provider that understood it (${order.join(', then ')})`, async (t) => {
        const one = await startUpstream(t);
        const two = await startUpstream(t);
        two.otherwise = refuses(503);
        const providers = { one: anthropic(one.baseUrl), two: two.baseUrl };
        const bench = startBench(t, { providers, settings, routes: route(...order) });
        const { error } = await ask(bench, bench.call(fields));
        assert.equal(error instanceof HubError && error.code, 'upstream_failed');
        assert.deepEqual([one.received.length, two.received.length], [0, 1]);
      });
    }
  });
}
