/**
 * How many tokens the input of a chat would come to. A provider that can tell is asked, if it is among the first that the chat would go to;
 * otherwise, and where none of them tells in time, the answer is the hub's own estimate and says so. It is no run: nothing is kept of it,
 * and it costs nothing. Where a guardrail judges what goes out, nothing goes out for this.
 */
import { TooSlowError, within } from '#core/within';
import type { ChatCall, TokenCount } from '#contract/gateway';
import { abortError } from '#contract/gateway';
import { UpstreamFailure } from '#contract/provider';
import type { CallContext } from './attempts.ts';
import { AttemptTimeout, classify } from './classify.ts';
import type { Deployment } from './deployment.ts';
import { promptTokens } from './estimate.ts';
import { preferredRoute, timeoutsFor } from './preferences.ts';
import type { Route, Router } from './route.ts';

/** For all providers together: who counts is about to ask, and does not wait for long. */
const COUNT_MS = 10_000;

/** Throws a `HubError`: no such model, or the provider's own word that the request is wrong. */
export async function countTokens(context: CallContext, router: Router, call: ChatCall): Promise<TokenCount> {
  const { clock, settings } = context;
  const { request, preferences } = call;
  const route = preferredRoute(router.require(request.model), preferences);
  const { totalMs } = timeoutsFor(settings.timeouts, route.settings.timeouts, preferences?.timeouts);
  const until = clock.now() + Math.min(totalMs, COUNT_MS);
  const counters = countersOf(route);
  for (const deployment of preferences?.fallback === false ? counters.slice(0, 1) : counters) {
    if (clock.now() >= until) break;
    const tokens = await askOne(context, deployment, call, until - clock.now());
    if (tokens !== null)
      return { tokens, estimated: false, provider: deployment.provider.name, model: deployment.model };
  }
  return { tokens: promptTokens(request), estimated: true, provider: null, model: null };
}

/** None where the chat would go to others first: each model counts otherwise. */
function countersOf({ groups, settings }: Route): readonly Deployment[] {
  if (settings.guardrail !== undefined) return [];
  const counters = groups.map((group) =>
    group.map(({ deployment }) => deployment).filter(({ provider }) => provider.countTokens !== undefined),
  );
  return counters[0]?.length === 0 ? [] : counters.flat();
}

/** Null where it cannot tell just now. Its circuit is that of the provider's list of models: that it cannot count says nothing of its answers. */
async function askOne(
  { breakers, clock, logger }: CallContext,
  { provider, model }: Deployment,
  { request, surface, signal, traceparent }: ChatCall,
  limitMs: number,
): Promise<number | null> {
  const permit = breakers.get(`provider:${provider.name}`).tryAcquire();
  if (!permit.granted) return null;
  try {
    const tokens = await within({ clock, limitMs, signal }, async (limited) =>
      provider.countTokens?.({ model, request, surface, signal: limited, traceparent, onConnected: () => undefined }),
    );
    permit.success();
    return tokens ?? null;
  } catch (thrown) {
    const failure = thrown instanceof TooSlowError ? new AttemptTimeout('timeout_total') : thrown;
    if (signal.aborted || !(failure instanceof UpstreamFailure || failure instanceof AttemptTimeout)) {
      permit.ignore();
      throw signal.aborted ? abortError(signal) : thrown;
    }
    const { breaker, verdict, retryAfterMs, error } = classify(failure, provider.name);
    permit[breaker](retryAfterMs);
    // Another one would find the same fault with it, and so will this one when it is asked for the answer.
    if (failure instanceof UpstreamFailure && verdict === 'give_up') throw error;
    logger.warn('tokens-not-counted', { provider: provider.name, reason: failure.message });
    return null;
  }
}
