/** What a stream used is known to the hub whether or not the caller asks for it, and seen by the caller only where it does. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { chunk, event, startUpstream } from '../helpers/upstream.ts';
import { startBench } from './harness.ts';

const USAGE = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };

for (const asked of [false, true]) {
  it(`the tokens of a stream are in its run, and ${asked ? 'told to' : 'kept from'} a caller who ${asked ? 'asked' : 'did not ask'}`, async (t) => {
    const upstream = await startUpstream(t);
    const bench = startBench(t, { providers: { one: upstream.baseUrl } });
    const options = asked ? { stream_options: { include_usage: true } } : {};
    const { events } = await bench.gateway.stream(bench.call({ stream: true, ...options }));
    const chunks = (await Array.fromAsync(events)).map((text) => JSON.parse(text));
    assert.deepEqual(upstream.received[0]?.body['stream_options'], { include_usage: true });
    assert.equal(
      chunks.some(({ choices }) => choices.length === 0),
      asked,
    );
    assert.deepEqual([bench.lastRun.promptTokens, bench.lastRun.completionTokens], [7, 3]);
    assert.equal(bench.lastRun.attempts[0]?.completionTokens, 3);
  });
}

/** By what they lack. */
const WITHOUT_CHOICES = {
  'no choices': { id: 'c', object: 'chat.completion.chunk', usage: USAGE },
  'no choices and no object': { usage: USAGE },
  'choices that are null': { id: 'c', choices: null, usage: USAGE },
};
for (const [what, said] of Object.entries(WITHOUT_CHOICES))
  for (const place of [0, 1, 2])
    it(`usage in an event with ${what} is known, and breaks no answer (at place ${place})`, async (t) => {
      const upstream = await startUpstream(t);
      const bench = startBench(t, { providers: { one: upstream.baseUrl } });
      upstream.script(async (exchange) => {
        const parts = [chunk(exchange, { content: 'All is well.' }), chunk(exchange, {}, 'stop')];
        parts.splice(place, 0, event(said));
        exchange.response.writeHead(200, { 'content-type': 'text/event-stream' }).end(parts.join(''));
      });
      const { events } = await bench.gateway.stream(bench.call({ stream: true }));
      const chunks = (await Array.fromAsync(events)).map((text) => JSON.parse(text));
      assert.equal(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join(''), 'All is well.');
      assert.deepEqual([bench.lastRun.status, bench.lastRun.promptTokens], ['succeeded', 7]);
    });

it('a stream is known by its type however that is written', async (t) => {
  const upstream = await startUpstream(t);
  const bench = startBench(t, { providers: { one: upstream.baseUrl } });
  upstream.script((exchange) => {
    const parts = [chunk(exchange, { content: 'All is well.' }, 'stop'), 'data: [DONE]\n\n'];
    exchange.response.writeHead(200, { 'content-type': 'Text/Event-Stream; Charset=UTF-8' }).end(parts.join(''));
  });
  const { events } = await bench.gateway.stream(bench.call({ stream: true }));
  assert.equal((await Array.fromAsync(events)).length, 1);
});

it('a server that refuses the field is not told it', async (t) => {
  const upstream = await startUpstream(t);
  const bench = startBench(t, { providers: { one: { baseUrl: upstream.baseUrl, streamUsage: false } } });
  await Array.fromAsync((await bench.gateway.stream(bench.call({ stream: true }))).events);
  assert.equal('stream_options' in (upstream.received[0]?.body ?? {}), false);
  assert.equal(bench.lastRun.completionTokens, null);
});
