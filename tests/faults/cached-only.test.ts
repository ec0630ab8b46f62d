/** A caller who wants nothing but a kept answer (`only-if-cached`): no upstream is asked for him. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HubError } from '#core/errors';
import { settle } from '../helpers/virtual-clock.ts';
import { plainResult, startCached, streamResult } from './harness.ts';

describe('a caller who wants nothing but what is kept', () => {
  for (const [what, cache] of [
    ['a route that is cached', {}],
    ['a route that is not', undefined],
  ] as const)
    it(`has no upstream asked for him, on ${what}`, async (t) => {
      for (const ask of [plainResult, streamResult]) {
        const { bench, upstream } = await startCached(t, {
          routes: { m: { groups: [[{ provider: 'a', model: 'test-model' }]], ...(cache && { cache }) } },
        });
        const only = async (): Promise<string> => {
          const preferences = { cache: { onlyKept: true } };
          const { error, text } = await ask(bench, { ...bench.call(), preferences });
          return error instanceof HubError ? error.code : text;
        };
        assert.equal(await only(), 'not_cached');
        assert.deepEqual([bench.lastRun.status, bench.lastRun.errorCode], ['failed', 'not_cached']);
        assert.equal(upstream.received.length, 0);
        await ask(bench);
        await settle();
        assert.equal(await only(), cache === undefined ? 'not_cached' : 'All is well.');
        assert.equal(upstream.received.length, 1);
      }
    });
});
