/**
 * What a caller gets where no upstream answered: an answer that was kept, or the route's last word, which is of the hub's own, in the
 * protocol's form, and which nobody can take for a model's: `finish_reason` is `error`, the model's name says so, the summary too.
 */
import type { ChatChunk, ChatCompletion } from '#contract/chat';
import type { ErrorCode } from '#core/errors';
import { HubError, UpstreamError } from '#core/errors';
import type { RunCall, WholeAnswer } from '#contract/gateway';
import type { RunRecord } from '#contract/runs';
import { AllOpenError } from './attempts.ts';
import { AttemptTimeout } from './classify.ts';
import { KeptAnswer } from './cached/kept.ts';
import type { Stale } from './cached/kept.ts';
import type { Route } from './route.ts';
import type { Run } from './runs.ts';

/** The kept answer to give, or undefined where the error is to be thrown. */
export function staleFor(
  thrown: unknown,
  stale: Stale | undefined,
  call: RunCall,
): (Stale & { errorCode: ErrorCode }) | undefined {
  if (stale === undefined || !isTheirs(thrown, call)) return undefined;
  return { ...stale, errorCode: thrown.code };
}

/** The text to answer with and why, or undefined where the error is to be thrown. */
export function lastResortFor(
  thrown: unknown,
  route: Route | null,
  call: RunCall,
): { readonly text: string; readonly errorCode: ErrorCode } | undefined {
  const text = route?.settings.lastResort?.text;
  if (text === undefined || !isTheirs(thrown, call) || isAsWished(thrown)) return undefined;
  return { text, errorCode: thrown.code };
}

/** A failure of the upstreams, which something may stand in for; a mistake of the caller's is none, nor that he has left. */
function isTheirs(thrown: unknown, { signal }: RunCall): thrown is HubError {
  if (signal.aborted || !(thrown instanceof HubError)) return false;
  if (thrown instanceof UpstreamError) return !CALLERS.includes(thrown.code);
  return thrown instanceof AllOpenError || THEIRS.includes(thrown.code);
}

/** The time that was not enough is the caller's own: he waits for this error, to do something else. */
function isAsWished({ cause }: HubError): boolean {
  return cause instanceof AttemptTimeout && cause.wished;
}

/** What a provider refuses for the request's own sake. */
const CALLERS: readonly ErrorCode[] = ['upstream_rejected', 'context_length_exceeded', 'content_filtered'];
const THEIRS: readonly ErrorCode[] = ['upstream_rate_limited', 'overloaded'];
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
  { kept, cache, errorCode }: Stale & { errorCode: ErrorCode },
): WholeAnswer<Body> {
  run.answered('stale', kept.runId);
  const { provider, model, simulated } = kept;
  const summary = { ...run.summary(null, errorCode), provider, model, simulated, cache };
  run.standIn(kept, errorCode);
  return new KeptAnswer<Body>(summary, kept);
}
