/**
 * What the gateway may count on with every provider kind, whichever it is: one suite over all that are registered. A kind that this
 * file cannot start fails it.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { Value } from 'typebox/value';
import { systemClock } from '#core/clock';
import { seededRandom } from '#core/random';
import type { EmbeddingRequest } from '#contract/chat';
import type { EmbeddingCall, Provider, ProviderCall, ProviderEvent } from '#contract/provider';
import { UpstreamFailure } from '#contract/provider';
import { createProvider, providerKinds } from '#providers/index';
import { answersMessage, refusesMessage, streamsMessage } from '../helpers/anthropic-upstream.ts';
import { geminiAnswers, geminiStreams, startGeminiUpstream } from '../helpers/gemini-upstream.ts';
import { startOllamaUpstream } from '../helpers/ollama-upstream.ts';
import { answers, embeds, neverAnswers, refuses, startUpstream, streams } from '../helpers/upstream.ts';
import type { Behaviour } from '../helpers/upstream.ts';

type Situation = 'well' | 'embeds' | 'fails' | 'cut' | 'silent';

const UPSTREAM: Readonly<Record<Situation, Behaviour>> = {
  well: answers('All is well.'),
  embeds,
  fails: refuses(500),
  cut: streams(['One', ' two'], { ending: 'cut' }),
  silent: neverAnswers,
};
const ANTHROPIC: Readonly<Record<Situation, Behaviour>> = {
  ...UPSTREAM,
  well: answersMessage('All is well.'),
  fails: refusesMessage(500, 'api_error', 'Internal server error'),
  cut: streamsMessage(['One', ' two'], { ending: 'cut' }),
};
const GEMINI: Readonly<Record<Situation, Behaviour>> = {
  ...UPSTREAM,
  well: geminiAnswers('All is well.'),
  embeds: geminiAnswers(),
  cut: geminiStreams(['One', ' two'], { ending: 'cut' }),
};
const SIMULATED: Readonly<Record<Situation, Record<string, unknown>>> = {
  well: {},
  embeds: {},
  fails: { failureRate: 1 },
  cut: { cutRate: 1 },
  silent: { stallRate: 1 },
};

/** Settings with which a kind is in the situation. */
const SETTINGS: Readonly<Record<string, (t: TestContext, situation: Situation) => Promise<Record<string, unknown>>>> = {
  'openai-compatible': async (t, situation) => {
    const upstream = await startUpstream(t);
    upstream.otherwise = UPSTREAM[situation];
    return { baseUrl: upstream.baseUrl };
  },
  anthropic: async (t, situation) => {
    const upstream = await startUpstream(t);
    upstream.otherwise = ANTHROPIC[situation];
    return { baseUrl: upstream.baseUrl, apiKey: 'sk-ant-test' };
  },
  'azure-openai': async (t, situation) => {
    const upstream = await startUpstream(t);
    upstream.otherwise = UPSTREAM[situation];
    return { endpoint: new URL(upstream.baseUrl).origin, apiKey: 'test-key', deployments: upstream.models };
  },
  ollama: async (t, situation) => {
    const upstream = await startOllamaUpstream(t);
    upstream.otherwise = UPSTREAM[situation];
    return { baseUrl: upstream.origin };
  },
  gemini: async (t, situation) => {
    const upstream = await startGeminiUpstream(t);
    upstream.otherwise = GEMINI[situation];
    return { baseUrl: upstream.baseUrl, apiKey: 'test-key' };
  },
  simulator: async (_t, situation) => ({
    firstTokenMs: { p50: 0, p95: 0 },
    tokensPerSecond: 0,
    models: ['test-model'],
    ...SIMULATED[situation],
  }),
};

async function start(t: TestContext, kind: string, situation: Situation): Promise<Provider> {
  const settings = (await SETTINGS[kind]?.(t, situation)) ?? assert.fail(`this suite cannot start the kind ${kind}`);
  const schema = providerKinds.find((each) => each.kind === kind)?.settings ?? assert.fail(kind);
  assert.deepEqual([...Value.Errors(schema, settings)], []);
  const provider = createProvider(kind, settings, { name: 'test', clock: systemClock, random: seededRandom(1) });
  t.after(() => provider.close());
  return provider;
}

function callOf(signal = new AbortController().signal, seen: string[] = []): ProviderCall {
  return {
    model: 'test-model',
    request: { model: 'asked', messages: [{ role: 'user', content: 'Are you well?' }] },
    signal,
    traceparent: undefined,
    surface: 'openai',
    onConnected: () => void seen.push('connected'),
  };
}

function embeddingOf(request: Partial<EmbeddingRequest> = {}): EmbeddingCall {
  const { surface, signal, traceparent, onConnected } = callOf();
  const model = 'test-model';
  return {
    model,
    request: { model: 'asked', input: ['one', 'two'], ...request },
    surface,
    signal,
    traceparent,
    onConnected,
  };
}

async function collected(provider: Provider, call: ProviderCall): Promise<ProviderEvent[]> {
  return Array.fromAsync((await provider.stream(call)).events);
}

for (const { kind, settings, capabilities } of providerKinds) {
  describe(`the provider kind ${kind}`, () => {
    if (kind !== 'simulator') {
      it('has a page that says which parts no real call has verified', async () => {
        const page = await readFile(new URL(`../../docs/providers/${kind}.md`, import.meta.url), 'utf8');
        assert.match(page, /^## (?:Not verified by a real call|What no real call has verified)$/m);
      });
    }

    it('describes every setting, and says what it can do', () => {
      const { properties } = JSON.parse(JSON.stringify(settings));
      for (const [name, field] of Object.entries<{ description?: string }>(properties)) {
        assert.ok(field.description, `${name} has no description`);
      }
      assert.equal(
        Object.values(capabilities).every((able) => typeof able === 'boolean'),
        true,
      );
    });

    it('gives a whole answer for the model it was asked for, and says when the connection was there', async (t) => {
      const provider = await start(t, kind, 'well');
      const seen: string[] = [];
      const call = callOf(undefined, seen);
      const before = JSON.stringify(call.request);
      const { body } = await provider.complete(call);
      assert.equal(body.choices[0]?.message.role, 'assistant');
      assert.ok((body.choices[0]?.message.content ?? '').length > 0);
      assert.equal(body.choices[0]?.finish_reason, 'stop');
      assert.ok((body.usage?.total_tokens ?? 0) > 0);
      assert.deepEqual(seen, ['connected']);
      assert.equal(JSON.stringify(call.request), before, 'the request is the caller’s');
    });

    it('streams the same as chunks whose text is their JSON, up to a finish reason', async (t) => {
      const provider = await start(t, kind, 'well');
      const events = await collected(provider, callOf());
      const text = events.map(({ chunk }) => chunk.choices[0]?.delta.content ?? '').join('');
      assert.equal(text, (await provider.complete(callOf())).body.choices[0]?.message.content);
      assert.equal(events.findLast(({ chunk }) => chunk.choices.length > 0)?.chunk.choices[0]?.finish_reason, 'stop');
      for (const { chunk, data } of events) assert.deepEqual(JSON.parse(data), chunk);
    });

    it('lists its models', async (t) => {
      const provider = await start(t, kind, 'well');
      const ids = (await provider.models(new AbortController().signal)).map(({ id }) => id);
      assert.deepEqual(ids, ['test-model']);
    });

    it(capabilities.embeddings ? 'embeds' : 'has no embeddings, as it says', async (t) => {
      const provider = await start(t, kind, 'embeds');
      assert.equal(provider.embed !== undefined, capabilities.embeddings);
      if (provider.embed === undefined) return;
      const { body } = await provider.embed(embeddingOf());
      const vectors = body.data.map(({ embedding }) => embedding);
      assert.deepEqual(
        body.data.map(({ index }) => index),
        [0, 1],
        'a vector for each text, in its order',
      );
      assert.ok(vectors.every((vector) => Array.isArray(vector) && vector.every((each) => typeof each === 'number')));
      const packed = await provider.embed(embeddingOf({ encoding_format: 'base64' }));
      assert.deepEqual(
        packed.body.data.map(({ embedding }) => Buffer.from(String(embedding), 'base64')),
        vectors.map((vector) => Buffer.from(Float32Array.from(vector as readonly number[]).buffer)),
      );
      const failing = await start(t, kind, 'fails');
      await assert.rejects(
        failing.embed?.(embeddingOf()) ?? assert.fail(kind),
        (error) => error instanceof UpstreamFailure && error.status === 500,
      );
    });

    it('throws an upstream failure when its upstream fails, and when it cuts a stream', async (t) => {
      const failing = await start(t, kind, 'fails');
      for (const call of [failing.complete(callOf()), failing.stream(callOf())]) {
        await assert.rejects(call, (error) => error instanceof UpstreamFailure && error.status === 500);
      }
      const cutting = await start(t, kind, 'cut');
      await assert.rejects(
        collected(cutting, callOf()),
        (error) => error instanceof UpstreamFailure && error.kind === 'cut',
      );
    });

    it('stops at once when the call is aborted, with the caller’s own reason, and leaves no listener', async (t) => {
      const provider = await start(t, kind, 'silent');
      for (const ask of [
        (call: ProviderCall) => provider.complete(call),
        (call: ProviderCall) => collected(provider, call),
      ]) {
        const controller = new AbortController();
        const reason = new Error('enough');
        const connected = Promise.withResolvers<void>();
        const asked = ask({ ...callOf(controller.signal), onConnected: () => connected.resolve() });
        await connected.promise;
        controller.abort(reason);
        await assert.rejects(asked, (error) => error === reason);
        assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
      }
      const gone = AbortSignal.abort(new Error('before'));
      await assert.rejects(provider.complete(callOf(gone)), /before/);
    });

    it('lets go of a stream that is not read to its end, and may be closed twice', async (t) => {
      const provider = await start(t, kind, 'well');
      const { events } = await provider.stream(callOf());
      await events.next();
      await events.return?.();
      assert.equal((await events.next()).done, true);
      await provider.close();
      await provider.close();
    });
  });
}
