import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { Breaker } from './breaker/breaker.ts';
import { BREAKER_DEFAULTS } from './breaker/options.ts';
import { Bulkhead } from './bulkhead.ts';
import { CallTimeoutError } from './outcome.ts';
import { pipeline } from './pipeline.ts';

function streaming() {
  const clock = new VirtualClock();
  const breaker = new Breaker('upstream', BREAKER_DEFAULTS, { clock, random: { next: () => 0.5 } });
  const bulkhead = new Bulkhead({ clock, concurrent: 1 });
  const built = pipeline({ clock }).breaker(breaker).bulkhead(bulkhead).timeout(100).build();
  const nothingHeld = (): void => {
    assert.equal(breaker.inFlight, 0);
    assert.equal(bulkhead.running, 0);
  };
  return { clock, breaker, bulkhead, built, nothingHeld };
}

async function collected<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const part of source) all.push(part);
  return all;
}

async function* parts(...all: (string | Error)[]): AsyncGenerator<string> {
  for (const part of all) {
    if (part instanceof Error) throw part;
    yield part;
  }
}

describe('stream', () => {
  it('yields every part, holds permit and slot to the end, and counts one success', async () => {
    const { breaker, bulkhead, built, nothingHeld } = streaming();
    const seen: string[] = [];
    for await (const part of built.stream(() => parts('a', 'b', 'c'))) {
      seen.push(part);
      assert.equal(breaker.inFlight, 1);
      assert.equal(bulkhead.running, 1);
      assert.equal(breaker.counts().calls, 0);
    }
    assert.deepEqual(seen, ['a', 'b', 'c']);
    assert.deepEqual(breaker.counts(), { failures: 0, calls: 1 });
    nothingHeld();
    assert.deepEqual(await collected(built.stream(() => parts())), []);
    nothingHeld();
  });

  it('takes an error after the first part for one failure', async () => {
    const { breaker, built, nothingHeld } = streaming();
    await assert.rejects(collected(built.stream(() => parts('a', new Error('cut')))), /cut/);
    assert.deepEqual(breaker.counts(), { failures: 1, calls: 1 });
    nothingHeld();
  });

  it('takes the first part of a probe for its success: a circuit closes although its streams go on', async () => {
    const { clock, breaker, nothingHeld } = streaming();
    const built = pipeline({ clock }).breaker(breaker).timeout(100).build();
    for (let call = 0; call < 5; call++) await assert.rejects(collected(built.stream(() => parts(new Error('down')))));
    clock.jump(30_000);
    const going = [built.stream(() => parts('a', 'b')), built.stream(() => parts('a', 'b'))];
    for (const stream of going) await stream.next();
    assert.equal(breaker.state.kind, 'closed');
    for (const stream of going) await collected(stream);
    assert.deepEqual(breaker.counts(), { failures: 0, calls: 2 });
    nothingHeld();
  });

  it('takes a consumer who walks away for nobody’s fault, and stops the source', async () => {
    const { breaker, built, nothingHeld } = streaming();
    let stopped = false;
    const source = async function* (): AsyncGenerator<number> {
      try {
        for (let part = 0; ; part++) yield part;
      } finally {
        stopped = true;
      }
    };
    for await (const part of built.stream(source)) if (part === 2) break;
    assert.deepEqual(breaker.counts(), { failures: 0, calls: 0 });
    nothingHeld();
    assert.equal(stopped, true);
  });

  it('gives everything back where the source will not be stopped', async () => {
    const { built, nothingHeld } = streaming();
    const stubborn: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false, value: 'a' }),
        return: () => {
          throw new Error('not a promise that rejects, but a throw');
        },
      }),
    };
    for await (const part of built.stream(() => stubborn)) if (part === 'a') break;
    nothingHeld();
  });

  it('leaves no timer behind, however long it might have waited for a part', async () => {
    const { clock, built } = streaming();
    assert.deepEqual(await collected(built.stream(() => parts('a', 'b'), { idleMs: 3_600_000 })), ['a', 'b']);
    for await (const part of built.stream(() => parts('a', 'b', 'c'), { idleMs: 3_600_000 })) if (part === 'b') break;
    await clock.advance(100);
    assert.equal(clock.pending, 0);
  });

  it('ends with the caller’s own reason when the caller aborts between two parts', async () => {
    const { breaker, built, nothingHeld } = streaming();
    const controller = new AbortController();
    const reason = new Error('enough');
    const signals: AbortSignal[] = [];
    const source = async function* ({ signal }: { signal: AbortSignal }): AsyncGenerator<string> {
      signals.push(signal);
      yield 'a';
      await new Promise(() => undefined);
    };
    const iterator = built.stream(source, { signal: controller.signal });
    assert.equal((await iterator.next()).value, 'a');
    const second = iterator.next();
    controller.abort(reason);
    await assert.rejects(second, (error) => error === reason);
    assert.equal(signals[0]?.reason, reason);
    assert.deepEqual(breaker.counts(), { failures: 0, calls: 0 });
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
    nothingHeld();
  });

  it('bounds the wait for the first part and, where asked, for each next one', async () => {
    const { clock, breaker, built, nothingHeld } = streaming();
    const mute = async function* (): AsyncGenerator<string> {
      await new Promise(() => undefined);
      yield 'never';
    };
    const stalls = async function* (): AsyncGenerator<string> {
      yield 'a';
      await clock.sleep(400);
      yield 'b';
      await new Promise(() => undefined);
    };
    const first = assert.rejects(collected(built.stream(mute)), (error) => {
      return error instanceof CallTimeoutError && error.scope === 'attempt';
    });
    await clock.advance(100);
    await first;
    const seen: string[] = [];
    const reading = (async () => {
      for await (const part of built.stream(stalls, { idleMs: 500 })) seen.push(part);
    })();
    const ended = assert.rejects(reading, /The next part of the stream took longer than 500 ms/);
    await clock.advance(2_000);
    await ended;
    assert.deepEqual(seen, ['a', 'b']);
    assert.deepEqual(breaker.counts(), { failures: 2, calls: 2 });
    nothingHeld();
  });

  it('repeats until the first part, and never after it', async () => {
    const clock = new VirtualClock();
    const built = pipeline({ clock, random: { next: () => 0 } })
      .retry({ idempotent: true })
      .build();
    let opened = 0;
    const flaky = (): AsyncGenerator<string> => (++opened < 3 ? parts(new Error('not yet')) : parts('a', 'b'));
    const all = collected(built.stream(flaky));
    await clock.advance(10);
    assert.deepEqual(await all, ['a', 'b']);
    assert.equal(opened, 3);
    opened = 0;
    const cut = (): AsyncGenerator<string> => {
      opened++;
      return parts('a', new Error('cut'));
    };
    await assert.rejects(collected(built.stream(cut)), /cut/);
    assert.equal(opened, 1);
  });

  it('closes a source that opens after its attempt was given up, and leaves the repeat alone', async () => {
    const clock = new VirtualClock();
    const built = pipeline({ clock, random: { next: () => 0 } })
      .retry({ attempts: 2, idempotent: true })
      .timeout(50)
      .build();
    let opened = 0;
    const closed: number[] = [];
    const source = async function* (): AsyncGenerator<string> {
      const number = ++opened;
      try {
        // Deaf to its signal: the first opens while the second is read.
        await clock.sleep(number === 1 ? 150 : 5);
        for (let part = 0; part < 30; part++) {
          yield `${number}.${part}`;
          await clock.sleep(10);
        }
      } finally {
        closed.push(number);
      }
    };
    const all = collected(built.stream(source));
    await clock.advance(200);
    assert.deepEqual([opened, closed], [2, [1]]);
    await clock.advance(1_000);
    assert.equal((await all).at(-1), '2.29');
    assert.deepEqual(closed, [1, 2]);
  });

  it('hedges the first part, keeps the winner tied to its caller, and abandons a loser that opens late', async () => {
    const { clock, breaker } = streaming();
    const built = pipeline({ clock }).hedge({ delayMs: 10 }).breaker(breaker).build();
    let opened = 0;
    const stopped: number[] = [];
    const source = async function* (): AsyncGenerator<number> {
      const number = ++opened;
      try {
        // Deaf to its signal: it opens although nobody waits for it any more.
        await clock.sleep(number === 1 ? 50 : 20);
        for (;;) {
          yield number;
          await clock.sleep(5);
        }
      } finally {
        stopped.push(number);
      }
    };
    const controller = new AbortController();
    const iterator = built.stream(source, { signal: controller.signal });
    const first = iterator.next();
    await clock.advance(30);
    assert.equal((await first).value, 2);
    await clock.advance(100);
    assert.deepEqual(stopped, [1]);
    const next = iterator.next();
    await clock.advance(5);
    assert.equal((await next).value, 2);
    const last = iterator.next();
    controller.abort(new Error('gone'));
    await assert.rejects(last, /gone/);
    assert.deepEqual(breaker.counts(), { failures: 0, calls: 0 });
    assert.equal(breaker.inFlight, 0);
  });
});
