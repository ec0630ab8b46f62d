/** What the hub does not know goes through it unchanged, both ways: vendors add parameters faster than any gateway learns them. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { forTheSuite } from '../../helpers/suite.ts';
import { chunk, event } from '../../helpers/upstream.ts';
import { answer, MODEL, startHubWithKey } from './hub-with-key.ts';
import type { HubWithKey } from './hub-with-key.ts';

const request = {
  model: MODEL,
  messages: [
    { role: 'system', content: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }] },
    { role: 'user', content: 'Hello', vendor_mark: [1, 2.5, null, { deep: true }] },
  ],
  tools: [{ type: 'function', function: { name: 'f', parameters: {} }, vendor_hint: 'x' }, { type: 'web_search' }],
  top_k: 40,
  min_p: 0.05,
  repetition_penalty: 1.1,
  reasoning_effort: 'high',
  thinking: { type: 'enabled', budget_tokens: 2048 },
  metadata: { big: 9_007_199_254_740_991, text: 'ä\u0000\u{1F600}' },
  provider: { order: ['a', 'b'], allow_fallbacks: false },
};

const choice = {
  message: { role: 'assistant', content: 'Hi.', reasoning_content: 'A greeting.', annotations: [{ type: 'x' }] },
  finish_reason: 'stop',
  native_finish_reason: 'STOP',
};
const further = {
  system_fingerprint: 'fp_1',
  service_tier: 'default',
  usage: {
    prompt_tokens: 7,
    completion_tokens: 3,
    total_tokens: 10,
    completion_tokens_details: { reasoning_tokens: 2 },
    cost: 0.00012,
  },
  citations: ['https://example.org'],
};

describe('what the hub does not know', () => {
  const suite = forTheSuite();
  let hub: HubWithKey;
  before(async () => {
    hub = await startHubWithKey(suite);
  });
  const post = (body: unknown): Promise<Response> =>
    fetch(`${hub.baseURL}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${hub.apiKey}` },
      body: JSON.stringify(body),
    });

  it('reaches the upstream, and comes back', async () => {
    hub.upstream.script((exchange) => answer(exchange, choice, further));
    const response = await post(request);
    assert.equal(response.status, 200);
    assert.deepEqual(hub.upstream.received.at(-1)?.body, { ...request, model: 'test-model', stream: false });
    assert.partialDeepStrictEqual(await response.json(), { ...further, choices: [choice] });
  });

  it('reaches the upstream, and comes back in a stream', async () => {
    const delta = { role: 'assistant', reasoning_content: 'A greeting.', reasoning_details: [{ signature: 'abc' }] };
    const last = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [], ...further };
    hub.upstream.script((exchange) => {
      exchange.response.writeHead(200, { 'content-type': 'text/event-stream' });
      exchange.response.write(chunk(exchange, delta));
      exchange.response.write(chunk(exchange, { content: 'Hi.' }));
      exchange.response.write(chunk(exchange, {}, 'stop'));
      exchange.response.end(`${event(last)}data: [DONE]\n\n`);
    });
    const options = { stream: true, stream_options: { include_usage: true, vendor_option: 1 } };
    const text = await (await post({ ...request, ...options })).text();
    assert.deepEqual(hub.upstream.received.at(-1)?.body, { ...request, ...options, model: 'test-model' });
    const lines = text.split('\n').filter((line) => line.startsWith('data: '));
    assert.equal(lines.at(-1), 'data: [DONE]');
    const parts: unknown[] = lines.slice(0, -1).map((line) => JSON.parse(line.slice('data: '.length)));
    assert.partialDeepStrictEqual(parts, [
      { choices: [{ delta }] },
      { choices: [{ delta: { content: 'Hi.' } }] },
      { choices: [{ finish_reason: 'stop' }] },
      further,
    ]);
  });
});
