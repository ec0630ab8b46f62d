/**
 * What is said in one run of a route that keeps it: the messages that the model was given, and the answer as the caller got it, event by
 * event where it is a stream. Bounded while it is collected; what is stored of it is made when the run ends. A route that keeps nothing
 * has no transcript, so that there is nothing to forget.
 */
import { limits } from '#core/limits';
import type { ChatChoice, ChatMessage } from '#contract/chat';
import type { ContentRecord } from '#contract/content';
import type { ContentPolicy, RunRecord } from '#contract/runs';
import { Keepable } from './keepable.ts';

/** More than is kept, so that what is cut off later is known to be there. */
const HEARD_CHARS_MAX = 2 * limits.contentCharsMax;
/** What every field, number and item counts besides its text. */
const FIELD_CHARS = 8;

type Fields = Record<string, unknown>;

export class Transcript {
  readonly #policy: ContentPolicy;
  #messages: readonly ChatMessage[] | null = null;
  #choices: unknown[] = [];
  #heard = new Heard();

  constructor(policy: ContentPolicy) {
    this.#policy = policy;
  }

  /** With this the upstreams are asked. */
  asked(messages: readonly ChatMessage[]): void {
    this.#messages = messages;
  }

  /** The whole answer. */
  answered(choices: readonly ChatChoice[]): void {
    this.#choices = choices.map(({ index, message, finish_reason }) => ({ index, message, finish_reason }));
  }

  /** The same events; what the reader takes of them is the answer. */
  following(events: AsyncIterableIterator<string>): AsyncIterableIterator<string> {
    const heard = async (step: Promise<IteratorResult<string, unknown>>): Promise<IteratorResult<string, unknown>> => {
      const taken = await step;
      if (taken.done !== true) this.#take(taken.value);
      return taken;
    };
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: () => heard(events.next()),
      return: () => events.return?.() ?? Promise.resolve({ done: true, value: undefined }),
    };
  }

  /** Null where no upstream can have been asked. */
  record({ id, projectId, startedWallMs, status }: RunRecord): ContentRecord | null {
    if (this.#messages === null) return null;
    const policy = this.#policy;
    const [asked, answered] = [new Keepable(policy), new Keepable(policy)];
    const messages = JSON.stringify(asked.newest(this.#messages));
    const answer = JSON.stringify(answered.of([...this.#choices, ...this.#heard.choices()]));
    const truncated = asked.truncated || answered.truncated || this.#heard.truncated;
    return { id, projectId, policy, startedWallMs, partial: status !== 'succeeded', truncated, messages, answer };
  }

  /** It cannot throw: an event's text is JSON, or the provider would have refused it. */
  #take(text: string): void {
    const event: unknown = JSON.parse(text);
    if (!isFields(event)) return;
    const note = event['revoagent'];
    // Another deployment begins anew: what was said before is void.
    if (isFields(note) && note['event'] === 'restart') this.#heard = new Heard();
    const { choices } = event;
    if (Array.isArray(choices)) for (const choice of choices) if (isFields(choice)) this.#heard.take(choice);
  }
}

/** The choices of a stream, put together from their deltas. */
class Heard {
  truncated = false;
  readonly #byIndex = new Map<unknown, { message: Fields; finishReason: unknown }>();
  #left = HEARD_CHARS_MAX;

  take({ index, delta, finish_reason: finish }: Fields): void {
    let choice = this.#byIndex.get(index);
    if (choice === undefined) {
      if (!this.#room(FIELD_CHARS)) return;
      choice = { message: emptyFields(), finishReason: null };
      this.#byIndex.set(index, choice);
    }
    if (isFields(delta)) this.#merged(choice.message, delta, 0);
    if (finish !== undefined && finish !== null) choice.finishReason = finish;
  }

  choices(): unknown[] {
    return [...this.#byIndex].map(([index, { message, finishReason }]) => ({
      index,
      message,
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
      if (typeof before === 'string' && SAID_ONCE.includes(name)) continue;
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

const SAID_ONCE: readonly string[] = ['role', 'id', 'type'];

function emptyFields(): Fields {
  return { __proto__: null };
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
