/** What an upstream of OpenAI's form is told of a request in Anthropic's. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { seededRandom } from '#core/random';
import { fromMessagesRequest } from '#dialects/anthropic/request';
import { startUpstream } from '../../tests/helpers/upstream.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { createProvider } from './index.ts';

for (const cacheControl of [true, false, undefined])
  it(`has cache_control where its setting says ${cacheControl}`, async (t) => {
    const upstream = await startUpstream(t);
    const settings = { baseUrl: upstream.baseUrl, ...(cacheControl !== undefined && { cacheControl }) };
    const context = { name: 'one', clock: new VirtualClock(), random: seededRandom(1) };
    const provider = createProvider('openai-compatible', settings, context);
    t.after(() => provider.close());
    const text = { type: 'text', text: 'Well?', cache_control: { type: 'ephemeral' } };
    const request = fromMessagesRequest({ model: 'm', max_tokens: 9, messages: [{ role: 'user', content: [text] }] });
    await provider.complete({
      model: 'm',
      request,
      signal: new AbortController().signal,
      traceparent: undefined,
      surface: 'anthropic',
      onConnected: () => undefined,
    });
    const content = cacheControl === true ? [text] : 'Well?';
    assert.deepEqual(upstream.received[0]?.body['messages'], [{ role: 'user', content }]);
  });
