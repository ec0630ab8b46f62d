/**
 * A stream under way that several callers read, each from its beginning and at his own pace. It is read ahead of them up to a bound, so
 * that no slow reader holds up another; past the bound, as fast as the fastest takes it, or to its end where only callers are left who
 * wait for the whole. Ends once, for all: whole or failed.
 */
import type { ChatCompletion, Usage } from '#contract/chat';
import type { ChatStream, RunSpent, RunSummary } from '#contract/gateway';
import type { Fields } from '../heard.ts';
import { Heard, isFields } from '../heard.ts';
import type { AnswerFacts } from '../runs.ts';

/** Characters that are read ahead of every reader. */
const AHEAD_CHARS_MAX = 4 * 1024 * 1024;
/** Of a whole answer that is kept. */
const KEPT_CHARS_MAX = 4 * 1024 * 1024;

interface Said {
  readonly text: string;
  /** Holds nothing but usage. */
  readonly usage: boolean;
}

export class LiveAnswer {
  readonly summary: RunSummary;
  readonly #stream: ChatStream;
  readonly #said: Said[] = [];
  readonly #heard = new Heard(KEPT_CHARS_MAX, { logprobs: true });
  /** What its chunks say beside their choices: each field as it came first, some come in the last. */
  readonly #frame: Fields = { __proto__: null };
  #usage: Usage | null = null;
  #chars = 0;
  /** How far the fastest reader is. */
  #taken = 0;
  #readers = 0;
  #ended: { readonly failure?: { readonly thrown: unknown } } | null = null;
  readonly #waiting = new Set<() => void>();

  constructor(stream: ChatStream) {
    this.#stream = stream;
    this.summary = stream.summary;
  }

  /** Reads the stream to its end. Never rejects: readers are told, and what ended it is returned. */
  async pump(): Promise<{ readonly thrown: unknown } | null> {
    try {
      for await (const text of this.#stream.events) {
        this.#hear(text);
        this.#tell();
        while (this.#chars > AHEAD_CHARS_MAX && this.#readers > 0 && this.#taken < this.#said.length)
          await new Promise<void>((resolve) => this.whenChanged(resolve));
      }
    } catch (thrown) {
      this.#ended = { failure: { thrown } };
      this.#tell();
      return { thrown };
    }
    this.#ended = {};
    this.#tell();
    return null;
  }

  /** What the run that asks has spent. */
  spent(): RunSpent {
    return this.#stream.spent();
  }

  /** For the run of who follows. Asked for after the end. */
  facts(): AnswerFacts {
    const [choice] = this.#heard.choices();
    const finish = choice?.['finish_reason'];
    return { finishReason: typeof finish === 'string' ? finish : null, usage: this.#usage ?? usageOf(this.spent()) };
  }

  /** The whole as one answer; null where it is too large, or was not put together. Asked for after the end. */
  completion(): ChatCompletion | null {
    const choices = this.#heard.choices();
    if (this.#heard.truncated || choices.length === 0) return null;
    const { choices: _, usage: __, object: ___, revoagent: ____, ...frame } = this.#frame;
    // What was put together has objects without a prototype; a cache takes plain ones.
    const whole: unknown = JSON.parse(
      JSON.stringify({
        ...frame,
        object: 'chat.completion',
        choices: choices.map(wholeChoice).toSorted(byIndex),
        usage: this.#usage ?? usageOf(this.spent()),
      }),
    );
    // Its parts are those of the chunks, which the provider checked.
    return whole as ChatCompletion;
  }

  /** From the beginning. `usage`: whether the reader asked for it. */
  reader(usage: boolean): LiveReader {
    this.#readers++;
    return new LiveReader(this, usage);
  }

  /** One of its readers has left. */
  left(): void {
    if (--this.#readers === 0) this.#tell();
  }

  /** The event at this place, null past the last of a whole answer, undefined where it has not come yet. Throws as the stream did. */
  at(place: number): Said | null | undefined {
    const said = this.#said[place];
    if (said !== undefined) {
      if (place >= this.#taken) this.#take(place + 1);
      return said;
    }
    if (this.#ended?.failure !== undefined) throw this.#ended.failure.thrown;
    return this.#ended === null ? undefined : null;
  }

  /** Calls `wake` once, when there may be more. */
  whenChanged(wake: () => void): void {
    this.#waiting.add(wake);
  }

  /** For a reader who asked for usage, where the first caller had not; null where it is not known. Asked for after the end. */
  usageChunk(): string | null {
    const usage = this.#usage ?? usageOf(this.spent());
    if (this.#said.length === 0 || usage === null) return null;
    const { id, object, created, model } = this.#frame;
    return JSON.stringify({ id, object, created, model, choices: [], usage });
  }

  #take(count: number): void {
    this.#taken = count;
    if (this.#chars > AHEAD_CHARS_MAX) this.#tell();
  }

  #hear(text: string): void {
    // An event's text is JSON, or the provider would have refused it.
    const event: unknown = JSON.parse(text);
    let usage = false;
    if (isFields(event)) {
      for (const name in event) this.#frame[name] ??= event[name];
      this.#heard.event(event);
      if (isFields(event['usage'])) {
        this.#usage = event['usage'] as Usage;
        usage = Array.isArray(event['choices']) && event['choices'].length === 0;
      }
    }
    this.#said.push({ text, usage });
    this.#chars += text.length;
  }

  #tell(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}

/** One caller's way through a live answer. */
export class LiveReader implements AsyncIterableIterator<string> {
  readonly #live: LiveAnswer;
  readonly #usage: boolean;
  #place = 0;
  #usageTold = false;
  #left = false;
  #wake: (() => void) | undefined;

  constructor(live: LiveAnswer, usage: boolean) {
    this.#live = live;
    this.#usage = usage;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<string, undefined>> {
    while (!this.#left) {
      const said = this.#live.at(this.#place);
      if (said === null) return this.#late();
      if (said === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          this.#live.whenChanged(resolve);
        });
        continue;
      }
      this.#place++;
      this.#usageTold ||= said.usage;
      if (!said.usage || this.#usage) return { done: false, value: said.text };
    }
    return END;
  }

  /** A `next` that waits ends too. */
  return(): Promise<IteratorReturnResult<undefined>> {
    if (!this.#left) this.#live.left();
    this.#left = true;
    this.#wake?.();
    return Promise.resolve(END);
  }

  #late(): IteratorResult<string, undefined> {
    const usage = this.#usage && !this.#usageTold ? this.#live.usageChunk() : null;
    this.#left = true;
    return usage === null ? END : { done: false, value: usage };
  }
}

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

function usageOf({ promptTokens, completionTokens }: RunSpent): Usage | null {
  if (promptTokens === null || completionTokens === null) return null;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

function byIndex({ index: one }: Fields, { index: other }: Fields): number {
  return Number(one) - Number(other);
}

/** A choice as a plain answer words it: a role, a content that may be null, tool calls without the numbers of their deltas. */
function wholeChoice(choice: Fields): Fields {
  const message: Fields = isFields(choice['message']) ? choice['message'] : {};
  const calls = message['tool_calls'];
  return {
    ...choice,
    message: {
      role: 'assistant',
      content: null,
      ...message,
      ...(Array.isArray(calls) && {
        // Streams begin with an empty text where a plain answer has none.
        content: message['content'] === '' ? null : (message['content'] ?? null),
        tool_calls: calls.map((call: unknown) => {
          if (!isFields(call)) return call;
          const { index: _, ...rest } = call;
          return rest;
        }),
      }),
    },
  };
}
