/**
 * Runs for a person: one line a run, or one run as a timeline of its attempts. Texts are stripped of control characters, because a
 * model's name is the caller's to choose and must not steer the terminal of who reads it.
 */
import type { RunView } from '#hub/index';

type AttemptView = RunView['attempts'][number];
type Paint = (text: string) => string;

const GOOD = 32;
const BAD = 31;
const UNSURE = 33;

function paints(colours: boolean): { bold: Paint; dim: Paint; status: (status: string) => string } {
  const paint = (on: number, off: number, text: string): string =>
    colours ? `\u001B[${on}m${text}\u001B[${off}m` : text;
  return {
    bold: (text) => paint(1, 22, text),
    dim: (text) => paint(2, 22, text),
    status: (status) => paint(status === 'succeeded' ? GOOD : status === 'failed' ? BAD : UNSURE, 39, status),
  };
}

export function runLines(runs: readonly RunView[], colours: boolean): string {
  const { dim, status } = paints(colours);
  const width = Math.max(...runs.map((run) => run.status.length));
  const lines = runs.map((run) => {
    const attempts = run.attempts.length === 1 ? '1 attempt' : `${run.attempts.length} attempts`;
    const padding = ' '.repeat(width - run.status.length);
    const took = duration(run.durationMs).padStart(9);
    return `${run.id}  ${dim(run.startedAt)}  ${status(run.status)}${padding}  ${took}  ${who(run)}  ${dim(attempts)}`;
  });
  return lines.join('\n');
}

export function runTimeline(run: RunView, colours: boolean): string {
  const { bold, dim, status } = paints(colours);
  const hub = run.overheadMs === null ? '' : `, of it ${duration(run.overheadMs)} in the hub`;
  const facts = [
    `began    ${run.startedAt}, ${run.stream ? 'streamed' : 'plain'}, route ${run.route ?? 'none'}, key ${run.keyId ?? 'none'}`,
    `took     ${duration(run.durationMs)}${hub}`,
    `answer   ${run.finishReason === null ? 'none' : `ended with "${run.finishReason}"`}, ${tokens(run.usage)}`,
    ...run.guardrail.map(({ stage, action, tookMs }) => `guard    ${stage}: ${action} in ${duration(tookMs)}`),
  ];
  const attempts = run.attempts.map((attempt) => {
    const title = `${attempt.number}  ${bold(clean(attempt.deployment))}  ${attempt.kind}, at ${duration(attempt.startedMs)}`;
    return [
      '',
      title,
      ...attemptFacts(attempt).map(([name, value]) => `   ${dim(name.padEnd(8))} ${clean(value)}`),
    ].join('\n');
  });
  const head = `${bold(run.id)}  ${status(run.status)}  ${who(run)}`;
  return [head, ...facts.map((line) => `   ${clean(line)}`), ...attempts].join('\n');
}

function attemptFacts(attempt: AttemptView): [string, string][] {
  const { reason, breakerState, breakerStateAfter, outcomeText, verdictText, costUsd, next } = attempt;
  const timings = (['connectMs', 'firstTokenMs', 'streamMs', 'totalMs'] as const).flatMap((name) => {
    const ms = attempt[name];
    return ms === null ? [] : [`${TIMINGS[name]} ${duration(ms)}`];
  });
  const facts: [string, string | null][] = [
    ['chosen', reason],
    ['circuit', breakerStateAfter === null ? breakerState : `${breakerState} before, ${breakerStateAfter} after`],
    ['outcome', outcomeText],
    ['meaning', verdictText],
    ['timings', timings.length === 0 ? null : timings.join(', ')],
    ['cost', `${costUsd === null ? 'unknown' : `$${costUsd.toFixed(6)}`}, ${tokens(attempt)}`],
    ['next', next],
  ];
  return facts.filter((fact): fact is [string, string] => fact[1] !== null);
}

const TIMINGS = { connectMs: 'connect', firstTokenMs: 'first token', streamMs: 'stream', totalMs: 'total' } as const;

function who({ requestedModel, provider, model, errorCode }: RunView): string {
  const answered = provider === null ? '' : ` → ${provider}/${model ?? ''}`;
  return clean(`${requestedModel}${answered}${errorCode === null ? '' : ` (${errorCode})`}`);
}

function tokens({ promptTokens, completionTokens }: RunView['usage']): string {
  return `tokens ${promptTokens ?? 'unknown'} in, ${completionTokens ?? 'unknown'} out`;
}

const SECOND_MS = 1_000;
const TENTHS_BELOW_MS = 10;

function duration(ms: number | null): string {
  if (ms === null) return 'not ended';
  if (ms >= SECOND_MS) return `${(ms / SECOND_MS).toFixed(2)} s`;
  return `${ms < TENTHS_BELOW_MS ? ms.toFixed(1) : Math.round(ms)} ms`;
}

function clean(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '\uFFFD');
}
