/** `POST /v1/responses` that succeeds: what the gateway is asked, and what is the same on every surface. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { post, sseEvents } from '../../../tests/helpers/http-calls.ts';
import { chunk, completion, startHttpHub, streamOf, summary } from '../../../tests/helpers/http-hub.ts';

const PATH = '/v1/responses';
const request = { model: 'fast', input: 'Hello?' };

describe('a response', () => {
  it('is asked of the gateway in the hub’s own form, with the fields that the hub does not know', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const vendor = { vendor_option: { deep: [1, '2', null] }, temperature: 0 };
    assert.equal((await post(hub, PATH, { ...request, ...vendor, store: true, stream: null })).status, 200);
    const messages = [{ role: 'user', content: 'Hello?' }];
    assert.deepEqual(hub.calls[0]?.request, { model: 'fast', messages, ...vendor });
    assert.equal(hub.calls[0]?.surface, 'openai');
  });

  it('tells the run in headers, and is a degraded one where the gateway says so', async (t) => {
    const hub = await startHttpHub(t, {
      keyless: true,
      complete: async ({ runId }) => ({
        summary: summary(runId, { attempts: 3, degraded: true }),
        body: completion(),
        raw: undefined,
      }),
    });
    const { headers } = await post(hub, PATH, request);
    assert.deepEqual(
      ['run', 'provider', 'model', 'attempts', 'degraded'].map((name) => headers.get(`x-revoagent-${name}`)),
      [hub.calls[0]?.runId, 'openai', 'gpt-4o-mini', '3', 'true'],
    );
  });

  it('is streamed as named events, the last of them its own and not [DONE]', async (t) => {
    const events = [chunk('Hel'), chunk('lo.'), chunk('', 'stop')];
    const hub = await startHttpHub(t, { keyless: true, stream: async ({ runId }) => streamOf(runId, events) });
    const text = await (await post(hub, PATH, { ...request, stream: true })).text();
    const told = sseEvents(text);
    assert.ok(told.every(({ event, data }) => JSON.parse(data).type === event));
    assert.equal(told.at(-1)?.event, 'response.completed');
    assert.doesNotMatch(text, /\[DONE\]/);
  });

  it('comes as it came for a second request with the same Idempotency-Key, plain and streamed', async (t) => {
    const events = [chunk('Hello.'), chunk('', 'stop')];
    const hub = await startHttpHub(t, { stream: async ({ runId }) => streamOf(runId, events) });
    for (const stream of [false, true]) {
      const headers = { authorization: `Bearer ${hub.keys.chat}`, 'idempotency-key': `once-${stream}` };
      const ask = () => post(hub, PATH, { ...request, stream }, headers);
      const [first, again] = [await ask(), await ask()];
      assert.deepEqual([first.status, again.headers.get('idempotent-replayed')], [200, 'true']);
      assert.equal(await again.text(), await first.text());
    }
    assert.equal(hub.calls.length, 2);
  });
});
