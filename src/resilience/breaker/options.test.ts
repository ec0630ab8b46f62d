/** Numbers that are none: as options, and as what upstreams and peers are said to have said. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { VirtualClock } from '../../../tests/helpers/virtual-clock.ts';
import { Breaker } from './breaker.ts';
import { BREAKER_DEFAULTS, checkedOptions } from './options.ts';
import type { Permit } from './permit.ts';

function breakerWith(options: object) {
  const clock = new VirtualClock();
  const breaker = new Breaker('upstream', { ...BREAKER_DEFAULTS, ...options }, { clock, random: { next: () => 0.5 } });
  const permit = (): Permit => {
    const asked = breaker.tryAcquire();
    return asked.granted ? asked : assert.fail(`refused: ${asked.reason}`);
  };
  return { clock, breaker, permit };
}

it('holds nothing for ever where a wait is no number: a Retry-After that was a date, a snapshot that was torn', () => {
  const { clock, breaker, permit } = breakerWith({ failures: 1 });
  const opened: (() => void)[] = [
    () => permit().failure(Number.NaN),
    () => breaker.openFor(Number.NaN),
    () => breaker.hydrate({ state: 'open', remainingMs: Number.NaN, round: 0, by: null, reason: null }),
  ];
  for (const open of opened) {
    open();
    clock.jump(30_000);
    assert.equal(breaker.state.kind, 'half_open', open.toString());
    breaker.reset();
  }
  permit().throttled(Number.NaN);
  assert.equal(breaker.throttledForMs, 1_000);
  breaker.endHold();
  breaker.holdBack(Number.NaN);
  permit().success();
});

it('takes every option down to its least value, and none below', () => {
  const from1 = ['failures', 'windowMs', 'probeSuccesses', 'probesConcurrent'];
  const from0 = ['minFailureRate', 'minCalls', 'openMs', 'openMsMax', 'jitter', 'slowCallMs'];
  for (const [least, names] of [[1, from1] as const, [0, from0] as const])
    for (const name of names) {
      breakerWith({ [name]: least });
      assert.throws(
        () => breakerWith({ [name]: least - 0.5 }),
        new RegExp(`^RangeError: ${name} is ${least} or more|from ${least} to`),
      );
    }
});

it('refuses options that would keep a circuit open or closed for ever, and takes the default where one is undefined', () => {
  const wrong = { failures: 0, windowMs: 0, minFailureRate: 2, openMs: Number.NaN, jitter: -1, probesConcurrent: 0 };
  for (const [name, value] of Object.entries(wrong))
    assert.throws(() => breakerWith({ [name]: value }), new RegExp(`^RangeError: ${name} is .*, not ${value}$`));
  assert.throws(() => breakerWith({ slowCallMs: -1 }), /^RangeError: slowCallMs is 0 or more, not -1$/);
  // Callers in JavaScript, and in a TypeScript that takes an optional field for one that may be undefined.
  assert.deepEqual(breakerWith({ failures: undefined, openMs: undefined }).breaker.options, BREAKER_DEFAULTS);
});

it('opens for as long as is said at first, where nothing is said of the longest', () => {
  const longest = (given: object): number => checkedOptions(given).openMsMax;
  assert.deepEqual(
    [longest({ openMs: 600_000 }), longest({ openMs: 1_000 }), longest({})],
    [600_000, 300_000, 300_000],
  );
  assert.equal(longest({ openMs: 600_000, openMsMax: 50 }), 50);
  assert.equal(checkedOptions({}, { ...BREAKER_DEFAULTS, openMsMax: 10 }).openMsMax, 10);
});
