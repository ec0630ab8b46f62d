/**
 * What a caller gets where every circuit of a route is open and the route has a last word: an answer of the hub's own, in the
 * protocol's form, that nobody can take for a model's: `finish_reason` is `error`, the model's name says so, the summary too.
 */
import type { ChatChunk, ChatCompletion } from '#contract/chat';
import { HubError, UpstreamError } from '#core/errors';
import type { RunCall, WholeAnswer } from '#contract/gateway';
import type { RunRecord } from '#contract/runs';
import { AllOpenError } from './attempts.ts';
import { KeptAnswer } from './cached/kept.ts';
import type { Stale } from './cached/kept.ts';
import type { Route } from './route.ts';
import type { Run } from './runs.ts';

/** Failures of upstreams, which an answer that was kept may stand in for; a mistake of the caller's is none. */
export function staleFor(
  thrown: unknown,
  stale: Stale | undefined,
  { signal }: RunCall,
): (Stale & { errorCode: string }) | undefined {
  if (stale === undefined || signal.aborted || !(thrown instanceof HubError)) return undefined;
  const failed = thrown instanceof UpstreamError && thrown.code !== 'upstream_rejected';
  const theirs = failed || thrown instanceof AllOpenError || THEIRS.includes(thrown.code);
  return theirs ? { ...stale, errorCode: thrown.code } : undefined;
}

/** The text to answer with, or undefined where the error is to be thrown. */
export function lastResortText(route: Route | null, thrown: unknown): string | undefined {
  return thrown instanceof AllOpenError ? route?.settings.lastResort?.text : undefined;
}

const THEIRS: readonly string[] = ['upstream_rate_limited', 'overloaded'];
const MODEL = 'revoagent/last-resort';
const USAGE = Object.freeze({ prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 });

export function lastResortCompletion(run: RunRecord, text: string): ChatCompletion {
  const message = { role: 'assistant', content: text, refusal: null };
  return {
    ...frame(run),
    object: 'chat.completion',
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'error' }],
    usage: USAGE,
  };
}

/** JSON texts of the chunks. `usage` is asked for by `stream_options.include_usage`. */
export function lastResortChunks(run: RunRecord, text: string, usage: boolean): string[] {
  const chunk = (choices: ChatChunk['choices'], more?: object): string =>
    JSON.stringify({ ...frame(run), object: 'chat.completion.chunk', choices, ...more });
  return [
    chunk([{ index: 0, delta: { role: 'assistant', content: text }, logprobs: null, finish_reason: null }]),
    chunk([{ index: 0, delta: {}, logprobs: null, finish_reason: 'error' }]),
    ...(usage ? [chunk([], { usage: USAGE })] : []),
  ];
}

function frame(run: RunRecord): { id: string; created: number; model: string } {
  return { id: `chatcmpl-${run.id}`, created: Math.floor(run.startedWallMs / 1000), model: MODEL };
}

/** A kept answer in place of one that failed, marked as such; the run ends with it. */
export function staleAnswer<Body>(
  run: Run,
  { kept, cache, errorCode }: Stale & { errorCode: string },
): WholeAnswer<Body> {
  run.answered('stale', kept.runId);
  const { provider, model, simulated } = kept;
  const summary = { ...run.summary(null, true), provider, model, simulated, cache };
  run.standIn(kept, errorCode);
  return new KeptAnswer<Body>(summary, kept);
}
