/** What an attempt cost, to the millionth; and that what is not known has no cost, which is something else than 0. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Provider } from '#contract/provider';
import { Deployment } from './deployment.ts';
import { priceList } from './price-list.ts';
import { Prices } from './prices.ts';
import type { PriceSettings, StatedUsage } from './prices.ts';

const OPENAI = 'https://api.openai.com/v1';

function deploymentOf(model: string, address = OPENAI): Deployment {
  const never = (): never => assert.fail('a price asks no upstream');
  const provider: Provider = {
    name: 'main',
    kind: 'test',
    address,
    prefill: false,
    complete: never,
    stream: never,
    models: never,
    close: never,
  };
  return new Deployment(provider, model);
}

function cost(
  usage: StatedUsage | null | undefined,
  { model = 'gpt-4o', address = OPENAI, settings = {}, tier }: Partial<Parameters> = {},
): number | null {
  return new Prices(settings).usageOf(deploymentOf(model, address), usage, tier).costMicroUsd;
}

interface Parameters {
  model: string;
  address: string;
  settings: PriceSettings;
  tier: string;
}

describe('what an attempt cost', () => {
  it('is input and output at their prices, rounded once to a whole millionth of a dollar', () => {
    assert.equal(cost({ prompt_tokens: 1_000_000, completion_tokens: 1_000_000 }), 12_500_000);
    assert.equal(cost({ prompt_tokens: 3, completion_tokens: 1 }), 18, '7.5 and 10 are 17.5: no part is rounded');
    assert.equal(cost({ prompt_tokens: 7, completion_tokens: 3 }, { model: 'gpt-4o-mini' }), 3, '1.05 and 1.8');
  });

  it('counts what the upstream had cached at its own price, and never more of it than there was', () => {
    const usage = { prompt_tokens: 1_000, completion_tokens: 0, prompt_tokens_details: { cached_tokens: 400 } };
    assert.equal(cost(usage), 600 * 2.5 + 400 * 1.25);
    assert.equal(cost({ ...usage, prompt_tokens_details: { cached_tokens: 5_000 } }), 1_250);
    assert.equal(cost({ ...usage, prompt_tokens_details: null }), 2_500);
    const settings = { 'main/gpt-4o': { inputUsd: 3, outputUsd: 0 } };
    assert.equal(cost(usage, { settings }), 3_000, 'a price without one for cached tokens holds for them too');
  });

  it('of a prompt above its threshold is that of the long price, for the whole call', () => {
    const google = { model: 'gemini-2.5-pro', address: 'https://generativelanguage.googleapis.com/v1beta' };
    assert.equal(cost({ prompt_tokens: 200_000, completion_tokens: 100 }, google), 250_000 + 1_000);
    assert.equal(cost({ prompt_tokens: 200_001, completion_tokens: 100 }, google), Math.round(500_002.5) + 1_500);
  });

  it('is null where the tokens or the price are unknown, and 0 only where the price is', () => {
    const usage = { prompt_tokens: 10, completion_tokens: 10 };
    for (const unknown of [null, undefined, {}, { prompt_tokens: 10 }, { completion_tokens: 10 }])
      assert.equal(cost(unknown), null);
    for (const odd of [-1, 1.5, '10', null, Number.NaN, 2 ** 60])
      assert.equal(cost({ ...usage, prompt_tokens: odd }), null);
    assert.equal(cost(usage, { model: 'no-such-model' }), null);
    assert.equal(cost(usage, { address: 'https://other.example/v1' }), null, 'elsewhere the model has another price');
    assert.equal(cost(usage, { address: 'in this process' }), null);
    for (const tier of ['flex', 'priority']) assert.equal(cost(usage, { tier }), null);
    assert.notEqual(cost(usage, { tier: 'auto' }), null);
    assert.equal(cost(usage, { settings: { 'main/*': { inputUsd: 0, outputUsd: 0 } } }), 0);
  });

  it('of embeddings needs no completion', () => {
    assert.equal(cost({ prompt_tokens: 500, total_tokens: 500 }, { model: 'text-embedding-3-small' }), 10);
  });

  it('is that of the model itself or a dated version of it, never that of another name that begins alike', () => {
    const usage = { prompt_tokens: 1_000, completion_tokens: 0 };
    const of = (model: string): number | null => cost(usage, { model });
    assert.deepEqual([of('gpt-4o'), of('gpt-4o-2024-11-20'), of('gpt-4o-latest')], [2_500, 2_500, 2_500]);
    assert.equal(of('gpt-4o-2024-05-13'), 5_000, 'a version with a line of its own');
    assert.deepEqual([of('gpt-4o-audio-preview'), of('gpt-4o-realtime'), of('gpt-5-pro')], [null, null, null]);
  });

  it('follows the settings before the list: the exact name, then the longest pattern, whatever the tier', () => {
    const price = (inputUsd: number) => ({ inputUsd, outputUsd: 0 });
    const settings = { '*': price(1), 'main/*': price(2), 'main/gpt-4o*': price(3), 'main/gpt-4o': price(4) };
    const usage = { prompt_tokens: 1_000_000, completion_tokens: 5 };
    const of = (model: string): number | null => cost(usage, { model, settings, tier: 'flex' });
    assert.deepEqual([of('gpt-4o'), of('gpt-4o-mini'), of('o3')], [4_000_000, 3_000_000, 2_000_000]);
    const told = new Prices(settings).usageOf(deploymentOf('o3'), usage, undefined);
    assert.equal(told.priceSource, 'settings');
  });

  it('tells its tokens and where the price is from, and names no source where there is no cost', () => {
    const usage = { prompt_tokens: 10, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 4 } };
    const known = new Prices({}).usageOf(deploymentOf('gpt-4o'), usage, undefined);
    assert.deepEqual(
      { ...known, priceSource: '' },
      {
        promptTokens: 10,
        completionTokens: 2,
        cachedTokens: 4,
        costMicroUsd: 40,
        priceSource: '',
      },
    );
    assert.match(known.priceSource ?? '', /^https:\S+ \d{4}-\d\d-\d\d$/);
    const unknown = new Prices({}).usageOf(deploymentOf('other'), usage, undefined);
    assert.deepEqual([unknown.promptTokens, unknown.costMicroUsd, unknown.priceSource], [10, null, null]);
  });
});

it('every line of the list has a page, a date and prices that are exact in millionths, once a model', () => {
  const seen = new Set<string>();
  for (const { vendor, model, source, date, longPrompt, ...short } of priceList) {
    assert.ok(!seen.has(`${vendor}/${model}`), `${model} is there twice`);
    seen.add(`${vendor}/${model}`);
    assert.match(`${source} ${date}`, /^https:\/\/\S+ 20\d\d-\d\d-\d\d$/);
    for (const { inputUsd, cachedInputUsd = inputUsd, outputUsd } of longPrompt === undefined
      ? [short]
      : [short, longPrompt]) {
      assert.ok(inputUsd > 0 && outputUsd >= 0 && cachedInputUsd <= inputUsd, model);
      for (const usd of [inputUsd, cachedInputUsd, outputUsd])
        assert.ok(Math.abs(usd * 1e6 - Math.round(usd * 1e6)) < 1e-6, `${model}: ${usd}`);
    }
  }
  assert.ok(seen.size > 30);
});
