/**
 * A streamed answer. Until the first content is there, nothing is sent and another deployment can stand in unseen; from then on the
 * stream ends whole or in an honest error, or, where the caller wants that, is gone on with by another deployment.
 */
import type { ChatCompletion, ChatRequest } from '#contract/chat';
import type { ChatCall, ChatStream, RunSpent } from '#contract/gateway';
import { AnswerEvents, commit } from './answer-events.ts';
import type { CallContext } from './attempts.ts';
import { Attempts } from './attempts.ts';
import { chunksOf } from './chunks-of.ts';
import { askWhole, succeed } from './complete.ts';
import { Guard } from './guardrail.ts';
import type { Stale } from './cached/kept.ts';
import { lastResortChunks, lastResortFor, staleAnswer, staleFor } from './last-resort.ts';
import type { Route, Router } from './route.ts';
import { Run } from './runs.ts';
import { StreamProgress, wantsUsage } from './stream-progress.ts';

/** `stale`: as in `complete`. */
export async function stream(context: CallContext, router: Router, call: ChatCall, stale?: Stale): Promise<ChatStream> {
  const run = new Run(context, call, true);
  const spent = (): RunSpent => run.spent();
  let route: Route | null = null;
  try {
    route = router.require(call.request.model);
    run.met(route.name, route.settings);
    const guard = Guard.of(context, run, route);
    const request = guard === null ? call.request : await guard.before(call.request);
    run.transcript?.asked(request.messages);
    const attempts = new Attempts(context, run, route);
    if (guard?.judgesAnswers === true) return await judged(run, attempts, guard, request);
    const committed = await attempts.answer((attempt) => commit(attempt, request, StreamProgress.of(request)));
    const continued = call.preferences?.continueCut ?? route.settings.continueCut ?? false;
    const restarts = call.restarts ?? true;
    const events = new AnswerEvents({ context, attempts, request, committed, continued, restarts });
    const shown = run.transcript?.following(events) ?? events;
    return { summary: run.summary(committed.attempt.deployment), events: shown, spent };
  } catch (thrown) {
    const held = staleFor(thrown, stale, call);
    if (held !== undefined) {
      const { summary, body } = staleAnswer<ChatCompletion>(run, held);
      return { summary, events: listed(chunksOf(body, wantsUsage(call.request))), spent };
    }
    const last = lastResortFor(thrown, route, call);
    if (last === undefined) throw run.fail(thrown);
    run.degrade(last.errorCode);
    const chunks = lastResortChunks(run.record, last.text, wantsUsage(call.request));
    return { summary: run.summary(null, last.errorCode), events: listed(chunks), spent };
  }
}

/** Nothing may be sent before the whole is judged: the upstream is asked for the whole, and the caller gets it as a stream. */
async function judged(run: Run, attempts: Attempts, guard: Guard, request: ChatRequest): Promise<ChatStream> {
  // OpenAI refuses them where no stream is asked for.
  const { stream_options: _, ...whole } = request;
  const { answer, deployment } = await attempts.answer((attempt) => askWhole(attempt, whole));
  const body = await guard.after(answer.body);
  succeed(run, deployment, body);
  const events = listed(chunksOf(body, wantsUsage(request)));
  return { summary: run.summary(deployment), events, spent: () => run.spent() };
}

export async function* listed(texts: readonly string[]): AsyncGenerator<string, undefined> {
  yield* texts;
  return undefined;
}
