import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { SlidingWindow } from './window.ts';

const WINDOW_MS = 1_000;
const SLOT_MS = 100;

it('a window counts what happened in the ten slots that end now, whatever was skipped between', () => {
  const step = fc.record({ afterMs: fc.oneof(fc.nat(90), fc.nat(3_000)), failed: fc.boolean() });
  fc.assert(
    fc.property(fc.nat(10_000), fc.array(step, { maxLength: 60 }), (startMs, steps) => {
      const window = new SlidingWindow(WINDOW_MS);
      const events: { slot: number; failed: boolean }[] = [];
      let now = startMs;
      for (const { afterMs, failed } of steps) {
        now += afterMs;
        const slot = Math.floor(now / SLOT_MS);
        events.push({ slot, failed });
        if (failed) window.failure(now);
        else window.success(now);
        const inside = events.filter((event) => event.slot > slot - 10);
        assert.equal(window.calls(now), inside.length);
        assert.equal(window.failures(now), inside.filter((event) => event.failed).length);
      }
      window.clear();
      assert.equal(window.calls(now), 0);
    }),
    { seed: 20_261_123, numRuns: 500 },
  );
});
