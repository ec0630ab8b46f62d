/**
 * What an answer of `generateContent`, or one event of its stream, says: read once for both, and refused where it is no such thing,
 * blocked, or ended for a reason that makes it no answer. After https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse.
 */
import type { Usage } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import { isRecord, parseJson } from '#dialects/json';
import { parseGeminiError } from './errors.ts';

export interface GeminiAnswer {
  /** Google's id of the answer; every event of a stream has the same. */
  readonly id: string | undefined;
  readonly model: string | undefined;
  readonly candidates: readonly Candidate[];
  readonly usage: Usage | undefined;
}

export interface Candidate {
  readonly index: number;
  readonly text: string;
  /** Summaries of what the model thought. */
  readonly reasoning: string;
  readonly calls: readonly CalledFunction[];
  /** The seal of the text, as far as it has one. */
  readonly signature: string | undefined;
  readonly finish: Finish | null;
  readonly logprobs: Record<string, unknown> | null;
}

export interface CalledFunction {
  readonly id: string | undefined;
  readonly name: string;
  readonly arguments: string;
  readonly signature: string | undefined;
}

export type Finish = 'stop' | 'length' | 'content_filter';

/** Throws `UpstreamFailure`: `reported` for an error, a blocked prompt or an answer that went wrong, `malformed` for anything else. */
export function readAnswer(text: string, status?: number): GeminiAnswer {
  const value = parseJson(text);
  const at = status === undefined ? {} : { status };
  if (!isRecord(value) || isRecord(value['error'])) {
    const body = parseGeminiError(Buffer.from(text));
    if (body !== undefined)
      throw new UpstreamFailure('reported', 'The upstream reported an error instead of an answer.', { ...at, body });
    throw malformed('something that is no answer of generateContent', at);
  }
  const { candidates = [], usageMetadata, responseId, modelVersion, promptFeedback } = value;
  if (!Array.isArray(candidates)) throw malformed('candidates that are no list', at);
  if (candidates.length === 0) refuseBlocked(promptFeedback, at);
  const usage = usageOf(usageMetadata);
  if (candidates.length === 0 && usage === undefined) throw malformed('an answer without a candidate', at);
  return {
    id: textOf(responseId),
    model: textOf(modelVersion),
    candidates: candidates.map((candidate, position) => candidateOf(candidate, position, at)),
    usage,
  };
}

type At = { status?: number };

function malformed(what: string, at: At): UpstreamFailure {
  return new UpstreamFailure('malformed', `The upstream sent ${what}.`, at);
}

/** `promptFeedback` speaks only where Gemini refuses to answer the prompt at all. */
function refuseBlocked(feedback: unknown, at: At): void {
  const reason = isRecord(feedback) ? textOf(feedback['blockReason']) : undefined;
  if (reason === undefined) return;
  const said = isRecord(feedback) ? textOf(feedback['blockReasonMessage']) : undefined;
  const message = `Gemini blocked the prompt (${reason})${said === undefined ? '.' : `: ${said}`}`;
  const body = { message, type: 'content_filter', code: 'content_filter', param: 'messages' };
  throw new UpstreamFailure('reported', 'The upstream blocked the prompt.', { ...at, body });
}

function candidateOf(value: unknown, position: number, at: At): Candidate {
  if (!isRecord(value)) throw malformed('a candidate that is no object', at);
  const { index = position, content, finishReason, logprobsResult } = value;
  const parts: unknown = isRecord(content) ? (content['parts'] ?? []) : [];
  if (!Number.isInteger(index) || !Array.isArray(parts) || !parts.every(isRecord))
    throw malformed('a candidate without an index or parts', at);
  const said = parts.filter((part) => part['functionCall'] === undefined);
  if (said.some((part) => OTHER_PARTS.some((name) => part[name] !== undefined)))
    throw malformed('a part that is neither text nor the call of a function', at);
  return {
    index: Number(index),
    text: joined(said.filter(({ thought }) => thought !== true)),
    reasoning: joined(said.filter(({ thought }) => thought === true)),
    calls: parts.filter((part) => part['functionCall'] !== undefined).map((part) => callOf(part, at)),
    signature: said.map(({ thoughtSignature }) => textOf(thoughtSignature)).findLast((each) => each !== undefined),
    finish: finishOf(finishReason, at),
    logprobs: logprobsOf(logprobsResult),
  };
}

/** Parts that a chat completion has no place for; an answer without them would not be whole. */
const OTHER_PARTS = ['inlineData', 'fileData', 'executableCode', 'codeExecutionResult', 'functionResponse'] as const;

function joined(parts: readonly Record<string, unknown>[]): string {
  return parts.map(({ text }) => (typeof text === 'string' ? text : '')).join('');
}

function callOf({ functionCall, thoughtSignature }: Record<string, unknown>, at: At): CalledFunction {
  const { id, name, args = {} } = isRecord(functionCall) ? functionCall : {};
  if (typeof name !== 'string' || !isRecord(args)) throw malformed('a call without a name or arguments', at);
  return { id: textOf(id), name, arguments: JSON.stringify(args), signature: textOf(thoughtSignature) };
}

/** What ends an answer; the reasons that are not here say that there is none. */
const FINISHES: Readonly<Record<string, Finish>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  SAFETY: 'content_filter',
  RECITATION: 'content_filter',
  LANGUAGE: 'content_filter',
  BLOCKLIST: 'content_filter',
  PROHIBITED_CONTENT: 'content_filter',
  SPII: 'content_filter',
  IMAGE_SAFETY: 'content_filter',
  IMAGE_PROHIBITED_CONTENT: 'content_filter',
  IMAGE_RECITATION: 'content_filter',
};

function finishOf(reason: unknown, at: At): Finish | null {
  if (reason === undefined || reason === null) return null;
  if (typeof reason !== 'string') throw malformed('a finish reason that is no text', at);
  const finish = Object.hasOwn(FINISHES, reason) ? FINISHES[reason] : undefined;
  if (finish !== undefined) return finish;
  // MALFORMED_FUNCTION_CALL, OTHER and whatever Google adds: passed on as an end, they would make a broken answer look whole.
  const type = reason.slice(0, 64);
  throw new UpstreamFailure('reported', 'The upstream ended its answer without finishing it.', {
    ...at,
    body: { message: `Gemini ended its answer with ${type}.`, type },
  });
}

function usageOf(value: unknown): Usage | undefined {
  if (!isRecord(value)) return undefined;
  const count = (name: string): number => (typeof value[name] === 'number' ? value[name] : 0);
  const thoughts = count('thoughtsTokenCount');
  const prompt = count('promptTokenCount') + count('toolUsePromptTokenCount');
  // Thoughts are paid for as output, and counted apart from the candidates.
  const completion = count('candidatesTokenCount') + thoughts;
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: typeof value['totalTokenCount'] === 'number' ? value['totalTokenCount'] : prompt + completion,
    prompt_tokens_details: { cached_tokens: count('cachedContentTokenCount') },
    completion_tokens_details: { reasoning_tokens: thoughts },
  };
}

function logprobsOf(value: unknown): Record<string, unknown> | null {
  const { chosenCandidates: chosen, topCandidates: tops } = isRecord(value) ? value : {};
  if (!Array.isArray(chosen)) return null;
  const content = chosen.filter(isRecord).map((token, position) => {
    const top: unknown = Array.isArray(tops) ? tops[position] : undefined;
    const others = isRecord(top) && Array.isArray(top['candidates']) ? top['candidates'].filter(isRecord) : [];
    return { ...tokenOf(token), top_logprobs: others.map(tokenOf) };
  });
  return { content, refusal: null };
}

/** `bytes` is null where a provider does not tell them: a token need not be whole characters. */
function tokenOf({ token, logProbability }: Record<string, unknown>): Record<string, unknown> {
  return { token: textOf(token) ?? '', logprob: typeof logProbability === 'number' ? logProbability : 0, bytes: null };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
