/**
 * A run's codes as sentences: how an attempt ended, what that means, and what was done next. Owns all the words; the stored record
 * holds codes and figures only, so that better words are words for old runs too.
 */
import type { AttemptOutcome, AttemptRecord, RunRecord, StopReason, Verdict } from '#contract/runs';

/** A type that has every code: a new one without words does not compile. */
export const OUTCOME_WORDS: Readonly<Record<AttemptOutcome, string>> = {
  running: 'It is under way.',
  succeeded: 'It answered whole.',
  cancelled: 'It was ended before its answer was whole: the caller left, or the hub was going down.',
  superseded: 'Another attempt of this run answered first.',
  breaker_open: 'It was not asked: its circuit is open.',
  bulkhead_full: 'It was not asked: as many calls as it may have were in flight.',
  unreachable: 'It could not be reached: no connection came about.',
  reset: 'It ended the connection before it answered.',
  status: 'It answered with an error status.',
  reported: 'It reported an error where an answer belongs.',
  malformed: 'Its answer does not follow its protocol.',
  cut: 'Its answer ended before it was whole.',
  oversize: 'Its answer is larger than the hub accepts.',
  untranslatable: 'It was not asked: it cannot be told what the request holds.',
  timeout_connect: 'No connection was open in time.',
  timeout_first_token: 'It accepted the request and no first token came in time.',
  timeout_idle: 'Its stream fell silent for too long.',
  timeout_total: 'The time for the whole run was spent.',
};

export const VERDICT_WORDS: Readonly<Record<Verdict, string>> = {
  retry_same: 'This may pass: another deployment is asked, or the same one again after a pause.',
  try_other: 'Asking the same one again would not help; another deployment may answer.',
  give_up: 'No further attempt could help.',
};

export const STOP_WORDS: Readonly<Record<StopReason, string>> = {
  attempts_spent: 'the run had made as many attempts as it may',
  retries_spent: 'no other deployment was left, and the run had retried as often as it may',
  retry_budget: 'no other deployment was left, and the hub’s shared budget of retries was spent',
  pause_too_long: 'no other deployment was left, and the upstream asks for a longer pause than the hub waits',
  deadline: 'the pause before the next attempt would have outlasted the run’s time',
  no_fallback: 'the caller wanted no other deployment',
  nobody_left: 'no other deployment of the route was left',
};

export function outcomeWords({ outcome, upstreamStatus }: AttemptRecord): string {
  const words = OUTCOME_WORDS[outcome];
  return outcome === 'status' && upstreamStatus !== null
    ? words.replace('an error status', `status ${upstreamStatus}`)
    : words;
}

export function verdictWords({ verdict }: AttemptRecord): string | null {
  return verdict === null ? null : VERDICT_WORDS[verdict];
}

/** What the hub did after this attempt; null while it runs. */
export function nextWords(run: RunRecord, attempt: AttemptRecord): string | null {
  const { outcome, totalMs, startedMs, number } = attempt;
  if (outcome === 'running' || totalMs === null) return null;
  if (outcome === 'succeeded') return 'The answer was its own; the run was over.';
  if (outcome === 'cancelled') return 'The run was over.';
  if (outcome === 'superseded') return 'It was told to stop.';
  const endedMs = startedMs + totalMs;
  const later = run.attempts.find((other) => other.number > number && other.startedMs >= endedMs);
  if (later !== undefined) return followedWords(later, later.startedMs - endedMs);
  const beside = run.attempts.find((other) => other !== attempt && endOf(other) > endedMs);
  if (beside !== undefined) return `Attempt ${beside.number} was under way already, and was waited for.`;
  return lastWords(run, attempt);
}

/** Only a retry waits. */
function followedWords({ number, kind, deployment }: AttemptRecord, pauseMs: number): string {
  switch (kind) {
    case 'retry':
      return `After ${Math.round(pauseMs)} ms ${deployment} was tried again (attempt ${number}).`;
    case 'continuation':
      return `${deployment} was asked to go on with the answer (attempt ${number}).`;
    default:
      return `${deployment} was asked instead (attempt ${number}).`;
  }
}

function lastWords({ status, stop, stream, answered }: RunRecord, { verdict, firstTokenMs }: AttemptRecord): string {
  if (status === 'running') return 'What comes next is being decided.';
  if (status === 'cancelled') return 'The run was over: the caller left, or the hub was going down.';
  const stoodIn = answered === undefined ? 'The route’s last resort answered' : 'A kept answer past its time stood in';
  const end = status === 'degraded' ? stoodIn : 'The run gave up';
  if (stop !== undefined) return `${end}: ${STOP_WORDS[stop]}.`;
  if (verdict === 'give_up') return `${end}: no further attempt could help.`;
  if (stream && firstTokenMs !== null)
    return `${end}: the caller had the beginning of the answer, and going on with it by another deployment was not asked for.`;
  return `${end}.`;
}

function endOf({ startedMs, totalMs }: AttemptRecord): number {
  return totalMs === null ? Number.POSITIVE_INFINITY : startedMs + totalMs;
}
