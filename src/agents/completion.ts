/**
 * A turn in the form of OpenAI's chat completions: the text of all its steps, and the calls that are the caller's. What the hub did in
 * between is in a field that clients pass over. A turn that ended at a limit says `length`, and why in that field.
 */
import type { TurnEnd, TurnResult } from '#contract/agents';
import type { ChatChunk, ChatCompletion, Usage } from '#contract/chat';
import type { TurnEvent } from './agents.ts';

interface Frame {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

/** Between the texts of two steps. */
const SEAM = '\n\n';

const FINISH: Readonly<Record<TurnEnd, string>> = {
  stop: 'stop',
  length: 'length',
  content_filter: 'content_filter',
  tool_calls: 'tool_calls',
  steps: 'length',
  deadline: 'length',
  cost: 'length',
  degraded: 'error',
};

/** The text of a turn, over its steps. */
export class TurnText {
  #before = '';
  #step = '';

  /** What of the event is new text; null for one that makes the text of its step void. */
  take(event: TurnEvent): string | null {
    if (event.type === 'step') {
      this.#before = this.whole;
      this.#step = '';
    }
    if (event.type === 'restart') {
      this.#step = '';
      return null;
    }
    if (event.type !== 'delta') return '';
    const text = this.#step === '' && this.#before !== '' ? `${SEAM}${event.text}` : event.text;
    this.#step += text;
    return text;
  }

  get whole(): string {
    return this.#before + this.#step;
  }
}

export function completionOf(frame: Frame, text: string, result: TurnResult): ChatCompletion {
  const { toolCalls } = result;
  const message = {
    role: 'assistant',
    content: text === '' && toolCalls.length > 0 ? null : text,
    refusal: null,
    ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls }),
  };
  return {
    ...frame,
    object: 'chat.completion',
    choices: [{ index: 0, message, logprobs: null, finish_reason: FINISH[result.end] }],
    usage: usageOf(result),
    revoagent: noteOf(result),
  };
}

/** JSON texts of chunks. */
export class Chunks {
  readonly #frame: Frame;
  #begun = false;

  constructor(frame: Frame) {
    this.#frame = frame;
  }

  text(content: string): string {
    return this.#chunk([this.#choice({ content })]);
  }

  restart(): string {
    return this.#chunk([], { revoagent: { event: 'restart' } });
  }

  end(result: TurnResult, withUsage: boolean): string[] {
    const calls = result.toolCalls.map((call, index) => ({ index, ...call }));
    return [
      ...(calls.length === 0 ? [] : [this.#chunk([this.#choice({ tool_calls: calls })])]),
      this.#chunk([this.#choice({}, FINISH[result.end])], { revoagent: noteOf(result) }),
      ...(withUsage ? [this.#chunk([], { usage: usageOf(result) })] : []),
    ];
  }

  #choice(delta: Record<string, unknown>, finish: string | null = null): ChatChunk['choices'][number] {
    const role = this.#begun ? {} : { role: 'assistant' };
    this.#begun = true;
    return { index: 0, delta: { ...role, ...delta }, logprobs: null, finish_reason: finish };
  }

  #chunk(choices: ChatChunk['choices'], more?: object): string {
    return JSON.stringify({ ...this.#frame, object: 'chat.completion.chunk', choices, ...more });
  }
}

function noteOf({ end, tools, memory, runIds, costMicroUsd }: TurnResult) {
  return { end, tools, memory, runIds, costMicroUsd };
}

function usageOf({ promptTokens, completionTokens }: TurnResult): Usage | null {
  if (promptTokens === null || completionTokens === null) return null;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}
