/**
 * The chunks of a chat completion as the events of a Messages stream, one block after the other. How an answer ended and what it cost is
 * said when the chunks have ended: only then are the counts known. One writer a stream.
 */
import type { ChatChunk, Usage } from '#contract/chat';
import { messageUsage, stopReason } from './answer.ts';
import { isFields, listOf, textOr } from './fields.ts';
import type { Fields } from './fields.ts';

export interface MessageEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

export class MessageEvents {
  #started = false;
  #blocks = 0;
  /** What is open: a kind of text, or the place of a call. */
  #open: 'text' | 'thinking' | number | null = null;
  /** The block of each call. */
  readonly #calls = new Map<number, number>();
  #finish: unknown = null;
  #usage: Usage | null = null;

  /** The events that a chunk stands for. Only the first choice is read: a message has one. */
  push(chunk: ChatChunk): MessageEvent[] {
    const events = this.#started ? [] : [this.#start(chunk)];
    if (chunk.usage) this.#usage = chunk.usage;
    for (const { index, delta, finish_reason: finish } of chunk.choices) {
      if (index !== 0) continue;
      if (finish) this.#finish = finish;
      this.#reasoning(delta, events);
      const text = textOr(delta.content, '') + textOr(delta['refusal'], '');
      if (text !== '') this.#text(text, events);
      for (const call of listOf(delta['tool_calls'])) this.#call(call, events);
    }
    return events;
  }

  /** What follows the last chunk of an answer that is whole. */
  end(): MessageEvent[] {
    const events: MessageEvent[] = [];
    this.#close(events);
    events.push({
      type: 'message_delta',
      delta: { stop_reason: stopReason(this.#finish), stop_sequence: null },
      usage: messageUsage(this.#usage),
    });
    events.push({ type: 'message_stop' });
    return events;
  }

  #start({ id, model }: ChatChunk): MessageEvent {
    this.#started = true;
    const message = { id, type: 'message', role: 'assistant', model, content: [] };
    return {
      type: 'message_start',
      message: { ...message, stop_reason: null, stop_sequence: null, usage: messageUsage(null) },
    };
  }

  /** Signed thinking comes whole, after its pieces: then only the signature is new. */
  #reasoning(delta: Fields, events: MessageEvent[]): void {
    const thinking = textOr(delta['reasoning_content'], '');
    if (thinking !== '') this.#think(thinking, events);
    for (const block of listOf(delta['thinking_blocks'])) {
      if (block['type'] === 'redacted_thinking') {
        this.#close(events);
        events.push(this.#begin(block));
        events.push({ type: 'content_block_stop', index: this.#blocks - 1 });
        continue;
      }
      if (this.#open !== 'thinking') this.#think(textOr(block['thinking'], ''), events);
      events.push(this.#piece({ type: 'signature_delta', signature: block['signature'] }));
      this.#close(events);
    }
  }

  #think(thinking: string, events: MessageEvent[]): void {
    if (this.#open !== 'thinking') {
      this.#close(events);
      this.#open = 'thinking';
      events.push(this.#begin({ type: 'thinking', thinking: '', signature: '' }));
    }
    events.push(this.#piece({ type: 'thinking_delta', thinking }));
  }

  #text(text: string, events: MessageEvent[]): void {
    if (this.#open !== 'text') {
      this.#close(events);
      this.#open = 'text';
      events.push(this.#begin({ type: 'text', text: '' }));
    }
    events.push(this.#piece({ type: 'text_delta', text }));
  }

  #call({ index, id, function: called }: Fields, events: MessageEvent[]): void {
    const place = typeof index === 'number' ? index : 0;
    const { name, arguments: text } = isFields(called) ? called : {};
    let block = this.#calls.get(place);
    if (block === undefined) {
      this.#close(events);
      this.#open = place;
      block = this.#blocks;
      this.#calls.set(place, block);
      events.push(this.#begin({ type: 'tool_use', id, name, input: {} }));
    }
    const piece = textOr(text, '');
    if (piece !== '') events.push(this.#piece({ type: 'input_json_delta', partial_json: piece }, block));
  }

  #begin(block: Fields): MessageEvent {
    return { type: 'content_block_start', index: this.#blocks++, content_block: block };
  }

  #piece(delta: Fields, index = this.#blocks - 1): MessageEvent {
    return { type: 'content_block_delta', index, delta };
  }

  #close(events: MessageEvent[]): void {
    if (this.#open !== null) events.push({ type: 'content_block_stop', index: this.#blocks - 1 });
    this.#open = null;
  }
}
