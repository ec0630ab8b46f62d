/**
 * An answer of Gemini's in the hub's form: whole as a completion, or as the chunks of a stream, event by event. Both are made of the
 * same pieces, so that a client sees the same answer either way.
 */
import type { ChatChunk, ChatChunkChoice, ChatCompletion, Usage } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import type { ProviderEvent } from '#contract/provider';
import { readAnswer } from './answer.ts';
import type { CalledFunction, Candidate, GeminiAnswer } from './answer.ts';

export interface Asked {
  /** Where Gemini does not say which model answered. */
  readonly model: string;
  /** Seconds since the epoch: Gemini does not say when. */
  readonly created: number;
}

export function toCompletion(text: string, status: number, asked: Asked): ChatCompletion {
  const answer = readAnswer(text, status);
  if (answer.candidates.length === 0 || answer.candidates.some(({ finish }) => finish === null))
    throw new UpstreamFailure('malformed', 'The upstream sent an answer that has not ended.', { status });
  return {
    ...frameOf(answer, asked),
    object: 'chat.completion',
    choices: answer.candidates.map((candidate) => {
      const { index, text: content, reasoning, calls, signature, logprobs } = candidate;
      const toolCalls = calls.map((call, position) => toolCall(call, answer, index, position));
      const message = {
        role: 'assistant',
        content: content === '' && calls.length > 0 ? null : content,
        refusal: null,
        ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
        ...(calls.length === 0 ? {} : { tool_calls: toolCalls }),
        ...sealed(signature),
      };
      return { index, message, logprobs, finish_reason: finishReason(candidate, calls.length) };
    }),
    usage: answer.usage ?? null,
  };
}

/** The chunks of one stream. Throws as `readAnswer` does. */
export class ChunkWriter {
  readonly #asked: Asked;
  readonly #usageAsked: boolean;
  readonly #choices: number;
  readonly #calls = new Map<number, number>();
  readonly #finished = new Set<number>();
  #usageSent = false;

  /** `choices`: as many as were asked for. `usageAsked`: usage comes in a chunk of its own, as the caller asked; else with the last. */
  constructor(asked: Asked, choices: number, usageAsked: boolean) {
    this.#asked = asked;
    this.#choices = choices;
    this.#usageAsked = usageAsked;
  }

  /** What one event of the stream stands for. */
  write(text: string): ProviderEvent[] {
    const answer = readAnswer(text);
    const frame: ChatChunk = { ...frameOf(answer, this.#asked), object: 'chat.completion.chunk', choices: [] };
    if (this.#usageAsked) frame.usage = null;
    const chunks = answer.candidates.flatMap((candidate) =>
      this.#choicesOf(candidate, answer).map((choice) => ({ ...frame, choices: [choice] })),
    );
    this.#addUsage(chunks, frame, answer.usage);
    return chunks.map((chunk) => ({ chunk, data: JSON.stringify(chunk) }));
  }

  #choicesOf(candidate: Candidate, answer: GeminiAnswer): ChatChunkChoice[] {
    const { index, text, reasoning, calls, signature, logprobs } = candidate;
    const before = this.#calls.get(index);
    this.#calls.set(index, (before ?? 0) + calls.length);
    const delta = {
      ...(before === undefined ? { role: 'assistant' } : {}),
      ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
      ...(text === '' ? {} : { content: text }),
      ...(calls.length === 0
        ? {}
        : {
            tool_calls: calls.map((call, position) => {
              const at = (before ?? 0) + position;
              return { index: at, ...toolCall(call, answer, index, at) };
            }),
          }),
      ...sealed(signature),
    };
    const choices: ChatChunkChoice[] = [];
    if (Object.keys(delta).length > 0) choices.push({ index, delta, logprobs, finish_reason: null });
    if (candidate.finish !== null && !this.#finished.has(index)) {
      this.#finished.add(index);
      const reason = finishReason(candidate, this.#calls.get(index) ?? 0);
      choices.push({ index, delta: {}, logprobs: null, finish_reason: reason });
    }
    return choices;
  }

  /** Every event carries what has been used so far; only the last counts. */
  #addUsage(chunks: ChatChunk[], frame: ChatChunk, usage: Usage | undefined): void {
    if (usage === undefined || this.#usageSent || this.#finished.size < this.#choices) return;
    const last = chunks.at(-1);
    if (this.#usageAsked) chunks.push({ ...frame, usage });
    else if (last !== undefined) last.usage = usage;
    else return;
    this.#usageSent = true;
  }
}

function frameOf({ id, model }: GeminiAnswer, asked: Asked): Pick<ChatCompletion, 'id' | 'created' | 'model'> {
  return { id: `chatcmpl-${id ?? asked.created}`, created: asked.created, model: model ?? asked.model };
}

/** An id that Gemini left out is made of what the answer has, so that the same answer gets the same one. */
function toolCall(
  call: CalledFunction,
  answer: GeminiAnswer,
  choice: number,
  position: number,
): Record<string, unknown> {
  const id = call.id ?? ['call', answer.id ?? 'gemini', choice, position].join('_');
  return {
    id,
    type: 'function',
    function: { name: call.name, arguments: call.arguments },
    ...sealed(call.signature),
  };
}

/** Google's OpenAI-compatible API hands out signatures in this field, and `contents.ts` takes them back from it. */
function sealed(signature: string | undefined): Record<string, unknown> {
  return signature === undefined ? {} : { extra_content: { google: { thought_signature: signature } } };
}

/** Gemini ends a turn of calls with STOP as any other. */
function finishReason({ finish }: Candidate, calls: number): string | null {
  return finish === 'stop' && calls > 0 ? 'tool_calls' : finish;
}
