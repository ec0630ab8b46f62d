import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { onNextTurn, systemClock } from './clock.ts';
import { RecentTime } from './recent-time.ts';

const CALL_MS = 0.0002;

/** A clock that moves by hand, and counts who reads it. */
function bench(): { time: RecentTime; at: { ms: number }; reads: () => number; endTurn: () => void } {
  const at = { ms: 1_000 };
  let reads = 0;
  const ends: (() => void)[] = [];
  const time = new RecentTime(
    () => {
      reads++;
      return at.ms;
    },
    (callback) => ends.push(callback),
  );
  const endTurn = (): void => {
    for (const end of ends.splice(0)) end();
  };
  return { time, at, reads: () => reads, endTurn };
}

describe('the recent time', () => {
  it('is read by each call where calls are far apart', () => {
    const { time, at, reads } = bench();
    for (let call = 1; call <= 1_000; call++) {
      at.ms += 0.002;
      assert.equal(time.now(), at.ms);
    }
    assert.equal(reads(), 1_000);
  });

  it('is read once for 64 calls in a row, and is never older than they are', () => {
    const { time, at, reads } = bench();
    let oldest = 0;
    for (let call = 1; call <= 64_000; call++) {
      at.ms += CALL_MS;
      oldest = Math.max(oldest, at.ms - time.now());
    }
    assert.ok(reads() < 1_100, `${reads()} readings`);
    assert.ok(oldest < 64 * CALL_MS, `${oldest} ms old`);
  });

  it('is read anew in the next turn, and shared again only by calls in a row', () => {
    const { time, at, reads, endTurn } = bench();
    for (let call = 1; call <= 100; call++) time.now();
    at.ms += 60_000;
    endTurn();
    const before = reads();
    for (let call = 1; call <= 30; call++) {
      at.ms += 0.002;
      assert.equal(time.now(), at.ms);
    }
    assert.equal(reads() - before, 30);
  });

  it('stops being shared where a call takes long after all', () => {
    const { time, at, reads } = bench();
    for (let call = 1; call <= 200; call++) time.now();
    for (let call = 1; call <= 64; call++) {
      at.ms += 1;
      time.now();
    }
    const before = reads();
    at.ms += 1;
    assert.equal(time.now(), at.ms);
    assert.equal(reads() - before, 1);
  });

  it("follows the system's clock over the turns of the event loop", async () => {
    const recent = systemClock.recent?.bind(systemClock) ?? assert.fail('the system has a recent time');
    for (let turn = 1; turn <= 50; turn++) {
      for (let call = 1; call <= 1_000; call++) recent();
      await new Promise<void>((resolve) => onNextTurn(resolve));
      await new Promise<void>((resolve) => onNextTurn(resolve));
      const from = performance.now();
      const seen = recent();
      assert.ok(seen >= from && seen <= performance.now());
    }
  });
});
