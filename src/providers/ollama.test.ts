/** What Ollama is asked, and what its own list of models becomes, seen by a real upstream. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { TestContext } from 'node:test';
import { systemClock } from '#core/clock';
import { seededRandom } from '#core/random';
import { Secret } from '#core/secret';
import type { Provider } from '#contract/provider';
import { UpstreamFailure } from '#contract/provider';
import { embeds, startUpstream } from '../../tests/helpers/upstream.ts';
import type { Upstream } from '../../tests/helpers/upstream.ts';
import { createProvider } from './index.ts';

interface Ollama {
  readonly server: Upstream;
  readonly provider: Provider;
}

/** `path`: of the base address. `listed`: what the server answers to every GET. */
async function start(
  t: TestContext,
  { path = '', listed = {}, ...settings }: { path?: string; listed?: unknown; [setting: string]: unknown } = {},
): Promise<Ollama> {
  const server = await startUpstream(t, (_ids, url) => (url === '/api/tags' ? listed : { error: `no ${url}` }));
  const baseUrl = new URL(server.baseUrl).origin + path;
  const context = { name: 'local', clock: systemClock, random: seededRandom(1) };
  const provider = createProvider('ollama', { baseUrl, ...settings }, context);
  t.after(() => provider.close());
  return { server, provider };
}

function callOf() {
  const { signal } = new AbortController();
  const messages = [{ role: 'user' as const, content: 'Are you well?' }];
  const request = { model: 'asked', messages, reasoning_effort: 'none' };
  return {
    model: 'llama3.2:1b',
    request,
    surface: 'openai' as const,
    signal,
    traceparent: undefined,
    onConnected: () => undefined,
  };
}

for (const path of ['', '/', '/v1', '/v1/']) {
  it(`is called under /v1 when its address ends in "${path}"`, async (t) => {
    const { server, provider } = await start(t, { path });
    await provider.complete(callOf());
    await Array.fromAsync((await provider.stream(callOf())).events);
    server.otherwise = embeds;
    await provider.embed?.({ ...callOf(), request: { model: 'asked', input: 'one' } });
    assert.deepEqual(
      server.received.map((asked) => asked.path),
      ['/v1/chat/completions', '/v1/chat/completions', '/v1/embeddings'],
    );
  });
}

it('is sent the request as it is, without credentials where there are none', async (t) => {
  const { server, provider } = await start(t);
  await provider.complete(callOf());
  const [asked] = server.received;
  assert.deepEqual(asked?.body, { ...callOf().request, model: 'llama3.2:1b', stream: false });
  assert.equal(asked?.headers.authorization, undefined);
});

it('is told the bound of an answer by the name that it reads', async (t) => {
  const { server, provider } = await start(t);
  const call = (fields: Record<string, unknown>) => ({ ...callOf(), request: { ...callOf().request, ...fields } });
  await provider.complete(call({ max_completion_tokens: 9 }));
  await Array.fromAsync((await provider.stream(call({ max_completion_tokens: 9, max_tokens: 12 }))).events);
  await provider.complete(call({ max_completion_tokens: null, max_tokens: 12 }));
  assert.deepEqual(
    server.received.map(({ body }) => body['max_tokens']),
    [9, 9, 12],
  );
});

it('is sent a key as a bearer token', async (t) => {
  const { server, provider } = await start(t, { apiKey: new Secret('ollama-key-1234') });
  await provider.complete(callOf());
  assert.equal(server.received[0]?.headers.authorization, 'Bearer ollama-key-1234');
});

it('offers the models of /api/tags, with the time each was changed', async (t) => {
  const listed = {
    models: [
      { name: 'llama3.2:1b', model: 'llama3.2:1b', modified_at: '2025-05-04T17:37:44.706015396-07:00', size: 1 },
      { name: 'odd', modified_at: 'yesterday' },
      { model: 'nameless' },
      null,
    ],
  };
  const { provider } = await start(t, { path: '/v1', listed });
  assert.deepEqual(await provider.models(new AbortController().signal), [
    { id: 'llama3.2:1b', object: 'model', created: 1_746_405_464, owned_by: 'local' },
    { id: 'odd', object: 'model', created: 0, owned_by: 'local' },
  ]);
});

it('takes nothing else for a list of models', async (t) => {
  for (const listed of [{ object: 'list', data: [] }, [], 'Ollama is running', { models: 'none' }]) {
    const { provider } = await start(t, { listed });
    await assert.rejects(
      provider.models(new AbortController().signal),
      (error) => error instanceof UpstreamFailure && error.kind === 'malformed',
    );
  }
});
