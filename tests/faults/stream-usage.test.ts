/** What a stream used is known to the hub whether or not the caller asks for it, and seen by the caller only where it does. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { startUpstream } from '../helpers/upstream.ts';
import { startBench } from './harness.ts';

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

it('a server that refuses the field is not told it', async (t) => {
  const upstream = await startUpstream(t);
  const bench = startBench(t, { providers: { one: { baseUrl: upstream.baseUrl, streamUsage: false } } });
  await Array.fromAsync((await bench.gateway.stream(bench.call({ stream: true }))).events);
  assert.equal('stream_options' in (upstream.received[0]?.body ?? {}), false);
  assert.equal(bench.lastRun.completionTokens, null);
});
