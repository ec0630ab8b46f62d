import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { BreakerRegistry } from './registry.ts';

function fail(registry: BreakerRegistry, key: string, times: number): void {
  for (let call = 0; call < times; call++) {
    const asked = registry.get(key).tryAcquire();
    if (asked.granted) asked.failure();
  }
}

describe('BreakerRegistry', () => {
  it('gives one breaker a key, with the options it was made with', () => {
    const registry = new BreakerRegistry({ clock: new VirtualClock(), defaults: { failures: 3 } });
    assert.equal(registry.get('a'), registry.get('a', { failures: 9 }));
    assert.equal(registry.get('a').options.failures, 3);
    assert.equal(registry.get('b', { failures: 9 }).options.failures, 9);
    assert.equal(registry.find('c'), undefined);
    assert.equal(registry.size, 2);
  });

  it('forgets what opened once its wait is over and nobody has asked for it, and never what an operator ordered', () => {
    const clock = new VirtualClock();
    const registry = new BreakerRegistry({ clock, idleMs: 600_000 });
    fail(registry, 'opened', 5);
    fail(registry, 'lost probe', 5);
    registry.get('forced').forceOpen({ by: 'ann', reason: 'r' });
    registry.get('disabled').disable({ by: 'ann', reason: 'r' });
    fail(registry, 'waits', 4);
    const asked = registry.get('waits').tryAcquire();
    if (asked.granted) asked.failure(3_000_000);
    clock.jump(599_999);
    registry.get('lost probe').tryAcquire();
    registry.sweep();
    assert.equal(registry.size, 5);
    clock.jump(600_001);
    registry.sweep();
    assert.deepEqual(
      [...registry.values()].map(({ key }) => key),
      ['lost probe', 'forced', 'disabled', 'waits'],
    );
  });

  it('makes room among those that opened, the longest unused first, rather than refuse a new key', () => {
    const clock = new VirtualClock();
    const registry = new BreakerRegistry({ clock, keysMax: 4 });
    registry.get('forced').forceOpen({ by: 'ann', reason: 'r' });
    registry.get('busy').tryAcquire();
    fail(registry, 'old', 5);
    clock.jump(1_000);
    fail(registry, 'young', 5);
    registry.get('new');
    assert.deepEqual(
      [...registry.values()].map(({ key }) => key),
      ['forced', 'busy', 'young', 'new'],
    );
    assert.equal(registry.evicted, 1);
  });

  it('is not filled up by ten thousand keys that failed once and are never asked for again', () => {
    const clock = new VirtualClock();
    const registry = new BreakerRegistry({ clock });
    for (let key = 0; key < 10_000; key++) fail(registry, `typo ${key}`, 5);
    assert.equal(registry.get('good').state.kind, 'closed');
    assert.equal(registry.find('typo 9999')?.state.kind, 'open');
    clock.jump(3_600_000);
    registry.get('another');
    assert.equal(registry.size, 1);
  });

  it('forgets only what is idle: without evidence, without calls, unused', () => {
    const clock = new VirtualClock();
    const registry = new BreakerRegistry({ clock, idleMs: 600_000 });
    registry.get('idle');
    registry.get('open').openFor(3_600_000);
    registry.get('busy').tryAcquire();
    registry.get('forced').forceOpen({ by: 'ann', reason: 'r' });
    registry.get('throttled');
    const throttled = registry.get('throttled').tryAcquire();
    if (throttled.granted) throttled.throttled(3_600_000);
    clock.jump(600_000);
    fail(registry, 'evidence', 1);
    registry.get('new');
    assert.deepEqual(
      [...registry.values()].map(({ key }) => key),
      ['open', 'busy', 'forced', 'throttled', 'evidence', 'new'],
    );
    assert.equal(registry.evicted, 1);
  });

  it('is bounded: a full one makes room among the idle, however short they were, and refuses where there is none', () => {
    const registry = new BreakerRegistry({ clock: new VirtualClock(), keysMax: 3 });
    for (let key = 0; key < 1_000; key++) registry.get(`key ${key}`);
    assert.ok(registry.size <= 3);
    assert.equal(registry.evicted, 1_000 - registry.size);
    const full = new BreakerRegistry({ clock: new VirtualClock(), keysMax: 2 });
    full.get('a').tryAcquire();
    full.get('b').tryAcquire();
    assert.throws(() => full.get('c'), /2 breakers are in use, and none of them is idle/);
  });

  it('tells every listener of every transition, whatever another one throws, until it is taken off', () => {
    const registry = new BreakerRegistry({ clock: new VirtualClock() });
    const heard: string[] = [];
    registry.onTransition(() => {
      throw new Error('a listener that fails');
    });
    const off = registry.onTransition(({ key, to }) => heard.push(`${key} ${to}`));
    fail(registry, 'a', 5);
    registry.get('a').reset();
    off();
    fail(registry, 'a', 5);
    assert.deepEqual(heard, ['a open', 'a closed']);
    assert.equal(registry.listenerFailures, 3);
  });

  it('holds ten thousand breakers without a timer', () => {
    const clock = new VirtualClock();
    const registry = new BreakerRegistry({ clock });
    for (let key = 0; key < 10_000; key++) fail(registry, `key ${key}`, 1);
    assert.equal(registry.size, 10_000);
    assert.equal(clock.pending, 0);
  });
});
