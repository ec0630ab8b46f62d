/** The choices of a stream, put together from their deltas; bounded. What is stored of an answer, and what is cached of one, is this. */
import { limits } from '#core/limits';
import { continuedBy, StreamedCall } from '#contract/streamed-call';

/** What every field, number and item counts besides its text. */
const FIELD_CHARS = 8;

export type Fields = Record<string, unknown>;

interface HeardChoice {
  readonly message: Fields;
  /** Its tool calls, each as it is in the message. */
  readonly calls: { readonly call: Fields; readonly streamed: StreamedCall }[];
  logprobs: Fields | null;
  finishReason: unknown;
  /** What its server says of it besides, as vLLM at which text it stopped. */
  readonly beside: Fields;
}

export class Heard {
  truncated = false;
  readonly #charsMax: number;
  readonly #logprobs: boolean;
  readonly #byIndex = new Map<unknown, HeardChoice>();
  #left: number;

  /**
   * `charsMax`: of all texts and names together; the rest is dropped and `truncated` says so. `logprobs`: whether the log probabilities
   * of its tokens, which come beside the texts, are heard too.
   */
  constructor(charsMax: number, { logprobs = false } = {}) {
    this.#logprobs = logprobs;
    this.#charsMax = charsMax;
    this.#left = charsMax;
  }

  /** A chunk of the stream, parsed. */
  event(event: unknown): void {
    if (!isFields(event)) return;
    const { revoagent: note, choices } = event;
    // Another deployment begins anew: what was said before is void.
    if (isFields(note) && note['event'] === 'restart') {
      this.#byIndex.clear();
      this.#left = this.#charsMax;
      this.truncated = false;
    }
    if (Array.isArray(choices)) for (const choice of choices) if (isFields(choice)) this.#take(choice);
  }

  #take({ index, delta, logprobs, finish_reason: finish, ...beside }: Fields): void {
    let choice = this.#byIndex.get(index);
    if (choice === undefined) {
      if (!this.#room(FIELD_CHARS)) return;
      choice = { message: emptyFields(), calls: [], logprobs: null, finishReason: null, beside: emptyFields() };
      this.#byIndex.set(index, choice);
    }
    if (isFields(delta)) {
      const { tool_calls: pieces, ...said } = delta;
      this.#merged(choice.message, said, 0);
      if (Array.isArray(pieces)) for (const piece of pieces) if (isFields(piece)) this.#call(choice, piece);
    }
    if (this.#logprobs && isFields(logprobs))
      choice.logprobs = this.#merged(choice.logprobs ?? emptyFields(), logprobs, 0);
    if (finish !== undefined && finish !== null) choice.finishReason = finish;
    for (const name in beside) {
      const value = beside[name];
      if (typeof value !== 'string' || choice.beside[name] === value) continue;
      if (this.#room(FIELD_CHARS + name.length + value.length)) choice.beside[name] = value;
    }
  }

  /** Those that an upstream numbers alike may be several. */
  #call({ message, calls }: HeardChoice, piece: Fields): void {
    let begun = continuedBy(piece, calls);
    if (begun === undefined) {
      if (!this.#room(FIELD_CHARS)) return;
      begun = { call: emptyFields(), streamed: new StreamedCall() };
      calls.push(begun);
      const told: unknown[] = Array.isArray(message['tool_calls']) ? message['tool_calls'] : [];
      told.push(begun.call);
      message['tool_calls'] = told;
    }
    begun.streamed.take(piece);
    this.#merged(begun.call, piece, 2);
  }

  choices(): Fields[] {
    return [...this.#byIndex].map(([index, { message, logprobs, finishReason, beside }]) => ({
      ...beside,
      index,
      message,
      ...(this.#logprobs && { logprobs }),
      finish_reason: finishReason,
    }));
  }

  /** What was there and what comes to it. */
  #joined(before: unknown, more: unknown, depth: number): unknown {
    if (depth > limits.jsonDepthMax) {
      this.truncated = true;
      return null;
    }
    if (typeof more === 'string') return (typeof before === 'string' ? before : '') + this.#fitting(more);
    if (Array.isArray(more)) return this.#listed(Array.isArray(before) ? before : [], more, depth);
    if (isFields(more)) return this.#merged(isFields(before) ? before : emptyFields(), more, depth);
    return more ?? before ?? null;
  }

  /** Texts are said piece by piece, names once. */
  #merged(whole: Fields, delta: Fields, depth: number): Fields {
    for (const [name, value] of Object.entries(delta)) {
      const before = whole[name];
      if (before === undefined && !this.#room(FIELD_CHARS + name.length)) break;
      if (typeof before === 'string' && (SAID_ONCE.includes(name) || (name === 'name' && value === before))) continue;
      whole[name] = this.#joined(before, value, depth + 1);
    }
    return whole;
  }

  /** Items have an index where they come in pieces. */
  #listed(items: unknown[], more: readonly unknown[], depth: number): unknown[] {
    for (const item of more) {
      const { index }: Fields = isFields(item) ? item : {};
      const at = index === undefined ? -1 : items.findIndex((each) => isFields(each) && each['index'] === index);
      if (at !== -1) items[at] = this.#joined(items[at], item, depth + 1);
      else if (this.#room(FIELD_CHARS)) items.push(this.#joined(undefined, item, depth + 1));
    }
    return items;
  }

  #fitting(text: string): string {
    const kept = text.slice(0, Math.max(0, this.#left));
    return this.#room(text.length) ? kept : '';
  }

  #room(chars: number): boolean {
    if (this.#left <= 0) {
      this.truncated = true;
      return false;
    }
    this.#left -= chars;
    return true;
  }
}

/** Some say them with each piece: `format` is OpenRouter's, of `reasoning_details`. */
const SAID_ONCE: readonly string[] = ['role', 'id', 'type', 'format'];

function emptyFields(): Fields {
  return { __proto__: null };
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
