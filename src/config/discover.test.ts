/** Where an Ollama is looked for, and what becomes of one that answered. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { discoverProviders, ollamaAddress } from './discover.ts';

describe('the address of a local Ollama', () => {
  for (const [given, address] of [
    [undefined, 'http://127.0.0.1:11434'],
    ['', 'http://127.0.0.1:11434'],
    ['0.0.0.0', 'http://127.0.0.1:11434'],
    ['0.0.0.0:8080', 'http://127.0.0.1:8080'],
    ['[::]:8080', 'http://127.0.0.1:8080'],
    ['[::1]', 'http://[::1]:11434'],
    [':8080', 'http://127.0.0.1:8080'],
    [' gpu.lan ', 'http://gpu.lan:11434'],
    ['gpu.lan:80', 'http://gpu.lan'],
    ['gpu.lan/ollama/', 'http://gpu.lan:11434/ollama'],
    ['http://gpu.lan', 'http://gpu.lan'],
    ['https://gpu.lan/ollama', 'https://gpu.lan/ollama'],
    ['https://someone:secret@gpu.lan', undefined],
    ['gpu.lan:99999', undefined],
    ['not an address', undefined],
  ] as const) {
    it(`is ${address} where OLLAMA_HOST is ${JSON.stringify(given)}`, () => {
      assert.equal(ollamaAddress(given === undefined ? {} : { OLLAMA_HOST: given }), address);
    });
  }
});

describe('an Ollama that answered', () => {
  const local = { baseUrl: 'http://127.0.0.1:11434', model: 'llama3.2:1b' };
  const provider = { kind: 'ollama', baseUrl: local.baseUrl };

  it('comes before the simulator where there is nothing else, and says why it is there', () => {
    const { providers, found } = discoverProviders({}, local);
    assert.deepEqual(Object.entries(providers), [
      ['ollama', provider],
      ['simulator', { kind: 'simulator' }],
    ]);
    const because = 'it answers at http://127.0.0.1:11434';
    assert.deepEqual(found[0], { provider: 'ollama', because, model: 'llama3.2:1b' });
  });

  it('comes after those with a key, which stay the default', () => {
    const { providers } = discoverProviders({ OPENAI_API_KEY: 'o' }, local);
    assert.deepEqual(Object.keys(providers), ['openai', 'ollama', 'simulator']);
  });
});

it('a model is known of OpenAI at its own address, and of no other server that speaks its API', () => {
  const modelsOf = (env: Record<string, string>) => discoverProviders(env).found.map(({ model }) => model);
  assert.deepEqual(modelsOf({ OPENAI_API_KEY: 'o' }), ['gpt-5-mini', 'chat']);
  assert.deepEqual(modelsOf({ OPENAI_API_KEY: 'o', OPENAI_BASE_URL: 'http://127.0.0.1:8000/v1' }), [undefined, 'chat']);
  assert.deepEqual(modelsOf({ GROQ_API_KEY: 'g' }), [undefined, 'chat']);
});
