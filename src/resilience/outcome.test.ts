/** What a caller who catches reads of how his call ended. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { BadValueError, BrokenCircuitError, CallTimeoutError, errorOf, OverloadError } from './outcome.ts';

it('an error says what its outcome says', () => {
  const open = { kind: 'open', key: 'upstream', reason: 'throttled', retryAfterMs: 7 } as const;
  const refused = errorOf(open);
  assert.ok(refused instanceof BrokenCircuitError);
  const { key, reason, retryAfterMs } = refused;
  assert.deepEqual({ kind: 'open', key, reason, retryAfterMs }, open);
  for (const [outcome, limit] of [
    [{ kind: 'shed', limit: 5 }, 5],
    [{ kind: 'bulkhead', concurrent: 6 }, 6],
  ] as const) {
    const error = errorOf(outcome);
    assert.ok(error instanceof OverloadError);
    assert.equal(error.limit, limit);
  }
  const late = errorOf({ kind: 'timeout', scope: 'idle', limitMs: 8 });
  assert.ok(late instanceof CallTimeoutError);
  assert.deepEqual([late.scope, late.limitMs], ['idle', 8]);
  const value = { status: 500 };
  assert.equal(new BadValueError(value).value, value);
});

it('an everyday refusal costs no stack, and takes none from other errors', () => {
  const refused = errorOf({ kind: 'bulkhead', concurrent: 1 });
  assert.ok(refused instanceof Error);
  assert.doesNotMatch(refused.stack ?? '', /\n\s+at /);
  assert.match(new Error('other').stack ?? '', /\n\s+at /);
});
