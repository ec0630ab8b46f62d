/** What a call is held against limits with before it is made. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChatRequest } from '#contract/chat';
import type { Provider } from '#contract/provider';
import { Deployment } from './deployment.ts';
import { estimateOf } from './estimate.ts';
import { Prices } from './prices.ts';
import type { PriceSettings } from './prices.ts';

const never = (): never => assert.fail('an estimate asks no upstream');
const provider: Provider = {
  name: 'own',
  kind: 'test',
  address: 'http://127.0.0.1:1/v1',
  prefill: false,
  complete: never,
  stream: never,
  models: never,
  close: never,
};

/** Of a call of at most ten tokens on a route over these models. */
function microUsdOf(models: readonly string[], prices: PriceSettings, answerTokens = 6): number {
  const choices = models.map((model) => ({ deployment: new Deployment(provider, model), weight: 1, timeouts: {} }));
  const request: ChatRequest = { model: 'any', messages: [{ role: 'user', content: '' }], max_tokens: answerTokens };
  return estimateOf({ request }, { groups: [choices] }, new Prices(prices)).microUsd;
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

  it('is no less where a caller allows more tokens than can be reckoned with', () => {
    const prices = { 'own/*': { inputUsd: 1, outputUsd: 10 } };
    const most = microUsdOf(['a'], prices, 10_000_000);
    assert.equal(most, 100_000_004);
    for (const tokens of [10_000_001, 1_000_000_000, Number.MAX_SAFE_INTEGER])
      assert.equal(microUsdOf(['a'], prices, tokens), most);
  });

  it('is that of the listed tier where a caller asks for another, whose price nobody knows', () => {
    const openai = { ...provider, address: 'https://api.openai.com/v1' };
    const groups = [[{ deployment: new Deployment(openai, 'gpt-4o'), weight: 1, timeouts: {} }]];
    const held = [undefined, 'default', 'flex', 'priority'].map((tier) => {
      const request: ChatRequest = { model: 'any', messages: [{ role: 'user', content: '' }], max_tokens: 100 };
      return estimateOf({ request: { ...request, service_tier: tier } }, { groups }, new Prices({})).microUsd;
    });
    assert.deepEqual(held, [1_010, 1_010, 1_010, 1_010]);
  });
});

describe('the tokens that a call may take', () => {
  it('are those of a picture in place of its bytes, and those of what is said beside it', () => {
    const tokensOf = (part: Record<string, unknown>): number => {
      const request: ChatRequest = { model: 'any', messages: [{ role: 'user', content: [part] }], max_tokens: 1 };
      return estimateOf({ request }, null, new Prices({})).tokens;
    };
    const text = 'x'.repeat(30_000);
    const url = `data:image/png;base64,${text}`;
    assert.equal(tokensOf({ type: 'text', text }), 10_005);
    assert.equal(tokensOf({ type: 'image_url', image_url: { url } }), 1_605);
    assert.equal(tokensOf({ type: 'image', source: { type: 'base64', data: text } }), 1_605);
    assert.equal(tokensOf({ type: 'text', text, source: 1 }), 11_605);
  });
});
