/**
 * What is said in one run of a route that keeps it: the messages that the model was given, and the answer as the caller got it, event by
 * event where it is a stream. Bounded while it is collected; what is stored of it is made when the run ends. A route that keeps nothing
 * has no transcript, so that there is nothing to forget.
 */
import { limits } from '#core/limits';
import type { ChatChoice, ChatMessage } from '#contract/chat';
import type { ContentRecord } from '#contract/content';
import type { ContentPolicy, RunRecord } from '#contract/runs';
import { Heard } from './heard.ts';
import { Keepable } from './keepable.ts';

/** More than is kept, so that what is cut off later is known to be there. */
const HEARD_CHARS_MAX = 2 * limits.contentCharsMax;

export class Transcript {
  readonly #policy: ContentPolicy;
  #messages: readonly ChatMessage[] | null = null;
  #choices: unknown[] = [];
  readonly #heard = new Heard(HEARD_CHARS_MAX);

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
      // It cannot throw: an event's text is JSON, or the provider would have refused it.
      if (taken.done !== true) this.#heard.event(JSON.parse(taken.value));
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
}
