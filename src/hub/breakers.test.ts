/** How soon the hub meets a dependency of its own again that was away. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import { BreakerRegistry } from '#resilience/index';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { DEPENDENCY_BREAKER } from './breakers.ts';

describe("the breaker of a dependency of the hub's own", () => {
  it('opens at a few failures among ever so many calls', () => {
    const breaker = new BreakerRegistry({ clock: new VirtualClock(), random: seededRandom(1) }).get(
      'database',
      DEPENDENCY_BREAKER,
    );
    const ask = () => breaker.tryAcquire();
    for (let call = 0; call < 1_000; call++) {
      const permit = ask();
      if (permit.granted) permit.success();
    }
    for (let permit = ask(), failures = 0; permit.granted; permit = ask()) {
      permit.failure();
      assert.ok(++failures <= 5);
    }
  });

  it('asks again every two seconds at the latest, however long it was away, and then lets all pass that ask', async () => {
    const clock = new VirtualClock();
    const breaker = new BreakerRegistry({ clock, random: seededRandom(1) }).get('database', DEPENDENCY_BREAKER);
    for (let awayMs = 0; awayMs < 600_000;) {
      const permit = breaker.tryAcquire();
      if (permit.granted) {
        permit.failure();
        continue;
      }
      const { retryAfterMs } = permit;
      assert.ok(retryAfterMs <= 2_000, `${retryAfterMs} ms`);
      await clock.advance(retryAfterMs);
      awayMs += retryAfterMs;
    }
    await clock.advance(2_000);
    const probe = breaker.tryAcquire();
    assert.ok(probe.granted);
    probe.success();
    const all = Array.from({ length: 100 }, () => breaker.tryAcquire().granted);
    assert.ok(all.every(Boolean));
  });
});
