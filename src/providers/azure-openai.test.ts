/** What Azure OpenAI is asked, at which address and with whose credentials, seen by a real upstream. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { systemClock } from '#core/clock';
import { seededRandom } from '#core/random';
import { Secret } from '#core/secret';
import type { Provider, ProviderCall } from '#contract/provider';
import { UpstreamFailure } from '#contract/provider';
import { embeds, event, refuses, startUpstream } from '../../tests/helpers/upstream.ts';
import type { Upstream } from '../../tests/helpers/upstream.ts';
import { createProvider } from './index.ts';

interface Azure {
  readonly azure: Upstream;
  readonly provider: Provider;
}

/** `path`: of the endpoint. */
async function start(t: TestContext, settings: Record<string, unknown> = {}, path = ''): Promise<Azure> {
  const azure = await startUpstream(t);
  const endpoint = new URL(azure.baseUrl).origin + path;
  const context = { name: 'azure', clock: systemClock, random: seededRandom(1) };
  const provider = createProvider(
    'azure-openai',
    { endpoint, deployments: ['my-gpt'], apiKey: new Secret('azure-key-1234'), ...settings },
    context,
  );
  t.after(() => provider.close());
  return { azure, provider };
}

function callOf(model: string): ProviderCall {
  const { signal } = new AbortController();
  const messages = [{ role: 'user' as const, content: 'Are you well?' }];
  return {
    model,
    request: { model: 'asked', messages },
    surface: 'openai',
    signal,
    traceparent: undefined,
    onConnected: () => undefined,
  };
}

const embedding = (model: string) => ({ ...callOf(model), request: { model: 'asked', input: 'one' } });

describe('the v1 API', () => {
  it('is called without a version, the deployment named as the model', async (t) => {
    const { azure, provider } = await start(t);
    await provider.complete(callOf('my-gpt'));
    const [asked] = azure.received;
    assert.equal(asked?.path, '/openai/v1/chat/completions');
    assert.equal(asked?.body['model'], 'my-gpt');
  });

  it('is called with api-version=preview where the settings say so', async (t) => {
    const { azure, provider } = await start(t, { apiVersion: 'preview' });
    await provider.complete(callOf('my-gpt'));
    assert.equal(azure.received[0]?.path, '/openai/v1/chat/completions?api-version=preview');
  });

  it('keeps a deployment’s name, whatever it is, out of the path', async (t) => {
    const { azure, provider } = await start(t);
    await provider.complete(callOf('../../admin?x=#y'));
    assert.equal(azure.received[0]?.path, '/openai/v1/chat/completions');
    assert.equal(azure.received[0]?.body['model'], '../../admin?x=#y');
  });
});

describe('the classic API', () => {
  const classic = { apiVersion: '2024-10-21' };

  it('has the deployment in the path and the version in the query, for chats, streams and embeddings', async (t) => {
    const { azure, provider } = await start(t, classic);
    await provider.complete(callOf('my-gpt'));
    await Array.fromAsync((await provider.stream(callOf('my-gpt'))).events);
    azure.otherwise = embeds;
    await provider.embed?.(embedding('my-vectors'));
    assert.deepEqual(
      azure.received.map(({ path }) => path),
      [
        '/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21',
        '/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21',
        '/openai/deployments/my-vectors/embeddings?api-version=2024-10-21',
      ],
    );
  });

  it('keeps the path of an endpoint behind a proxy', async (t) => {
    const { azure, provider } = await start(t, classic, '/proxy/');
    await provider.complete(callOf('my-gpt'));
    assert.equal(azure.received[0]?.path, '/proxy/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21');
  });

  for (const [name, segment] of [
    ['my?gpt', 'my%3Fgpt'],
    ['my#gpt', 'my%23gpt'],
    ['my gpt\r\nx: y', 'my%20gpt%0D%0Ax%3A%20y'],
    ['%2e%2e%2f', '%252e%252e%252f'],
    ['...', '...'],
  ] as const) {
    it(`encodes a deployment called ${JSON.stringify(name)}, so that it stays in its place`, async (t) => {
      const { azure, provider } = await start(t, classic);
      await provider.complete(callOf(name));
      assert.equal(azure.received[0]?.path, `/openai/deployments/${segment}/chat/completions?api-version=2024-10-21`);
    });
  }

  for (const name of ['../other', '..', '.', 'a/b', '/', String.raw`..\other`, '\u{D800}']) {
    it(`refuses a deployment called ${JSON.stringify(name)} before anything is sent`, async (t) => {
      const { azure, provider } = await start(t, classic);
      const refused = (error: unknown): boolean => error instanceof UpstreamFailure && error.kind === 'untranslatable';
      await assert.rejects(provider.complete(callOf(name)), refused);
      await assert.rejects(provider.stream(callOf(name)), refused);
      await assert.rejects(provider.embed?.(embedding(name)) ?? assert.fail('it has embeddings'), refused);
      assert.equal(azure.received.length, 0);
    });
  }
});

describe('the credentials', () => {
  it('go as api-key, or as a bearer token', async (t) => {
    const byKey = await start(t);
    await byKey.provider.complete(callOf('my-gpt'));
    assert.equal(byKey.azure.received[0]?.headers['api-key'], 'azure-key-1234');
    assert.equal(byKey.azure.received[0]?.headers.authorization, undefined);
    const byToken = await start(t, { apiKey: undefined, bearerToken: new Secret('entra-token-1234') });
    await byToken.provider.complete(callOf('my-gpt'));
    assert.equal(byToken.azure.received[0]?.headers['api-key'], undefined);
    assert.equal(byToken.azure.received[0]?.headers.authorization, 'Bearer entra-token-1234');
  });

  it('are taken out of an error that quotes them', async (t) => {
    const { azure, provider } = await start(t);
    azure.otherwise = refuses(401, { code: '401', message: 'Access denied: azure-key-1234 is no valid key.' });
    const failure = await provider.complete(callOf('my-gpt')).catch((error: unknown) => error);
    assert.ok(failure instanceof UpstreamFailure);
    assert.deepEqual([failure.status, failure.body?.code], [401, '401']);
    assert.equal(failure.body?.message, 'Access denied: [redacted] is no valid key.');
  });

  it('are taken out of every part of an error', async (t) => {
    const { azure, provider } = await start(t);
    const words = 'azure-key-1234 again';
    azure.otherwise = refuses(400, { message: words, type: words, code: words, param: words });
    const failure = await provider.complete(callOf('my-gpt')).catch((error: unknown) => error);
    assert.ok(failure instanceof UpstreamFailure);
    const without = '[redacted] again';
    assert.deepEqual(failure.body, { message: without, type: without, code: without, param: without });
  });
});

describe('Azure’s content filter', () => {
  it('reaches the caller as Azure’s own code when it refuses a prompt', async (t) => {
    const { azure, provider } = await start(t);
    azure.otherwise = refuses(400, {
      message: 'The response was filtered.',
      param: 'prompt',
      code: 'content_filter',
      innererror: { code: 'ResponsibleAIPolicyViolation' },
    });
    const failure = await provider.complete(callOf('my-gpt')).catch((error: unknown) => error);
    assert.ok(failure instanceof UpstreamFailure);
    assert.deepEqual([failure.status, failure.body?.code, failure.body?.param], [400, 'content_filter', 'prompt']);
  });

  it('sends events without text, which reach the caller as chunks that clients can read', async (t) => {
    const { azure, provider } = await start(t);
    const frame = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'my-gpt' };
    const choice = (more: object) => ({ index: 0, finish_reason: null, ...more });
    const filtered = {
      content_filter_results: { hate: { filtered: false } },
      content_filter_offsets: { end_offset: 2 },
    };
    azure.otherwise = ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const chunk of [
        { ...frame, id: '', choices: [], prompt_filter_results: [{ prompt_index: 0 }] },
        { ...frame, choices: [choice({ delta: { role: 'assistant', content: 'Hi' } })] },
        { ...frame, id: '', choices: [choice(filtered)] },
        { ...frame, choices: [choice({ delta: {}, finish_reason: 'content_filter' })] },
      ])
        response.write(event(chunk));
      response.end('data: [DONE]\n\n');
    };
    const events = await Array.fromAsync((await provider.stream(callOf('my-gpt'))).events);
    assert.deepEqual(
      events.map(({ chunk }) => chunk.choices.map(({ delta, finish_reason }) => [delta, finish_reason ?? null])),
      [[], [[{ role: 'assistant', content: 'Hi' }, null]], [[{}, null]], [[{}, 'content_filter']]],
    );
    for (const { chunk, data } of events) assert.deepEqual(JSON.parse(data), chunk);
  });
});

it('offers the deployments of the settings without asking anybody', async (t) => {
  const nobody = 'http://127.0.0.1:1';
  const { provider } = await start(t, { endpoint: nobody, deployments: ['my-gpt', 'my-vectors'] });
  const models = await provider.models(new AbortController().signal);
  assert.deepEqual(
    models.map(({ id, owned_by }) => [id, owned_by]),
    [
      ['my-gpt', 'azure'],
      ['my-vectors', 'azure'],
    ],
  );
});
