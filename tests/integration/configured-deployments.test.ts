/** Which deployments a gateway counts before anybody called one. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '#core/clock';
import { systemRandom } from '#core/random';
import { createProvider } from '#providers/index';
import { Router } from '#gateway/route';

it('counts every deployment whose model is configured from the start, and one that a caller names from its first call', () => {
  const provider = createProvider('simulator', {}, { name: 'p', clock: systemClock, random: systemRandom });
  const router = new Router(
    {
      exact: { groups: [[{ provider: 'p', model: 'one' }]] },
      'gpt-*': { groups: [[{ provider: 'p', model: 'two' }], [{ provider: 'p', model: 'one' }]] },
      'p/*': { groups: [[{ provider: 'p' }]] },
      'v-*': { groups: [[{ provider: 'p', model: '*-large' }]] },
    },
    new Map([['p', provider]]),
  );
  const ids = (): string[] => router.deployments.list().map(({ id }) => id);
  assert.deepEqual(ids(), ['p/one', 'p/two']);
  router.require('gpt-any');
  assert.deepEqual(ids(), ['p/one', 'p/two']);
  router.require('p/three');
  assert.deepEqual(ids(), ['p/one', 'p/two', 'p/three']);
});
