/** `POST /v1/embeddings` that succeeds. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import OpenAI from 'openai';
import { startHttpHub, summary, vectors } from '../../../tests/helpers/http-hub.ts';
import { post } from '../../../tests/helpers/http-calls.ts';

const PATH = '/v1/embeddings';
const request = { model: 'fast', input: ['one', 'two'] };

describe('embeddings', () => {
  it('are the bytes of the upstream as they came, or the hub’s own where it had to translate', async (t) => {
    const raw = Buffer.from('{"object":"list",  "spaced": true}');
    const hub = await startHttpHub(t, {
      keyless: true,
      embed: async ({ runId, request: asked }) => ({
        summary: summary(runId),
        body: vectors(),
        raw: asked.model === 'raw' ? raw : undefined,
      }),
    });
    const passed = await post(hub, PATH, { ...request, model: 'raw' });
    assert.equal(passed.status, 200);
    assert.equal(passed.headers.get('content-type'), 'application/json');
    assert.equal(await passed.text(), raw.toString());
    assert.deepEqual(await (await post(hub, PATH, request)).json(), vectors());
  });

  it('are asked for with every field of the caller’s, whatever the form of its input', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const asked = [
      { ...request, vendor_option: { deep: [1, '2', null] }, dimensions: null, encoding_format: 'base64' },
      { model: 'fast', input: 'one' },
      { model: 'fast', input: [1, 2, 3] },
      { model: 'fast', input: [[1, 2], [3]] },
    ];
    for (const each of asked) assert.equal((await post(hub, PATH, each)).status, 200);
    assert.deepEqual(
      hub.calls.map((call) => call.request),
      asked,
    );
  });

  it('tell the run in headers, and report the request once', async (t) => {
    const hub = await startHttpHub(t, {
      keyless: true,
      embed: async ({ runId }) => ({ summary: summary(runId, { attempts: 2 }), body: vectors(), raw: undefined }),
    });
    const reported = hub.nextFinished();
    const { headers } = await post(hub, PATH, request, { 'x-revoagent-only': 'openai' });
    assert.equal(headers.get('x-revoagent-run'), hub.calls[0]?.runId);
    assert.equal(headers.get('x-revoagent-attempts'), '2');
    assert.deepEqual(hub.calls[0]?.preferences, { only: ['openai'] });
    const { route, status, runId } = await reported;
    assert.deepEqual([route, status, runId], [PATH, 200, hub.calls[0]?.runId]);
  });

  it('are vectors to the official client, which asks for base64 by itself', async (t) => {
    const base64 = Buffer.from(Float32Array.of(0.25, 0.5).buffer).toString('base64');
    const hub = await startHttpHub(t, {
      embed: async ({ runId, request: asked }) => {
        assert.equal(asked['encoding_format'], 'base64');
        const body = { ...vectors(), data: [{ object: 'embedding', index: 0, embedding: base64 }] };
        return { summary: summary(runId), body, raw: undefined };
      },
    });
    const client = new OpenAI({ baseURL: `${hub.url}/v1`, apiKey: hub.keys.chat, maxRetries: 0 });
    const { data } = await client.embeddings.create({ model: 'fast', input: 'one' });
    assert.deepEqual([...(data[0]?.embedding ?? [])], [0.25, 0.5]);
  });
});
