/** A plain answer: the whole of it, or an error. What the upstream sent is passed on as it came. */
import type { ChatRequest } from '#contract/chat';
import type { ChatAnswer, ChatCall } from '#contract/gateway';
import type { ProviderAnswer } from '#contract/provider';
import type { CallContext } from './attempts.ts';
import { Attempts } from './attempts.ts';
import type { Attempt } from './attempt.ts';
import type { Deployment } from './deployment.ts';
import { lastResortCompletion, lastResortText } from './last-resort.ts';
import type { Route, Router } from './route.ts';
import { Run } from './runs.ts';

export async function complete(context: CallContext, router: Router, call: ChatCall): Promise<ChatAnswer> {
  const run = new Run(context, call, false);
  let route: Route | null = null;
  try {
    route = router.require(call.request.model);
    run.record.route = route.name;
    const { answer, deployment } = await new Attempts(context, run, route).answer((attempt) =>
      askWhole(attempt, call.request),
    );
    run.succeed(deployment, { finishReason: answer.body.choices[0]?.finish_reason ?? null, usage: answer.body.usage });
    return { summary: run.summary(deployment), body: answer.body, raw: answer.raw };
  } catch (thrown) {
    const text = lastResortText(route, thrown);
    if (text === undefined) throw run.fail(thrown);
    run.degrade();
    return { summary: run.summary(null, true), body: lastResortCompletion(run.record, text), raw: undefined };
  }
}

async function askWhole(
  attempt: Attempt,
  request: ChatRequest,
): Promise<{ answer: ProviderAnswer; deployment: Deployment }> {
  const { deployment } = attempt;
  const answer = await attempt.upstream(deployment.provider.complete(attempt.providerCall(request)));
  attempt.succeed();
  return { answer, deployment };
}
