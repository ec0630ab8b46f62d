/** The queue of spans holds so many and no more, whatever the collector does; the sampler decides by the trace's id alone. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { newTraceId } from '#core/trace-context';
import type { SpanEnd } from '#contract/observer';
import { settle, VirtualClock } from '../../../tests/helpers/virtual-clock.ts';
import { otlpSpan, rejectedIn } from './otlp.ts';
import type { OtlpSpan } from './otlp.ts';
import { SpanQueue } from './span-queue.ts';
import type { Sent } from './span-queue.ts';
import { createTracing } from './tracing.ts';

const span = otlpSpan({
  traceId: newTraceId(),
  spanId: '00f067aa0ba902b7',
  parentSpanId: null,
  name: 'run',
  kind: 'internal',
  startWallMs: 0,
  durationMs: 1,
  attributes: {},
  failed: false,
});

function started(spansMax: number, send: (spans: readonly OtlpSpan[], signal: AbortSignal) => Promise<Sent>) {
  const clock = new VirtualClock();
  const ends: Record<SpanEnd, number> = { exported: 0, dropped: 0, rejected: 0 };
  const logged: string[] = [];
  const log = (event: string): void => void logged.push(event);
  const logger = { debug: log, info: log, warn: log, error: log };
  const queue = new SpanQueue({ clock, logger, spansMax, send, ended: (how, count) => (ends[how] += count) });
  return { clock, ends, logged, queue };
}

const add = (queue: SpanQueue, count: number): void => {
  for (let index = 0; index < count; index++) queue.add(span);
};

describe('the queue of spans', () => {
  it('sends in batches, one at a time, and counts what the collector would not have', async () => {
    const sizes: number[] = [];
    const { clock, ends, queue } = started(2_000, (spans) => {
      sizes.push(spans.length);
      return Promise.resolve({ kind: 'taken', rejected: sizes.length === 1 ? 5 : 0 });
    });
    add(queue, 600);
    assert.deepEqual(sizes, [], 'nothing is sent by whoever adds one');
    await clock.advance(2_000);
    assert.deepEqual([sizes, ends], [[512, 88], { exported: 595, rejected: 5, dropped: 0 }]);
    assert.deepEqual([queue.waiting, clock.pending], [0, 0]);
  });

  it('is bounded while the collector hangs, drops what finds no room, and ends at its limit', async () => {
    const { clock, ends, logged, queue } = started(1_000, (_spans, signal) => {
      const { promise, resolve } = Promise.withResolvers<Sent>();
      signal.addEventListener('abort', () => resolve({ kind: 'later', afterMs: 0 }));
      return promise;
    });
    add(queue, 10);
    await clock.advance(1_000);
    add(queue, 5_000);
    assert.deepEqual([queue.waiting, ends.dropped], [1_000, 4_010]);
    let closed = false;
    const closing = queue.close(2_000).then(() => (closed = true));
    await clock.advance(1_999);
    assert.equal(closed, false);
    await clock.advance(1);
    await closing;
    assert.deepEqual([ends, logged], [{ exported: 0, rejected: 0, dropped: 5_010 }, ['spans-lost']]);
    queue.add(span);
    assert.deepEqual([ends.dropped, clock.pending], [5_011, 0]);
  });

  it('keeps a batch that nobody took, and sends it again after the pause', async () => {
    const answers: Sent[] = [{ kind: 'later', afterMs: 7_000 }];
    const { clock, ends, queue } = started(10, () =>
      Promise.resolve(answers.shift() ?? { kind: 'taken', rejected: 0 }),
    );
    add(queue, 3);
    await clock.advance(1_000 + 6_999);
    assert.deepEqual([queue.waiting, ends.exported], [3, 0]);
    await clock.advance(1);
    assert.deepEqual([queue.waiting, ends.exported], [0, 3]);
  });

  it('sends what waits when it closes, without a pause', async () => {
    const { ends, queue } = started(2_000, () => Promise.resolve({ kind: 'taken', rejected: 0 }));
    add(queue, 1_200);
    await queue.close(2_000);
    await settle();
    assert.equal(ends.exported, 1_200);
  });
});

describe('the sampler', () => {
  const tracing = (ratio: number) => createTracing({ clock: new VirtualClock(), ratio, export: () => assert.fail() });

  it('takes its share of the traces that begin here, the same ones everywhere', () => {
    const ids = Array.from({ length: 10_000 }, newTraceId);
    const taken = ids.filter(tracing(0.1).samples);
    assert.ok(taken.length > 800 && taken.length < 1_200, `${taken.length} of 10000`);
    assert.deepEqual(ids.filter(tracing(0.1).samples), taken);
    assert.deepEqual([ids.filter(tracing(0).samples), ids.filter(tracing(1).samples)], [[], ids]);
  });

  it('leaves alone what its beginner does not want kept', () => {
    const { run, turn } = tracing(1);
    for (const traceparent of [undefined, 'nonsense', `00-${newTraceId()}-00f067aa0ba902b7-00`]) {
      assert.equal(run(traceparent, 'chat'), undefined);
      assert.equal(turn(traceparent), undefined);
    }
  });
});

it('an answer of the collector that says nothing took all', () => {
  assert.deepEqual(
    ['', '<html>', '{}', '{"partialSuccess":{"rejectedSpans":"3"}}', '{"partialSuccess":{"rejectedSpans":-1}}'].map(
      rejectedIn,
    ),
    [0, 0, 0, 3, 0],
  );
});
