import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import { AdaptiveLimit } from './adaptive-limit.ts';

/** A server with `capacity` workers of 10 ms: beyond that, everyone waits longer. */
function answersFrom(limit: AdaptiveLimit, capacity: number, rounds: number): void {
  const random = seededRandom(1);
  for (let round = 0; round < rounds; round++) {
    let entered = 0;
    while (limit.tryEnter()) entered++;
    const tookMs = 10 * Math.max(1, entered / capacity) * (0.95 + 0.1 * random.next());
    for (let call = 0; call < entered; call++) limit.answered(tookMs);
  }
}

describe('AdaptiveLimit', () => {
  it('grows while answers stay as quick as they were, up to its bound', () => {
    const limit = new AdaptiveLimit({ initial: 10, max: 200 });
    answersFrom(limit, 10_000, 300);
    assert.equal(limit.limit, 200);
  });

  it('stays near what the upstream can do at once', () => {
    const limit = new AdaptiveLimit({ initial: 10, max: 1_000 });
    answersFrom(limit, 50, 400);
    assert.ok(limit.limit >= 40 && limit.limit <= 150, `${limit.limit} for a capacity of 50`);
  });

  it('shrinks when the upstream gets slower, and grows again once it is well', () => {
    const limit = new AdaptiveLimit({ initial: 10, max: 400 });
    answersFrom(limit, 200, 200);
    const before = limit.limit;
    for (let call = 0; call < 40; call++) if (limit.tryEnter()) limit.overloaded();
    const cut = limit.limit;
    assert.ok(cut < before / 2, `${cut} after ${before}`);
    answersFrom(limit, 200, 200);
    assert.ok(limit.limit > cut * 2, `${limit.limit} after ${cut}`);
  });

  it('looks at no fewer than twenty answers together', () => {
    const limit = new AdaptiveLimit({ initial: 10 });
    // Twice as many: after the first twenty it has grown by less than one.
    for (let answers = 1; answers <= 40; answers++) {
      while (limit.tryEnter());
      assert.equal(limit.limit, 10, `after ${answers - 1}`);
      limit.answered(10);
    }
    assert.ok(limit.limit > 10);
  });

  it('measures at half the load by the calls that began under it alone', () => {
    const limit = new AdaptiveLimit({ initial: 40, max: 40 });
    for (let answers = 0; answers < 50 * 40; answers++) {
      while (limit.tryEnter());
      limit.answered(100);
    }
    assert.equal(limit.limit, 20);
    while (limit.running > 0) limit.answered(100);
    for (let answers = 0; answers < 20; answers++) {
      while (limit.tryEnter());
      assert.equal(limit.running, 20);
      limit.answered(10);
    }
    assert.equal(limit.limit, 40, 'it is measured');
    for (let answers = 0; answers < 40; answers++) {
      while (limit.tryEnter());
      limit.answered(100);
    }
    assert.ok(limit.limit < 40, 'and with more at once everyone waits');
  });

  it('does not grow on calls that come one at a time', () => {
    const limit = new AdaptiveLimit({ initial: 10 });
    for (let call = 0; call < 1_000; call++) {
      limit.tryEnter();
      limit.answered(10);
    }
    assert.equal(limit.limit, 10);
  });

  it('never leaves its bounds, and gives back every slot', () => {
    const limit = new AdaptiveLimit({ initial: 5, min: 2, max: 8 });
    for (let call = 0; call < 200; call++) if (limit.tryEnter()) limit.overloaded();
    assert.equal(limit.limit, 2);
    answersFrom(limit, 1_000, 100);
    assert.equal(limit.limit, 8);
    limit.tryEnter();
    limit.ignored();
    assert.equal(limit.running, 0);
    assert.throws(() => new AdaptiveLimit({ initial: 5, min: 6 }), /min ≤ initial/);
    assert.throws(() => new AdaptiveLimit({ tolerance: 0.5 }), /tolerance is 1 or more/);
  });
});
