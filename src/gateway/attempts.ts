/**
 * The attempts of one run, one after the other, until one answers or nobody is left. Owns the rules that hold for plain answers and
 * streams alike: leave of the breaker, a place at the deployment, one deadline, one budget, the error that the caller sees at last.
 */
import type { Random } from '#core/random';
import { LimitError, UnavailableError, UpstreamError } from '#core/errors';
import type { HubError } from '#core/errors';
import type { AttemptOutcome, AttemptRecord } from '#contract/runs';
import { Attempt } from './attempt.ts';
import type { Candidate } from './plan.ts';
import { Plan } from './plan.ts';
import type { Breakers, Permit, RetryBudget } from './protection.ts';
import type { Route } from './route.ts';
import type { Run, RunContext } from './runs.ts';
import { abortError } from './runs.ts';
import type { GatewaySettings, Timeouts } from './settings.ts';

export interface CallContext extends RunContext {
  readonly random: Random;
  readonly settings: GatewaySettings;
  readonly breakers: Breakers;
  readonly retryBudget: RetryBudget;
}

/** Why deployments were passed over without a call. */
interface PassedOver {
  open: number;
  full: number;
  throttled: number;
  retryAfterMs: number;
}

/** Nobody was asked, because every circuit of the route is open: the last resort's case. */
export class AllOpenError extends UnavailableError {}

/**
 * Runs `execute` for one deployment after another and returns what the first good one gives. What `execute` throws is classified
 * and settled here; an attempt that returns is `execute`'s to settle. Throws a `HubError`.
 */
export async function attemptUntilAnswered<T>(
  context: CallContext,
  run: Run,
  route: Route,
  execute: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  const timeouts: Timeouts = timeoutsOf(context.settings, route);
  const plan = new Plan({
    route,
    settings: context.settings,
    random: context.random,
    retryBudget: context.retryBudget,
    onBudgetExhausted: () => context.observer.retryBudgetExhausted(),
  });
  const passedOver: PassedOver = { open: 0, full: 0, throttled: 0, retryAfterMs: Number.POSITIVE_INFINITY };
  let failure: HubError | null = null;
  for (let candidate = plan.next(); candidate !== null; candidate = plan.next()) {
    await pause(context, run, candidate, timeouts.totalMs);
    const permit = admit(context, run, candidate, passedOver);
    if (permit === null) continue;
    plan.dispatched();
    const { record, deployment } = permit;
    const current = new Attempt({ context, run, deployment, permit: permit.permit, timeouts, record });
    try {
      return await execute(current);
    } catch (thrown) {
      const classified = current.fail(thrown);
      if (classified === null) throw thrown;
      if (classified.verdict === 'give_up') throw classified.error;
      // What a provider cannot be told tells the caller less than why one failed that could.
      if (failure === null || classified.outcome !== 'untranslatable') failure = classified.error;
      plan.failed(deployment, classified);
    }
  }
  throw failure ?? nobodyAsked(route, passedOver);
}

function timeoutsOf({ timeouts }: GatewaySettings, { settings }: Route): Timeouts {
  const own = settings.timeouts;
  if (own === undefined) return timeouts;
  return {
    connectMs: own.connectMs ?? timeouts.connectMs,
    firstTokenMs: own.firstTokenMs ?? timeouts.firstTokenMs,
    idleMs: own.idleMs ?? timeouts.idleMs,
    totalMs: own.totalMs ?? timeouts.totalMs,
  };
}

/** Waits as long as the candidate asks for. Throws when the caller has left, or when the pause would outlast the deadline. */
async function pause(context: CallContext, run: Run, candidate: Candidate, totalMs: number): Promise<void> {
  const { signal } = run.call;
  if (signal.aborted) throw abortError(signal);
  if (run.elapsedMs() + candidate.backoffMs >= totalMs)
    throw new UpstreamError('upstream_timeout', `No deployment answered within ${totalMs} ms.`);
  if (candidate.backoffMs <= 0) return;
  const since = context.clock.now();
  try {
    await context.clock.sleep(candidate.backoffMs, signal);
  } finally {
    run.waitedSince(since);
  }
}

/** Leave of the breaker and a place at the deployment, or null; either is written into the run. */
function admit(
  context: CallContext,
  run: Run,
  candidate: Candidate,
  passedOver: PassedOver,
): { permit: Permit; record: AttemptRecord; deployment: Candidate['deployment'] } | null {
  const { deployment } = candidate;
  const breaker = context.breakers.get(deployment.breaker);
  const record = newRecord(run, candidate, breaker.state.kind);
  run.record.attempts.push(record);
  if (deployment.inFlight >= context.settings.concurrentMax) {
    passedOver.full++;
    return skip(context, record, 'bulkhead_full');
  }
  const permit = breaker.tryAcquire();
  if (permit.granted) return { permit, record, deployment };
  if (permit.reason === 'throttled') passedOver.throttled++;
  else passedOver.open++;
  passedOver.retryAfterMs = Math.min(passedOver.retryAfterMs, permit.retryAfterMs);
  return skip(context, record, 'breaker_open');
}

function newRecord(run: Run, { deployment, reason }: Candidate, breakerState: string): AttemptRecord {
  return {
    number: run.record.attempts.length + 1,
    deployment: deployment.id,
    provider: deployment.provider.name,
    model: deployment.model,
    reason,
    breakerState,
    outcome: 'running',
    verdict: null,
    upstreamStatus: null,
    startedMs: run.elapsedMs(),
    connectMs: null,
    firstTokenMs: null,
    totalMs: null,
  };
}

function skip(context: CallContext, record: AttemptRecord, outcome: AttemptOutcome): null {
  record.outcome = outcome;
  record.verdict = 'try_other';
  record.totalMs = 0;
  context.observer.attemptFinished(record);
  return null;
}

/** How long to wait for a place that nobody can foretell. */
const FULL_RETRY_MS = 1_000;

function nobodyAsked({ name }: Route, { open, full, throttled, retryAfterMs }: PassedOver): HubError {
  if (full > 0) {
    const detail = `Every deployment of the route "${name}" that is well has as many calls as it may have. Try again shortly.`;
    return new UnavailableError('overloaded', detail, { retryAfterMs: FULL_RETRY_MS });
  }
  if (throttled > 0 && open === 0) {
    const detail = `The upstreams of the route "${name}" limit the hub's rate. Try again later.`;
    return new LimitError('upstream_rate_limited', detail, { retryAfterMs });
  }
  const detail = `Every deployment of the route "${name}" is out of service just now (its circuit is open). Try again later.`;
  return new AllOpenError('no_deployment_available', detail, { retryAfterMs });
}
