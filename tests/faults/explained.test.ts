/** Each attempt says in words what was done after it, and a run that gave up says which bound it met. Over real sockets. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CallPreferences } from '#contract/gateway';
import type { StopReason } from '#contract/runs';
import { GATEWAY_DEFAULTS } from '#gateway/settings';
import type { GatewaySettings } from '#gateway/settings';
import { runView } from '#http/wire/run';
import { OUTCOME_WORDS, STOP_WORDS, VERDICT_WORDS } from '#http/wire/run-words';
import { answers, refuses, startUpstream, streams, until } from '../helpers/upstream.ts';
import { rateLimited } from './faults.ts';
import { plainResult, startBench, streamResult } from './harness.ts';
import type { Bench } from './harness.ts';

const { timeouts } = GATEWAY_DEFAULTS;
const noRetry = { retries: 0, baseMs: 1, maxMs: 1 };

interface Stop {
  readonly reason: StopReason;
  readonly settings?: Partial<GatewaySettings>;
  readonly preferences?: CallPreferences;
  readonly noBudget?: true;
  readonly retryAfter?: string;
  /** How many requests the two upstreams received together. */
  readonly received: number;
}

const STOPS: readonly Stop[] = [
  { reason: 'attempts_spent', settings: { attemptsMax: 1 }, received: 1 },
  { reason: 'retries_spent', settings: { retry: noRetry }, received: 2 },
  { reason: 'retry_budget', noBudget: true, received: 2 },
  { reason: 'pause_too_long', retryAfter: '3', received: 2 },
  {
    reason: 'deadline',
    settings: { timeouts: { ...timeouts, totalMs: 500 } },
    retryAfter: '1',
    received: 2,
  },
  { reason: 'no_fallback', preferences: { fallback: false }, retryAfter: 'never', received: 1 },
  { reason: 'nobody_left', retryAfter: 'never', received: 2 },
];

function sentences(bench: Bench): (string | null)[] {
  return runView(bench.lastRun).attempts.map(({ next }) => next);
}

describe('a run that gave up', () => {
  it('has words for each code, and no two codes share theirs', () => {
    for (const table of [OUTCOME_WORDS, VERDICT_WORDS, STOP_WORDS]) {
      const words = Object.values(table);
      assert.ok(words.every((text) => text.length > 10));
      assert.equal(new Set(words).size, words.length);
    }
    assert.deepEqual(STOPS.map(({ reason }) => reason).toSorted(), Object.keys(STOP_WORDS).toSorted());
  });

  for (const { reason, settings = {}, preferences, noBudget, retryAfter, received } of STOPS) {
    it(`says that ${STOP_WORDS[reason]} (${reason})`, async (t) => {
      const [one, two] = [await startUpstream(t), await startUpstream(t)];
      // A rate limit is not tried again at the same deployment; a 503 may be.
      const never = retryAfter === 'never';
      const headers = retryAfter === undefined || never ? {} : { 'retry-after': retryAfter };
      for (const upstream of [one, two])
        upstream.otherwise = never ? refuses(429, rateLimited) : refuses(503, undefined, headers);
      const bench = startBench(t, {
        providers: { one: one.baseUrl, two: two.baseUrl },
        settings,
        ...(noBudget && { retryBudget: { recordCall: () => undefined, tryRetry: () => false } }),
      });
      const call = { ...bench.call(), ...(preferences && { preferences }) };
      assert.notEqual((await plainResult(bench, call)).error, null);
      assert.equal(one.received.length + two.received.length, received);
      assert.equal(bench.lastRun.stop, reason);
      assert.equal(sentences(bench).at(-1), `The run gave up: ${STOP_WORDS[reason]}.`);
    });
  }

  it('says that no attempt could help where the request was refused, and nothing of bounds', async (t) => {
    const upstream = await startUpstream(t);
    const bench = startBench(t, { providers: { one: upstream.baseUrl } });
    upstream.script(refuses(400));
    assert.notEqual((await plainResult(bench)).error, null);
    const [attempt] = runView(bench.lastRun).attempts;
    assert.equal(attempt?.outcomeText, 'It answered with status 400.');
    assert.equal(attempt?.verdictText, VERDICT_WORDS.give_up);
    assert.deepEqual(
      [sentences(bench), upstream.received.length],
      [['The run gave up: no further attempt could help.'], 1],
    );
  });

  it('says of a stream that was cut after its beginning that nobody was asked to go on', async (t) => {
    const [one, two] = [await startUpstream(t), await startUpstream(t)];
    const bench = startBench(t, { providers: { one: one.baseUrl, two: two.baseUrl } });
    one.script(streams(['All is'], { ending: 'cut' }));
    assert.equal((await streamResult(bench)).text, 'All is');
    assert.match(sentences(bench)[0] ?? '', /^The run gave up: the caller had the beginning of the answer/);
    const [attempt] = runView(bench.lastRun).attempts;
    assert.equal(attempt?.streamMs, (attempt?.totalMs ?? 0) - (attempt?.firstTokenMs ?? 0));
    assert.deepEqual([one.received.length, two.received.length], [1, 0]);
  });
});

describe('a run that went on', () => {
  it('says whom it asked instead, whom again after which pause, and whose the answer was', async (t) => {
    const [one, two] = [await startUpstream(t), await startUpstream(t)];
    const bench = startBench(t, { providers: { one: one.baseUrl, two: two.baseUrl } });
    one.script(refuses(503, undefined, { 'retry-after': '1' }), answers());
    two.script(refuses(503, undefined, { 'retry-after': '2' }));
    const result = plainResult(bench);
    await until('both have refused', () => bench.attempts.length === 2);
    await bench.clock.advance(1_000);
    assert.equal((await result).error, null);
    assert.deepEqual(sentences(bench), [
      'two/test-model was asked instead (attempt 2).',
      'After 1000 ms one/test-model was tried again (attempt 3).',
      'The answer was its own; the run was over.',
    ]);
    assert.deepEqual([one.received.length, two.received.length], [2, 1]);
  });
});
