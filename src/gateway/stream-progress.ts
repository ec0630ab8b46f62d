/**
 * How far a streamed answer has come: which choices were seen, which have finished, whether its usage is there. Decides what "whole"
 * means, and nothing else.
 */
import type { ChatChunk, ChatRequest, Usage } from '#contract/chat';

export class StreamProgress {
  finishReason: string | null = null;
  usage: Usage | null = null;
  readonly #choicesAsked: number;
  readonly #usageAsked: boolean;
  readonly #open = new Set<number>();
  readonly #finished = new Set<number>();

  constructor(choicesAsked: number, usageAsked: boolean) {
    this.#choicesAsked = choicesAsked;
    this.#usageAsked = usageAsked;
  }

  static of(request: ChatRequest): StreamProgress {
    const { n } = request;
    return new StreamProgress(typeof n === 'number' && n >= 1 ? n : 1, wantsUsage(request));
  }

  /** Returns whether the chunk holds content: something that a caller would miss. */
  take(chunk: ChatChunk): boolean {
    if (chunk.usage !== undefined && chunk.usage !== null) this.usage = chunk.usage;
    let content = false;
    for (const { index, delta, finish_reason: finish } of chunk.choices) {
      if (finish !== undefined && finish !== null && finish !== '') {
        this.#open.delete(index);
        this.#finished.add(index);
        if (index === 0 || this.finishReason === null) this.finishReason = finish;
        content = true;
      } else if (!this.#finished.has(index)) {
        this.#open.add(index);
      }
      content ||= hasContent(delta);
    }
    return content;
  }

  /** Every choice that was asked for has finished: nothing that could still come belongs to the answer but its usage. */
  get whole(): boolean {
    return this.ended && this.#finished.size >= this.#choicesAsked;
  }

  /** Every choice that was seen has finished; enough where the upstream says that it is done. */
  get ended(): boolean {
    return this.#open.size === 0 && this.#finished.size > 0;
  }

  get usageAwaited(): boolean {
    return this.#usageAsked && this.usage === null;
  }
}

/** Anything but a role and empty values: text, a refusal, reasoning, tool calls, audio, whatever a vendor adds. */
function hasContent(delta: ChatChunk['choices'][number]['delta']): boolean {
  for (const name in delta) {
    if (name === 'role') continue;
    const value = delta[name];
    if (value === null || value === undefined || value === '') continue;
    if (Array.isArray(value) && value.length === 0) continue;
    return true;
  }
  return false;
}

export function wantsUsage({ stream_options: options }: { readonly [field: string]: unknown }): boolean {
  return (
    typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true
  );
}
