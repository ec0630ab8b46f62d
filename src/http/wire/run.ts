/** A run as `/api/runs` shows it: what happened, never what was said. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { AttemptRecord, RunRecord } from '#contract/runs';
import { nextWords, OUTCOME_WORDS, outcomeWords, VERDICT_WORDS, verdictWords } from './run-words.ts';
import { isoTime, nullable, timestamp } from './common.ts';

const attemptSchema = Type.Object({
  number: Type.Integer({ description: 'From 1.' }),
  kind: Type.String({ description: '`first`, `fallback`, `retry`, `hedge` or `continuation`.' }),
  deployment: Type.String(),
  provider: Type.String(),
  model: Type.String({ description: 'The upstream’s own name.' }),
  reason: Type.String({ description: 'Why this deployment was chosen.' }),
  breakerState: Type.String({ description: 'The circuit’s state when the attempt asked for its permit.' }),
  breakerStateAfter: nullable(Type.String(), 'Once the breaker had heard how the attempt ended; null while it runs.'),
  outcome: Type.String({ description: '`succeeded`, or how it failed.' }),
  outcomeText: Type.String({ description: 'The outcome in words.' }),
  verdict: nullable(Type.String(), 'What might be done after the failure: `retry_same`, `try_other`, `give_up`.'),
  verdictText: nullable(Type.String(), 'The verdict in words.'),
  next: nullable(Type.String(), 'What was done after it, in words; null while it runs.'),
  upstreamStatus: nullable(Type.Integer(), 'HTTP status of the upstream, where there was one.'),
  startedMs: Type.Number({ description: 'Milliseconds since the run began.' }),
  connectMs: nullable(Type.Number(), 'Milliseconds until the request went out.'),
  firstTokenMs: nullable(Type.Number(), 'Milliseconds until the first token.'),
  streamMs: nullable(Type.Number(), 'Milliseconds from the first token to the end; null where no token came.'),
  totalMs: nullable(Type.Number(), 'Milliseconds until the end.'),
  promptTokens: nullable(Type.Integer(), 'Null where the upstream did not say.'),
  completionTokens: nullable(Type.Integer(), 'Null where the upstream did not say.'),
  cachedTokens: nullable(Type.Integer(), 'Those of the prompt that the upstream had cached.'),
  costUsd: nullable(Type.Number(), 'US dollars, to the millionth; null where the tokens or the price are unknown.'),
});

export const runSchema = Type.Object({
  id: Type.String(),
  status: Type.String({ description: '`running`, `succeeded`, `failed`, `cancelled`, `degraded` or `interrupted`.' }),
  surface: Type.String(),
  stream: Type.Boolean(),
  keyId: nullable(Type.String(), 'The key that started it; null without keys.'),
  requestedModel: Type.String(),
  route: nullable(Type.String(), 'The route that the model name met.'),
  provider: nullable(Type.String(), 'Who answered.'),
  model: nullable(Type.String(), 'The upstream’s own name of the model that answered.'),
  finishReason: nullable(Type.String(), 'Why the model stopped.'),
  errorCode: nullable(Type.String(), 'The hub’s error code, where it failed: see docs/errors.md.'),
  usage: Type.Object({
    promptTokens: nullable(Type.Integer(), 'Null where the upstream did not say.'),
    completionTokens: nullable(Type.Integer(), 'Null where the upstream did not say.'),
  }),
  startedAt: timestamp,
  durationMs: nullable(Type.Number(), 'Null while it runs.'),
  overheadMs: nullable(Type.Number(), 'Milliseconds in the hub: total minus waiting for upstreams.'),
  attempts: Type.Array(attemptSchema),
  guardrail: Type.Array(
    Type.Object({
      stage: Type.String({ description: '`before` the first attempt, or `after` the answer.' }),
      action: Type.String({ description: '`allowed`, `changed`, `refused`, `failed_open` or `failed_closed`.' }),
      tookMs: Type.Number({ description: 'Milliseconds.' }),
    }),
    { description: 'What the guardrail of the route did; empty without one.' },
  ),
  answered: nullable(
    Type.Object({
      by: Type.String({
        description:
          '`hit`: kept; `shared`: of a run that was under way; `stale`: past its time, in place of a failure.',
      }),
      runId: Type.String({ description: 'The run that asked for it.' }),
    }),
    'Where the answer came from that is not of these attempts; it cost nothing.',
  ),
  content: Type.String({
    description: '`off`, `redacted` or `full`: whether what was said was kept, for `GET /api/runs/{id}/content`.',
  }),
});

export type RunView = Static<typeof runSchema>;

export function runView(run: RunRecord): RunView {
  return {
    id: run.id,
    status: run.status,
    surface: run.surface,
    stream: run.stream,
    keyId: run.keyId,
    requestedModel: run.requestedModel,
    route: run.route,
    provider: run.provider,
    model: run.model,
    finishReason: run.finishReason,
    errorCode: run.errorCode,
    usage: { promptTokens: run.promptTokens, completionTokens: run.completionTokens },
    startedAt: isoTime(run.startedWallMs),
    durationMs: run.durationMs,
    overheadMs: run.overheadMs,
    attempts: run.attempts.map((attempt) => attemptView(run, attempt)),
    guardrail: (run.guardrail ?? []).map(({ stage, action, tookMs }) => ({ stage, action, tookMs })),
    answered: run.answered === undefined ? null : { by: run.answered.by, runId: run.answered.runId },
    content: run.content ?? 'off',
  };
}

/** Field by field: what a record gains later is not shown by accident. */
function attemptView(run: RunRecord, attempt: AttemptRecord): Static<typeof attemptSchema> {
  const { number, kind, deployment, provider, model, reason, breakerState, outcome, verdict } = attempt;
  const breakerStateAfter = attempt.breakerStateAfter ?? null;
  const { upstreamStatus, startedMs, connectMs, firstTokenMs, totalMs } = attempt;
  const { promptTokens, completionTokens, cachedTokens, costMicroUsd } = attempt;
  const costUsd = costMicroUsd === null ? null : costMicroUsd / 1e6;
  const used = { promptTokens, completionTokens, cachedTokens, costUsd };
  const streamMs = firstTokenMs === null || totalMs === null ? null : totalMs - firstTokenMs;
  const chosen = { number, kind, deployment, provider, model, reason, breakerState, breakerStateAfter };
  const ended = { outcome, outcomeText: outcomeWords(attempt), verdict, verdictText: verdictWords(attempt) };
  const timings = { startedMs, connectMs, firstTokenMs, streamMs, totalMs };
  return { ...chosen, ...ended, next: nextWords(run, attempt), upstreamStatus, ...timings, ...used };
}

export const runExample = {
  id: 'run_01k3v9zq6x8m2f4t7w1c5r9hjd',
  status: 'succeeded',
  surface: 'openai',
  stream: true,
  keyId: null,
  requestedModel: 'fast',
  route: 'fast',
  provider: 'groq',
  model: 'llama-3.3-70b-versatile',
  finishReason: 'stop',
  errorCode: null,
  usage: { promptTokens: 12, completionTokens: 48 },
  startedAt: '2026-01-01T12:00:00.000Z',
  durationMs: 812.4,
  overheadMs: 1.3,
  attempts: [
    {
      number: 1,
      kind: 'first',
      deployment: 'openai/gpt-4o-mini',
      provider: 'openai',
      model: 'gpt-4o-mini',
      reason: 'the last one left in group 1 of 2 of route "fast"',
      breakerState: 'closed',
      breakerStateAfter: 'closed',
      outcome: 'status',
      outcomeText: 'It answered with status 503.',
      verdict: 'retry_same',
      verdictText: VERDICT_WORDS.retry_same,
      next: 'groq/llama-3.3-70b-versatile was asked instead (attempt 2).',
      upstreamStatus: 503,
      startedMs: 0.4,
      connectMs: 11.2,
      firstTokenMs: null,
      streamMs: null,
      totalMs: 96.1,
      promptTokens: null,
      completionTokens: null,
      cachedTokens: null,
      costUsd: null,
    },
    {
      number: 2,
      kind: 'fallback',
      deployment: 'groq/llama-3.3-70b-versatile',
      provider: 'groq',
      model: 'llama-3.3-70b-versatile',
      reason: 'the last one left in group 2 of 2 of route "fast"',
      breakerState: 'closed',
      breakerStateAfter: 'closed',
      outcome: 'succeeded',
      outcomeText: OUTCOME_WORDS.succeeded,
      verdict: null,
      verdictText: null,
      next: 'The answer was its own; the run was over.',
      upstreamStatus: 200,
      startedMs: 97.0,
      connectMs: 9.8,
      firstTokenMs: 201.5,
      streamMs: 513.7,
      totalMs: 715.2,
      promptTokens: 12,
      completionTokens: 48,
      cachedTokens: null,
      costUsd: 0.000041,
    },
  ],
  guardrail: [{ stage: 'before', action: 'allowed', tookMs: 0.3 }],
  answered: null,
  content: 'off',
} satisfies RunView;
