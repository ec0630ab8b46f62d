/** What a caller reads who is over a limit. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { LimitStanding } from '#contract/admission';
import { exceeded } from './words.ts';

const key = { scope: 'key', id: 'k', period: 'minute', resetMs: 1_500 } as const;
const day = { ...key, kind: 'usd', period: 'day', max: 2_500_000, used: 2_499_000 } as const;
const CASES: readonly (readonly [limit: LimitStanding, amount: number, message: string, retryAfterMs?: number])[] = [
  [
    { ...key, kind: 'requests', max: 5, used: 5 },
    1,
    'The key "k" may have 5 requests a minute; 5 are counted, and this call asks for 1. There is room again in 2 s.',
    1_500,
  ],
  [
    { ...key, kind: 'tokens', max: 900, used: 800 },
    200,
    'The key "k" may have 900 tokens a minute; 800 are counted, and this call asks for up to 200. There is room again in 2 s.',
    1_500,
  ],
  [
    { ...key, kind: 'concurrent', period: null, max: 1, used: 1 },
    1,
    'The key "k" may have 1 calls at the same time; 1 are counted, and this call asks for 1. There is room again in 2 s.',
    1_500,
  ],
  [
    day,
    2_000,
    'The key "k" may have $2.50 a day; $2.499 is spent, and this call asks for up to $0.002. There is room again in 2 s.',
    1_500,
  ],
  [
    day,
    3_000_000,
    'The key "k" may have $2.50 a day; this call alone asks for up to $3.00. Ask for less: fewer messages, or a smaller max_tokens.',
  ],
  [
    { ...key, kind: 'tokens', max: 900, used: 0, resetMs: Number.POSITIVE_INFINITY },
    901,
    'The key "k" may have 900 tokens a minute; this call alone asks for up to 901. Ask for less: fewer messages, or a smaller max_tokens.',
  ],
];

for (const [limit, amount, message, retryAfterMs] of CASES)
  it(`a caller is told which limit it is and when there is room: ${limit.kind}, ${amount}`, () => {
    const error = exceeded([limit], limit, amount);
    assert.deepEqual([error.message, error.retryAfterMs], [message, retryAfterMs]);
  });
