/** A shared stream while it is under way: what becomes of who waits for it when its readers leave or it is made anew, and what a follower is told. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { event, gate, streams, until } from '../helpers/upstream.ts';
import { settle } from '../helpers/virtual-clock.ts';
import { plainResult, startCached, streamResult } from './harness.ts';

/** What a stream says of more than is read ahead of its readers, though its text is not as long as that. */
const CHUNK = { id: 'chatcmpl-test', object: 'chat.completion.chunk', created: 1, model: 'test-model' };
const WORD = event({ ...CHUNK, choices: [{ index: 0, delta: { content: 'A text. ' }, finish_reason: null }] });
const WORDS = 40_000;

it(
  'a stream that its reader has left is read to its end for who waits for the whole',
  { timeout: 60_000 },
  async (t) => {
    const { bench, upstream } = await startCached(t);
    upstream.otherwise = streams([''], { raw: { 0: WORD.repeat(WORDS) } });
    const { events } = await bench.gateway.stream(bench.call({ stream: true }));
    const plain = plainResult(bench);
    await settle();
    await events.return?.();
    const { text, error } = await plain;
    assert.equal(error, null);
    assert.ok(text === 'A text. '.repeat(WORDS), 'he has the whole of it');
    assert.equal(upstream.received.length, 1);
  },
);

it('who follows a stream is told what it used, and pays nothing', async (t) => {
  const { bench, upstream } = await startCached(t);
  upstream.otherwise = streams(['All is well.']);
  const call = () => bench.call({ stream: true, stream_options: { include_usage: true } });
  const both = await Promise.all([bench.gateway.stream(call()), bench.gateway.stream(call())]);
  for (const { events } of both) while ((await events.next()).done !== true);
  const used = { promptTokens: 7, completionTokens: 3 };
  assert.deepEqual(
    both.map(({ spent }) => spent()),
    [
      // Nobody knows the price.
      { ...used, costMicroUsd: null },
      { ...used, costMicroUsd: 0 },
    ],
  );
  assert.equal(upstream.received.length, 1);
});

it('who waits for the whole of a stream that is too large to be put together asks for himself', async (t) => {
  const { bench, upstream } = await startCached(t);
  const part = 'A text. '.repeat(16 * 1024);
  upstream.script(streams(Array.from({ length: 40 }, () => part)));
  const streamed = streamResult(bench, bench.call({ stream: true }));
  const plain = plainResult(bench);
  assert.deepEqual(await plain, { text: 'All is well.', error: null });
  const { text, error } = await streamed;
  assert.deepEqual([text.length, error], [40 * part.length, null]);
  assert.equal(upstream.received.length, 2);
  assert.equal(bench.runs.length, 2);
});

it('an answer that is made anew is asked for once more, and not again for who had followed the one before', async (t) => {
  const { bench, upstream } = await startCached(t);
  const { opened, open } = gate();
  upstream.otherwise = streams(['Half. ', 'Whole.'], { gates: { 1: opened } });
  const ask = (content: string, anew: boolean): ReturnType<typeof streamResult> => {
    const call = bench.call({ stream: true, messages: [{ role: 'user', content }] });
    return streamResult(bench, { ...call, preferences: { cache: { anew } } });
  };
  const results = [ask('One', false)];
  await until('it is asked', () => upstream.received.length === 1);
  results.push(ask('Another', true));
  await until('another is asked', () => upstream.received.length === 2);
  results.push(ask('One', false));
  await until('he follows', () => bench.running.list().length === 3);
  results.push(ask('One', true));
  await until('it is asked anew', () => upstream.received.length === 3);
  open();
  for (const { text, error } of await Promise.all(results)) assert.deepEqual([text, error], ['Half. Whole.', null]);
  await until('all has ended', () => bench.running.list().length === 0);
  assert.equal(upstream.received.length, 3);
  assert.equal(new Set(bench.runs.map(({ id }) => id)).size, 4, 'each caller has a run of his own');
  assert.equal(bench.runs.length, 4);
  assert.ok(
    bench.runs.every(({ finishReason }) => finishReason === 'stop'),
    'his says how the answer ended, too',
  );
});
