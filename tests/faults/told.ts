/** One fault, from both sides: what the caller was told, what the upstream received, and that the next healthy call is served. */
import assert from 'node:assert/strict';
import { HubError } from '#core/errors';
import { until } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';
import type { Fault } from './faults.ts';
import { plainResult, streamResult } from './harness.ts';
import type { Bench } from './harness.ts';

export type Form = 'plain' | 'stream';
export const FORMS = ['plain', 'stream'] as const satisfies readonly Form[];

export const askers = { plain: plainResult, stream: streamResult } as const;

/** A bench that makes one attempt a call, whose one upstream answers "All is well." after the fault. */
export async function assertTold(bench: Bench, upstream: Upstream, fault: Fault, form: Form): Promise<void> {
  upstream.script(fault.behaviour);
  const ask = askers[form];

  const pending = ask(bench);
  if (fault.waitMs !== undefined) {
    await until('the upstream has the request', () => upstream.received.length === 1);
    if (fault.text !== undefined) await untilStalled(bench);
    await bench.clock.advance(fault.waitMs);
  }
  const { text, error } = await pending;

  assert.equal(hubError(error).code, fault.code);
  assert.equal(text, fault.text ?? '');
  assert.equal(upstream.received.length, 1);
  assert.equal(bench.lastRun.status, 'failed');
  assert.equal(bench.lastRun.errorCode, fault.code);
  assert.deepEqual(
    bench.attempts.map(({ outcome }) => outcome),
    [fault.outcome],
  );
  const cancelled = fault.waitMs !== undefined || fault.outcome === 'oversize';
  await until('the exchange is over for the upstream, too', () => {
    const [first] = upstream.received;
    return first?.aborted === true || (!cancelled && first?.finished === true);
  });

  await bench.clock.advance(60_000);
  assert.deepEqual(await ask(bench), { text: 'All is well.', error: null });
  assert.equal(bench.running.list().length, 0);
  assert.equal(bench.clock.pending, 0);
}

/** Time may be moved once the hub itself waits: for a stall, after the words before it have been read. */
export async function untilStalled(bench: Bench): Promise<void> {
  await until('the stream has begun', () => bench.running.list()[0]?.attempts[0]?.firstTokenMs !== null);
  for (let turn = 0; turn < 50; turn++) await bench.clock.advance(0);
}

export function hubError(error: unknown): HubError {
  assert.ok(error instanceof HubError, `a HubError, not ${String(error)}`);
  return error;
}
