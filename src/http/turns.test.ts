import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Timer } from '#core/clock';
import { Turns } from './turns.ts';

/** An event loop whose turns are taken by hand, each `turnMs` long. */
function loopOf(queueMs = 200) {
  let ready: (() => void)[] = [];
  let nowMs = 0;
  const timers: { readonly dueAt: number; readonly callback: () => void }[] = [];
  const schedule = (delayMs: number, callback: () => void): Timer => {
    const timer = { dueAt: nowMs + delayMs, callback };
    timers.push(timer);
    return { cancel: () => void timers.splice(timers.indexOf(timer), 1) };
  };
  const turns = new Turns({ now: () => nowMs, schedule }, queueMs, (callback) => void ready.push(callback));
  const turn = (turnMs = 1): void => {
    nowMs += turnMs;
    for (const timer of timers.splice(0)) {
      if (timer.dueAt > nowMs) timers.push(timer);
      else timer.callback();
    }
    const now = ready;
    ready = [];
    for (const callback of now) callback();
  };
  const begun: number[] = [];
  const come = (count: number, name = 0): void => {
    for (let at = 0; at < count; at++) {
      if (turns.isFree()) begun.push(name);
      else turns.wait(() => void begun.push(name));
    }
  };
  return { turns, turn, begun, come, idle: () => ready.length === 0, timers };
}

describe('turns of the event loop', () => {
  it('begins a few at once, the rest 32 a turn, in the order in which they came, and then rests', () => {
    const { turns, turn, begun, come, idle } = loopOf();
    come(40, 1);
    assert.equal(begun.length, 32);
    assert.equal(turns.waiting, 8);
    come(5, 2);
    turn();
    turn();
    assert.deepEqual(begun.slice(32), [1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
    turn();
    turn();
    assert.ok(idle(), 'no turn is taken for nobody');
    assert.ok(turns.isFree());
  });

  it('takes shorter turns while many wait, and begins all of them', () => {
    const { turn, begun, come } = loopOf();
    come(1_000);
    const perTurn: number[] = [];
    // A turn first says who begins in the next one.
    turn();
    while (begun.length < 1_000) {
      const before = begun.length;
      turn();
      perTurn.push(begun.length - before);
    }
    assert.deepEqual([...new Set(perTurn)], [8, 32]);
  });

  it('answers those who are sent away at the end of a turn, 256 at most, and gives those who wait as much time', () => {
    const { turns, turn, begun, come, idle } = loopOf();
    let away = 0;
    come(1_000);
    for (let count = 0; count < 600; count++) turns.sendAway(() => void away++);
    assert.equal(away, 0, 'not while the loop looks at its connections');
    turn();
    assert.equal(away, 256);
    turn();
    assert.equal(begun.length, 32 + 86);
    assert.equal(away, 512);
    turn();
    assert.deepEqual([begun.length, away], [32 + 2 * 86, 600]);
    while (!idle()) turn();
    assert.equal(begun.length, 1_000);
  });

  it('answers one who is sent away though nobody begins', () => {
    const { turns, turn, idle } = loopOf();
    let away = 0;
    turns.sendAway(() => void away++);
    turn();
    assert.equal(away, 1);
    assert.ok(idle());
  });

  it('holds those who would only come back for a second, each, by one timer', () => {
    const { turns, turn, idle, timers } = loopOf();
    const away: number[] = [];
    turns.holdAndSendAway(() => void away.push(1));
    turn(400);
    turns.holdAndSendAway(() => void away.push(2));
    turns.holdAndSendAway(() => void away.push(3));
    assert.equal(timers.length, 1);
    turn(599);
    assert.deepEqual([away, idle()], [[], true]);
    turn(1);
    assert.deepEqual(away, [1]);
    turn(399);
    assert.deepEqual(away, [1]);
    turn(1);
    assert.deepEqual([away, timers.length], [[1, 2, 3], 0]);
  });

  it('holds no more than it may, and nobody once it is to end', () => {
    const { turns, turn, idle, timers } = loopOf();
    let away = 0;
    for (let count = 0; count < 4_096 + 10; count++) turns.holdAndSendAway(() => void away++);
    turn();
    assert.equal(away, 10);
    turns.release();
    turns.holdAndSendAway(() => void away++);
    while (!idle()) turn();
    assert.deepEqual([away, timers.length], [4_096 + 11, 0]);
  });

  it('lets nobody pass those who wait', () => {
    const { turns, turn, come } = loopOf();
    come(64);
    turn();
    assert.equal(turns.waiting, 32);
    assert.ok(!turns.isFree());
  });

  it('is behind while a newcomer would wait too long, by how long it takes from one to the next', () => {
    const { turns, turn, come } = loopOf(200);
    come(32 + 1_000);
    assert.ok(!turns.isBehind(), 'by the first guess of a fifth of a millisecond');
    come(1);
    assert.ok(turns.isBehind());
    assert.ok(!turns.isBehind(2));
    // Eight in 8 ms.
    for (let count = 0; count < 40; count++) turn(8);
    come(0);
    assert.ok(turns.waiting > 200 && turns.isBehind(2), `${turns.waiting} wait`);
    while (turns.waiting > 150) turn(8);
    assert.ok(!turns.isBehind());
  });

  it('holds no pause against a queue', () => {
    const { turns, turn, come } = loopOf(200);
    come(32 + 300);
    turn();
    turn(1);
    turn(60_000);
    assert.ok(turns.waiting > 200 && !turns.isBehind());
  });

  it('turns nobody away for a queue of a few, and nobody at all where it may be any length', () => {
    const slow = loopOf(1);
    slow.come(32 + 31);
    assert.ok(!slow.turns.isBehind());
    slow.come(1);
    assert.ok(slow.turns.isBehind());
    const any = loopOf(Number.POSITIVE_INFINITY);
    any.come(100_000);
    assert.ok(!any.turns.isBehind());
  });

  it('answers at once those who are too many to wait to be sent away', () => {
    const { turns } = loopOf();
    let away = 0;
    for (let count = 0; count < 4_096 + 3; count++) turns.sendAway(() => void away++);
    assert.equal(away, 3);
  });
});
