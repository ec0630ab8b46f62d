/** The model that a command for people names: one that the server itself lists, in time; and never one that is made up. */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type { Discovered } from '#config/index';
import { loadText } from '../../tests/helpers/config-text.ts';
import { listen } from '../../tests/helpers/listen.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { withExample } from './example-model.ts';
import { summaryOf } from './summary.ts';

const running = { url: 'u', version: 'v', instance: 'i', keyless: true, addresses: new Map<string, string>() };

const listing =
  (...names: string[]): RequestListener =>
  (_request, response) =>
    void response.end(JSON.stringify({ object: 'list', data: names.map((id) => ({ id })) }));

/** As a hub starts with these variables. */
async function exampleWith(t: TestContext, env: Record<string, string>, text = ''): Promise<string | null> {
  const { config, discovered } = loadText(t, text, { env });
  return summaryOf(config, await withExample(config, discovered), running).exampleModel;
}

describe('the example', () => {
  it('is of another server’s own list, and one that chats', async (t) => {
    const { origin, asked } = await listen(t, listing('text-embed-3', 'odd"name', 'qwen3:8b'));
    assert.equal(await exampleWith(t, { OPENAI_BASE_URL: `${origin}/v1` }), 'openai/qwen3:8b');
    assert.deepEqual(asked, ['GET /v1/models']);
  });

  it('is the simulator’s where that server tells none', async (t) => {
    const refusing = await listen(t, (_request, response) => void response.writeHead(401).end());
    const empty = await listen(t, listing());
    for (const url of ['http://127.0.0.1:1/v1', `${refusing.origin}/v1`, `${empty.origin}/v1`])
      assert.equal(await exampleWith(t, { OPENAI_BASE_URL: url, OPENAI_API_KEY: 'k' }), 'simulator/chat', url);
  });

  it('is waited for a second at most', async (t) => {
    const clock = new VirtualClock();
    const arrived = Promise.withResolvers<void>();
    const { origin } = await listen(t, () => arrived.resolve());
    const { config, discovered } = loadText(t, '', { env: { OPENAI_BASE_URL: `${origin}/v1` } });
    const found = withExample(config, discovered, clock);
    await arrived.promise;
    await clock.advance(1_000);
    assert.deepEqual(await found, discovered);
  });

  it('is known where nobody has to be asked, and one that no route leads to is none', async (t) => {
    assert.equal(await exampleWith(t, { OPENAI_API_KEY: 'k' }), 'openai/gpt-5-mini');
    assert.equal(await exampleWith(t, {}), 'simulator/chat');
    const own = 'providers: { a: { kind: openai-compatible, baseUrl: "http://h/v1" } }\n';
    assert.equal(await exampleWith(t, {}, own), null);
    assert.equal(await exampleWith(t, {}, `${own}routes: { m: { groups: [[{ provider: a, model: x }]] } }`), 'm');
    const routes = (pattern: string, provider: string): string =>
      `routes: { "${pattern}": { groups: [[{ provider: ${provider} }]] } }`;
    assert.equal(await exampleWith(t, { OPENAI_API_KEY: 'k' }, routes('*', 'openai')), 'gpt-5-mini');
    assert.equal(await exampleWith(t, { OPENAI_API_KEY: 'k' }, routes('o3*', 'openai')), null);
  });

  it('asks nobody who is not the first', async (t) => {
    const { config } = loadText(t, '', { env: {} });
    const found: Discovered[] = [
      { provider: 'simulator', because: 'b', model: 'chat' },
      { provider: 'p', because: 'b' },
    ];
    assert.equal(await withExample(config, found), found);
  });
});
