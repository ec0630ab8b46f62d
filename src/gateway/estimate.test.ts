/** What a call is held against limits with before it is made. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RunCall } from '#contract/gateway';
import { estimateOf } from './estimate.ts';
import { Prices } from './prices.ts';
import type { PriceSettings } from './prices.ts';
import type { Route } from './route.ts';

/** Of a call of at most ten tokens on a route over these models of one provider. */
function microUsdOf(models: readonly string[], prices: PriceSettings): number {
  const deployments = models.map((model) => ({
    deployment: { id: `own/${model}`, model, provider: { name: 'own', address: 'http://127.0.0.1:1/v1' } },
  }));
  const call = { request: { model: 'any', messages: [{ role: 'user', content: '' }], max_tokens: 6 } };
  return estimateOf(call as unknown as RunCall, { groups: [deployments] } as unknown as Route, new Prices(prices))
    .microUsd;
}

describe('the money that a call may take', () => {
  it('is that of the dearest model which may answer', () => {
    const prices = { 'own/a': { inputUsd: 1, outputUsd: 1 }, 'own/b': { inputUsd: 2, outputUsd: 2 } };
    assert.equal(microUsdOf(['a', 'b'], prices), 20);
  });

  it('is the least there is where nobody knows the price, so that a spent budget refuses it, and none where it is free', () => {
    assert.equal(microUsdOf(['a'], {}), 1);
    assert.equal(microUsdOf(['a'], { 'own/*': { inputUsd: 0, outputUsd: 0 } }), 0);
    assert.equal(microUsdOf([], {}), 0);
  });
});
