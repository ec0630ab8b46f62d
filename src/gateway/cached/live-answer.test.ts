/** How far a live answer is read ahead of its readers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settle } from '../../../tests/helpers/virtual-clock.ts';
import type { ChatStream } from '#contract/gateway';
import { LiveAnswer } from './live-answer.ts';

/** Events of a million characters; the bound is over four million. */
const TEXT = JSON.stringify({ choices: [{ index: 0, delta: { content: 'x'.repeat(1_000_000) } }] });
const EVENTS = 12;
const AHEAD = 5;

function begin() {
  const read = { events: 0 };
  async function* events(): AsyncGenerator<string, undefined> {
    for (; read.events < EVENTS; read.events++) yield TEXT;
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
  const spent = () => ({ promptTokens: null, completionTokens: null, costMicroUsd: null });
  const live = new LiveAnswer({ summary, events: events(), spent });
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
