/** A plain answer: the whole of it, or an error. What the upstream sent is passed on as it came, unless a guardrail changed it. */
import type { ChatCompletion, ChatRequest } from '#contract/chat';
import type { ChatAnswer, ChatCall } from '#contract/gateway';
import type { ProviderAnswer } from '#contract/provider';
import type { CallContext } from './attempts.ts';
import { Attempts } from './attempts.ts';
import type { Attempt } from './attempt.ts';
import type { Deployment } from './deployment.ts';
import { Guard } from './guardrail.ts';
import type { Stale } from './cached/kept.ts';
import { lastResortCompletion, lastResortFor, staleAnswer, staleFor } from './last-resort.ts';
import type { Route, Router } from './route.ts';
import { Run } from './runs.ts';

/** `stale`: what may stand in for upstreams that fail. */
export async function complete(
  context: CallContext,
  router: Router,
  call: ChatCall,
  stale?: Stale,
): Promise<ChatAnswer> {
  const run = new Run(context, call, false);
  let route: Route | null = null;
  try {
    route = router.require(call.request.model);
    run.met(route.name, route.settings);
    const guard = Guard.of(context, run, route);
    const request = guard === null ? call.request : await guard.before(call.request);
    run.transcript?.asked(request.messages);
    const attempts = new Attempts(context, run, route);
    const { answer, deployment } = await attempts.answer((attempt) => askWhole(attempt, request));
    const body = guard === null ? answer.body : await guard.after(answer.body);
    succeed(run, deployment, body);
    return { summary: run.summary(deployment), body, raw: body === answer.body ? answer.raw : undefined };
  } catch (thrown) {
    const held = staleFor(thrown, stale, call);
    if (held !== undefined) return staleAnswer(run, held);
    const last = lastResortFor(thrown, route, call);
    if (last === undefined) throw run.fail(thrown);
    run.degrade(last.errorCode);
    const summary = run.summary(null, last.errorCode);
    return { summary, body: lastResortCompletion(run.record, last.text), raw: undefined };
  }
}

export async function askWhole(
  attempt: Attempt,
  request: ChatRequest,
): Promise<{ answer: ProviderAnswer; deployment: Deployment }> {
  const { deployment } = attempt;
  attempt.streams = false;
  if (attempt.recorded !== undefined) await attempt.recorded;
  const answer = await attempt.upstream(deployment.provider.complete(attempt.providerCall(request)));
  attempt.used(answer.body.usage);
  attempt.succeed();
  return { answer, deployment };
}

export function succeed(run: Run, deployment: Deployment, { choices, usage }: ChatCompletion): void {
  run.transcript?.answered(choices);
  run.succeed(deployment, { finishReason: choices[0]?.finish_reason ?? null, usage });
}
