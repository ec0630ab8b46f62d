/**
 * What a stream has said before it was cut, and how another deployment is asked to go on: with the text so far as the beginning of its
 * own answer where it takes one, else from the start behind a `restart` event. Keeps the text only; what cannot be put into words
 * that another model takes for its own (tool calls, thoughts, several answers) is begun anew.
 */
import type { ChatChunk, ChatMessage, ChatRequest } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import type { ProviderEvent } from '#contract/provider';
import type { Deployment } from './deployment.ts';

export class SaidSoFar {
  #text = '';
  /** Nothing but text of one answer was said. */
  #textOnly = true;
  #first: ChatChunk | undefined;
  /** Another deployment speaks now. */
  #joined = false;
  /** The first text after a prefill is awaited, and the caller has the white space before it. */
  #seam = false;
  readonly #asked = new Set<Deployment>();
  readonly #restarts: boolean;

  /** `restarts`: whether the caller can be told that what he has is void. */
  constructor(restarts: boolean) {
    this.#restarts = restarts;
  }

  /** The event's text for the caller: one stream, whoever speaks. */
  take({ chunk, data }: ProviderEvent): string {
    this.#first ??= chunk;
    if (!this.#joined) {
      this.#note(chunk);
      return data;
    }
    const { id, created } = this.#first;
    const joined = {
      ...chunk,
      id,
      created,
      choices: this.#seam ? chunk.choices.map(withoutLeadingSpace) : chunk.choices,
    };
    this.#note(joined);
    return JSON.stringify(joined);
  }

  /**
   * How this deployment is to be asked. Each is asked to go on once: one that would not is asked from the start the next time. Throws
   * `UpstreamFailure('untranslatable')` where its answer could not be shown, so that it is not asked in vain.
   */
  requestFor(deployment: Deployment, request: ChatRequest): { request: ChatRequest; prefilled: boolean } {
    const text = this.#text.trimEnd();
    const { prefill } = deployment.provider;
    if (!prefill || !this.#textOnly || text === '' || isStructured(request) || this.#asked.has(deployment)) {
      if (this.#shown && !this.#restarts)
        throw new UpstreamFailure(
          'untranslatable',
          'It does not go on from what was said, and this caller cannot be told to drop it.',
        );
      return { request, prefilled: false };
    }
    this.#asked.add(deployment);
    return { request: { ...request, messages: withBeginning(request.messages, text) }, prefilled: true };
  }

  /** Another deployment has begun to speak. Returns whether what the caller has seen is void. */
  goesOn(prefilled: boolean): boolean {
    this.#joined = true;
    if (prefilled) {
      this.#seam = this.#text !== this.#text.trimEnd();
      return false;
    }
    const shown = this.#shown;
    this.#text = '';
    this.#textOnly = true;
    this.#seam = false;
    return shown;
  }

  /** Whether the caller has anything of the answer. */
  get #shown(): boolean {
    return this.#text !== '' || !this.#textOnly;
  }

  /** The event that tells the caller to drop what came before: a chunk without choices, which clients pass over. */
  restartEvent(reason: string): string {
    const { id, created, model } = this.#first ?? { id: '', created: 0, model: '' };
    const revoagent = { event: 'restart', reason };
    return JSON.stringify({ id, object: 'chat.completion.chunk', created, model, choices: [], revoagent });
  }

  #note({ choices }: ChatChunk): void {
    for (const { index, delta } of choices) {
      if (index !== 0) this.#textOnly = false;
      for (const [name, value] of Object.entries(delta)) {
        if (name !== 'content' || typeof value !== 'string') {
          if (name !== 'role' && !isEmpty(value)) this.#textOnly = false;
        } else if (value !== '') {
          this.#text += value;
          this.#seam = false;
        }
      }
    }
  }
}

/** The beginning must not end in white space: Anthropic refuses that, and others answer worse. */
function withoutLeadingSpace(choice: ChatChunk['choices'][number]): ChatChunk['choices'][number] {
  const { content } = choice.delta;
  return typeof content === 'string' ? { ...choice, delta: { ...choice.delta, content: content.trimStart() } } : choice;
}

/** The conversation with the answer's beginning at its end, after one that the caller gave. */
function withBeginning(messages: readonly ChatMessage[], text: string): ChatMessage[] {
  const last = messages.at(-1);
  if (last?.role === 'assistant' && typeof last.content === 'string')
    return [...messages.slice(0, -1), { ...last, content: last.content + text }];
  return [...messages, { role: 'assistant', content: text }];
}

/** A promised structure is made from the start of the answer on; nobody joins one in the middle. */
function isStructured({ response_format: format }: ChatRequest): boolean {
  return typeof format === 'object' && format !== null && 'type' in format && format.type !== 'text';
}

function isEmpty(value: unknown): boolean {
  return value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0);
}
