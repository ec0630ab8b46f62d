import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Turns } from './turns.ts';

/** An event loop whose turns are taken by hand. */
function loopOf(queueMs = 200) {
  let ready: (() => void)[] = [];
  const turns = new Turns(queueMs, (callback) => void ready.push(callback));
  const turn = (): void => {
    const now = ready;
    ready = [];
    for (const callback of now) callback();
  };
  const begun: number[] = [];
  const come = (count: number, since = 0): void => {
    for (let at = 0; at < count; at++) {
      if (turns.isFree()) begun.push(since);
      else turns.wait(since, () => void begun.push(since));
    }
  };
  return { turns, turn, begun, come, idle: () => ready.length === 0 };
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
    assert.equal(begun.length, 32 + 64);
    assert.equal(away, 512);
    turn();
    assert.deepEqual([begun.length, away], [32 + 128, 600]);
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

  it('lets nobody pass those who wait', () => {
    const { turns, turn, come } = loopOf();
    come(64);
    turn();
    assert.equal(turns.waiting, 32);
    assert.ok(!turns.isFree());
  });

  it('is behind while the first has waited too long, and no longer', () => {
    const { turns, turn, come } = loopOf(200);
    come(32 + 64, 0);
    come(32, 150);
    assert.ok(!turns.isBehind(200));
    assert.ok(turns.isBehind(201));
    turn();
    turn();
    turn();
    assert.equal(turns.waiting, 32);
    assert.ok(!turns.isBehind(350), 'those of the first moment have begun');
    assert.ok(turns.isBehind(351));
  });

  it('holds no pause against a queue of a few', () => {
    const { turns, come } = loopOf(200);
    come(32 + 31, 0);
    assert.ok(!turns.isBehind(60_000));
    come(1, 0);
    assert.ok(turns.isBehind(60_000));
  });
});
