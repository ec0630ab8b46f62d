/** How far a live answer is read ahead of its readers, and what it says at its end. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settle } from '../../../tests/helpers/virtual-clock.ts';
import type { ChatStream, RunSpent } from '#contract/gateway';
import { LiveAnswer } from './live-answer.ts';

/** Events of a million characters; the bound is over four million. */
const TEXT = JSON.stringify({ choices: [{ index: 0, delta: { content: 'x'.repeat(1_000_000) } }] });
const EVENTS = 12;
const AHEAD = 5;

const UNKNOWN: RunSpent = { promptTokens: null, completionTokens: null, costMicroUsd: null };

function begin(texts: readonly string[] = Array.from({ length: EVENTS }, () => TEXT), given = UNKNOWN) {
  const read = { events: 0 };
  async function* events(): AsyncGenerator<string, undefined> {
    for (const text of texts) {
      yield text;
      read.events++;
    }
    return undefined;
  }
  const summary: ChatStream['summary'] = {
    runId: 'run_1',
    provider: 'a',
    model: 'm',
    attempts: 1,
    overheadMs: 0,
    degraded: false,
    simulated: false,
  };
  const live = new LiveAnswer({ summary, events: events(), spent: () => given });
  return { live, read, ended: () => live.pump() };
}

describe('a live answer', () => {
  it('is read ahead of a reader who does not read, up to a bound, and then as fast as the fastest takes it', async () => {
    const { live, read, ended } = begin();
    const [slow, fast] = [live.reader(false), live.reader(false)];
    const end = ended();
    await settle();
    // One is on its way while it is told of.
    assert.equal(read.events, AHEAD - 1);
    for (let taken = 1; taken <= AHEAD; taken++) await fast.next();
    await settle();
    assert.equal(read.events, AHEAD);
    await slow.next();
    await settle();
    assert.equal(read.events, AHEAD, 'the slow one has nothing that the fast one had not');
    await fast.next();
    await settle();
    assert.equal(read.events, AHEAD + 1);
    while ((await fast.next()).done !== true);
    assert.equal(await end, null);
  });

  it('is read to its end when the last of its readers has left, however often he says so', async () => {
    const { live, read, ended } = begin();
    const [leaver, reader] = [live.reader(false), live.reader(false)];
    const end = ended();
    await settle();
    await leaver.return();
    await leaver.return();
    await settle();
    assert.equal(read.events, AHEAD - 1, 'another reads');
    await reader.return();
    assert.equal(await end, null);
    assert.equal(read.events, EVENTS);
  });
});

describe('at its end a live answer', () => {
  const frame = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 7, model: 'm' };
  const event = (delta: unknown, finish: unknown = null): string =>
    JSON.stringify({ ...frame, choices: [{ index: 0, delta, finish_reason: finish }] });
  const words = [event({ role: 'assistant', content: 'Well' }), event({ content: '.' })];
  const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
  const told = JSON.stringify({ ...frame, choices: [], usage });

  for (const [what, texts, spent, expected] of [
    ['by its upstream', [...words, event({}, 'stop'), told], UNKNOWN, usage],
    ['by its run', [...words, event({}, 'stop')], { ...UNKNOWN, promptTokens: 7, completionTokens: 3 }, usage],
    ['by nobody', [...words, event({}, 'stop')], { ...UNKNOWN, promptTokens: 7 }, null],
  ] as const)
    it(`has its end and its usage as they are told ${what}, and is whole`, async () => {
      const { live, ended } = begin(texts, spent);
      await ended();
      assert.deepEqual(live.facts(), { finishReason: 'stop', usage: expected });
      const message = { role: 'assistant', content: 'Well.' };
      assert.deepEqual(live.completion(), {
        ...frame,
        object: 'chat.completion',
        choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
        usage: expected,
      });
      const last = live.usageChunk();
      assert.deepEqual(last === null ? null : JSON.parse(last), expected && JSON.parse(told));
    });

  it('has no end where that is no word, and is no answer where nothing came', async () => {
    const cut = begin([...words, event({}, 7)]);
    await cut.ended();
    assert.equal(cut.live.facts().finishReason, null);
    const empty = begin([], { ...UNKNOWN, promptTokens: 7, completionTokens: 0 });
    await empty.ended();
    assert.deepEqual([empty.live.completion(), empty.live.usageChunk()], [null, null]);
  });

  it('tells its usage to who asked for it alone, once', async () => {
    for (const [texts, asked, expected] of [
      [[...words, told], true, [...words, told]],
      [[...words, told], false, words],
      [words, true, [...words, told]],
      [words, false, words],
    ] as const) {
      const { live, ended } = begin(texts, { ...UNKNOWN, promptTokens: 7, completionTokens: 3 });
      const reader = live.reader(asked);
      await ended();
      const read: string[] = [];
      for await (const text of reader) read.push(text);
      assert.deepEqual(read, expected);
      assert.equal((await reader.next()).done, true);
    }
  });
});
