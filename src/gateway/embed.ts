/** Embeddings: a vector for each text, or an error. A chat's last resort stands in for none: there is no vector of the hub's own. */
import { CallerError, InvariantError } from '#core/errors';
import type { EmbeddingRequest } from '#contract/chat';
import type { EmbedAnswer, EmbedCall } from '#contract/gateway';
import type { EmbeddingAnswer } from '#contract/provider';
import type { CallContext, Unable } from './attempts.ts';
import { Attempts } from './attempts.ts';
import type { Attempt } from './attempt.ts';
import type { Stale } from './cached/kept.ts';
import type { Deployment } from './deployment.ts';
import { staleAnswer, staleFor } from './last-resort.ts';
import type { Router } from './route.ts';
import { Run } from './runs.ts';

export async function embed(
  context: CallContext,
  router: Router,
  call: EmbedCall,
  stale?: Stale,
): Promise<EmbedAnswer> {
  const run = new Run(context, call, false);
  try {
    const route = router.require(call.request.model);
    run.record.route = route.name;
    if (route.settings.guardrail !== undefined) {
      const detail = `The route "${route.name}" has a guardrail, which judges chats alone: it gives no embeddings.`;
      throw new CallerError('bad_request', detail, { param: 'model' });
    }
    const attempts = new Attempts(context, run, route, withoutEmbeddings);
    const { answer, deployment } = await attempts.answer((attempt) => askVectors(attempt, call.request));
    run.succeed(deployment, { finishReason: null, usage: answer.body.usage });
    return { summary: run.summary(deployment), body: answer.body, raw: answer.raw };
  } catch (thrown) {
    const held = staleFor(thrown, stale, call);
    if (held !== undefined) return staleAnswer(run, held);
    throw run.fail(thrown);
  }
}

const withoutEmbeddings: Unable = ({ provider }) =>
  provider.embed === undefined ? 'is of a provider without embeddings' : null;

async function askVectors(
  attempt: Attempt,
  request: EmbeddingRequest,
): Promise<{ answer: EmbeddingAnswer; deployment: Deployment }> {
  const { deployment } = attempt;
  if (attempt.recorded !== undefined) await attempt.recorded;
  const asked = deployment.provider.embed?.(attempt.providerCall(request));
  if (asked === undefined) throw new InvariantError('a provider without embeddings was asked for some');
  const answer = await attempt.upstream(asked);
  attempt.used(answer.body.usage);
  attempt.succeed();
  return { answer, deployment };
}
