/** Gemini over the wire: what it receives, whose fault its errors are, and that no model's name leaves its place in the path. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '#core/clock';
import { seededRandom } from '#core/random';
import { Secret } from '#core/secret';
import type { EmbeddingRequest } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import type { Provider, ProviderCall } from '#contract/provider';
import { answer, geminiAnswers, geminiStreams, startGeminiUpstream } from '../../tests/helpers/gemini-upstream.ts';
import type { Cleanup } from '../../tests/helpers/suite.ts';
import { answersBody, event, refuses } from '../../tests/helpers/upstream.ts';
import type { Upstream } from '../../tests/helpers/upstream.ts';
import { parseGeminiModels } from './gemini/models.ts';
import { createProvider } from './index.ts';

const KEY = 'AIza-secret-of-the-test';

async function start(t: Cleanup): Promise<{ provider: Provider; upstream: Upstream }> {
  const upstream = await startGeminiUpstream(t);
  upstream.otherwise = geminiAnswers();
  const settings = { baseUrl: upstream.baseUrl, apiKey: new Secret(KEY) };
  const context = { name: 'google', clock: systemClock, random: seededRandom(1) };
  const provider = createProvider('gemini', settings, context);
  t.after(() => provider.close());
  return { provider, upstream };
}

function callOf(fields: Record<string, unknown> = {}, model = 'gemini-2.5-flash'): ProviderCall {
  return {
    model,
    request: { model: 'asked', messages: [{ role: 'user', content: 'Are you well?' }], ...fields },
    signal: new AbortController().signal,
    traceparent: undefined,
    surface: 'openai',
    onConnected: () => undefined,
  };
}

function embeddingOf(request: EmbeddingRequest) {
  return { ...callOf(), model: 'gemini-embedding-001', request };
}

async function failureOf(work: Promise<unknown> | undefined): Promise<UpstreamFailure> {
  const thrown = await work?.then(
    () => assert.fail('it answered'),
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof UpstreamFailure, String(thrown));
  return thrown;
}

describe('a call of Gemini', () => {
  it('names the model and the method in the path, and the key in its header only', async (t) => {
    const { provider, upstream } = await start(t);
    await provider.complete(callOf());
    await Array.fromAsync((await provider.stream(callOf({ stream: true }))).events);
    assert.deepEqual(
      upstream.received.map(({ path }) => path),
      ['/v1/models/gemini-2.5-flash:generateContent', '/v1/models/gemini-2.5-flash:streamGenerateContent?alt=sse'],
    );
    for (const { headers, body } of upstream.received) {
      assert.equal(headers['x-goog-api-key'], KEY);
      assert.equal(headers['authorization'], undefined);
      assert.deepEqual(body, { contents: [{ role: 'user', parts: [{ text: 'Are you well?' }] }] });
    }
  });

  const NAMES = [
    '..',
    '../files',
    '../../v1beta/files?x=',
    'a/../../b',
    'a?key=stolen',
    'a#b',
    'a:deleteAll',
    '%2e%2e/x',
    'a\u{d800}b',
    'a\\b',
    ' ',
  ];
  for (const name of NAMES) {
    it(`keeps the model ${JSON.stringify(name)} in its place in the path`, async (t) => {
      const { provider, upstream } = await start(t);
      await provider.complete(callOf({}, name));
      await provider.embed?.({ ...embeddingOf({ model: 'asked', input: 'a' }), model: name });
      for (const [index, method] of ['generateContent', 'batchEmbedContents'].entries()) {
        const { pathname, search } = new URL(upstream.received[index]?.path ?? '', 'http://upstream');
        const [, encoded] = new RegExp(`^/v1/models/([^/:]+):${method}$`).exec(pathname) ?? assert.fail(pathname);
        assert.equal(decodeURIComponent(encoded ?? ''), name.toWellFormed());
        assert.equal(search, '');
      }
    });
  }

  it('is not made for a request that Gemini cannot be told', async (t) => {
    const { provider, upstream } = await start(t);
    for (const work of [
      provider.complete(callOf({ logit_bias: {} })),
      provider.stream(callOf({ logit_bias: {} })),
      provider.embed?.(embeddingOf({ model: 'asked', input: [[1, 2]] })),
      provider.embed?.(embeddingOf({ model: 'asked', input: 'a', vendor_option: 1 })),
      provider.embed?.(embeddingOf({ model: 'asked', input: 'a', encoding_format: 'int8' })),
    ]) {
      assert.equal((await failureOf(work)).kind, 'untranslatable');
    }
    assert.deepEqual(upstream.received, []);
  });
});

describe('an error of Gemini’s', () => {
  const info = (reason: string): unknown => ({ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason });
  const retry = (retryDelay: unknown): unknown => ({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay });
  const TABLE: readonly (readonly [
    what: string,
    status: number,
    error: unknown,
    read: readonly [status: number, code: string, retryAfterMs?: number],
  ])[] = [
    [
      'a wrong key',
      400,
      { code: 400, message: 'API key not valid.', details: [info('API_KEY_INVALID')] },
      [401, 'API_KEY_INVALID'],
    ],
    [
      'an expired key',
      400,
      { code: 400, message: 'API key expired.', details: [info('API_KEY_EXPIRED')] },
      [401, 'API_KEY_EXPIRED'],
    ],
    [
      'a bad request',
      400,
      { code: 400, message: 'Bad.', status: 'INVALID_ARGUMENT', details: [info('OTHER')] },
      [400, '400'],
    ],
    [
      'a prompt that is too long',
      400,
      { code: 400, message: 'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).' },
      [400, 'context_length_exceeded'],
    ],
    [
      'a limit with a wait',
      429,
      { code: 429, message: 'Slow down.', details: [{}, retry('34.07s')] },
      [429, '429', 34_070],
    ],
    [
      'a limit with a whole second',
      429,
      { code: 429, message: 'Slow down.', details: [retry('2s')] },
      [429, '429', 2_000],
    ],
    [
      'a limit with a wait nobody can mean',
      429,
      { code: 429, message: 'Slow down.', details: [retry('9999999s')] },
      [429, '429'],
    ],
    ['a limit without a wait', 429, { code: 429, message: 'Slow down.', details: 'none' }, [429, '429']],
    ['an overload', 503, { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' }, [503, '503']],
  ];
  for (const [what, status, error, [read, code, retryAfterMs]] of TABLE) {
    it(`is read as ${read} ${code} where it is ${what}`, async (t) => {
      const { provider, upstream } = await start(t);
      upstream.otherwise = refuses(status, error);
      for (const work of [provider.complete(callOf()), provider.stream(callOf())]) {
        const thrown = await failureOf(work);
        assert.deepEqual([thrown.kind, thrown.status, thrown.body?.code], ['status', read, code]);
        assert.equal(thrown.retryAfterMs, retryAfterMs);
      }
    });
  }

  it('that says `Retry-After` as well waits as long as that says', async (t) => {
    const { provider, upstream } = await start(t);
    upstream.otherwise = refuses(429, { code: 429, message: 'Slow.', details: [retry('34s')] }, { 'retry-after': '3' });
    assert.equal((await failureOf(provider.complete(callOf()))).retryAfterMs, 3_000);
  });

  it('never quotes our key, and holds nothing but an error', async (t) => {
    const { provider, upstream } = await start(t);
    upstream.otherwise = refuses(429, { code: 429, message: `Bad key ${KEY}.`, details: [retry('34s')] });
    const { body } = await failureOf(provider.complete(callOf()));
    assert.deepEqual(body, { message: 'Bad key [redacted].', type: undefined, code: '429', param: undefined });
    upstream.otherwise = answersBody({ error: { code: 500, message: `Bad key ${KEY}.` } });
    const inside = await failureOf(provider.complete(callOf()));
    assert.deepEqual([inside.kind, inside.body?.message], ['reported', 'Bad key [redacted].']);
  });

  it('in the middle of a stream ends it with that error', async (t) => {
    const { provider, upstream } = await start(t);
    const error = { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' };
    upstream.otherwise = geminiStreams(['One', 'two'], { raw: { 1: event({ error }) } });
    const { events } = await provider.stream(callOf());
    assert.equal((await events.next()).value?.chunk.choices[0]?.delta.content, 'One');
    const thrown = await failureOf(events.next());
    assert.deepEqual([thrown.kind, thrown.body?.code], ['reported', '503']);
  });
});

describe('a stream of Gemini’s over the wire', () => {
  it('ends where its body ends, without a finish reason where Gemini gave none', async (t) => {
    const { provider, upstream } = await start(t);
    upstream.otherwise = geminiStreams(['One', ' two'], { ending: 'no-done' });
    const events = await Array.fromAsync((await provider.stream(callOf())).events);
    assert.equal(events.map(({ chunk }) => chunk.choices[0]?.delta.content).join(''), 'One two');
    assert.ok(events.every(({ chunk }) => chunk.choices[0]?.finish_reason === null));
  });

  it('has its usage in a chunk of its own where the caller asked for it', async (t) => {
    const { provider } = await start(t);
    const call = callOf({ stream_options: { include_usage: true } });
    const events = await Array.fromAsync((await provider.stream(call)).events);
    const last = events.at(-1)?.chunk;
    assert.deepEqual(last?.choices, []);
    assert.equal(last?.usage?.total_tokens, 10);
  });

  it('that blocks the prompt in its only event is refused as the content filter’s', async (t) => {
    const { provider, upstream } = await start(t);
    const blocked = event({ promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } });
    upstream.otherwise = geminiStreams([''], { raw: { 0: blocked } });
    const { events } = await provider.stream(callOf());
    assert.equal((await failureOf(events.next())).body?.code, 'content_filter');
  });
});

describe('embeddings of Gemini’s', () => {
  it('are asked for in one call, each text by itself', async (t) => {
    const { provider, upstream } = await start(t);
    const request = { model: 'asked', input: ['one', 'two'], dimensions: 3, user: 'u', encoding_format: 'float' };
    const answered = await provider.embed?.(embeddingOf(request));
    const content = (text: string): unknown => ({
      model: 'models/gemini-embedding-001',
      content: { parts: [{ text }] },
      outputDimensionality: 3,
    });
    assert.deepEqual(upstream.received[0]?.body, { requests: [content('one'), content('two')] });
    assert.deepEqual(answered?.body, {
      object: 'list',
      data: [
        { object: 'embedding', index: 0, embedding: [0, 0.25, 0.5] },
        { object: 'embedding', index: 1, embedding: [1, 0.25, 0.5] },
      ],
      model: 'gemini-embedding-001',
      usage: null,
    });
  });

  it('count what Gemini says it counted', async (t) => {
    const { provider, upstream } = await start(t);
    upstream.otherwise = answersBody({ embeddings: [{ values: [1] }], usageMetadata: { promptTokenCount: 4 } });
    const answered = await provider.embed?.(embeddingOf({ model: 'asked', input: 'one' }));
    assert.deepEqual(answered?.body.usage, { prompt_tokens: 4, total_tokens: 4 });
  });

  for (const body of [{}, { embeddings: [] }, { embeddings: [{ values: ['x'] }] }, answer([{ text: 'Hi' }], 'STOP')]) {
    it(`are not taken from ${JSON.stringify(body).slice(0, 60)}`, async (t) => {
      const { provider, upstream } = await start(t);
      upstream.otherwise = answersBody(body);
      const thrown = await failureOf(provider.embed?.(embeddingOf({ model: 'asked', input: 'one' })));
      assert.equal(thrown.kind, 'malformed');
    });
  }
});

it('lists the models of Gemini that chat or embed', () => {
  const models = [
    { name: 'models/gemini-2.5-flash', supportedGenerationMethods: ['generateContent', 'countTokens'] },
    { name: 'models/gemini-embedding-001', supportedGenerationMethods: ['embedContent'] },
    { name: 'models/imagen-4', supportedGenerationMethods: ['predict'] },
    { name: 'tunedModels/mine', supportedGenerationMethods: ['generateContent'] },
    { displayName: 'nameless' },
    'no object',
  ];
  const listed = parseGeminiModels(Buffer.from(JSON.stringify({ models })));
  assert.deepEqual(
    listed.map(({ id }) => id),
    ['gemini-2.5-flash', 'gemini-embedding-001'],
  );
  assert.throws(() => parseGeminiModels(Buffer.from('<html>')), /no list of models/);
});
