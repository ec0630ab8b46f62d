/**
 * One streamed answer of Anthropic's Messages API, event by event, as chunks of a chat completion
 * (https://platform.claude.com/docs/en/build-with-claude/streaming). Events of a kind nobody knows are passed over, as Anthropic's
 * versioning asks; an `error` event is reported. One reader a stream: it keeps what the earlier events said.
 */
import type { ChatChunk } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import type { ProviderEvent } from '#contract/provider';
import { parseErrorBody } from '../openai-body.ts';
import type { Dialect } from '../events.ts';
import { finishReason, isThinking, parseFields, usageOf } from './answer.ts';
import { isFields, textOr } from './told.ts';
import type { Fields } from './told.ts';

type Delta = ChatChunk['choices'][number]['delta'];

/** A block of the answer that is under way. */
interface Block {
  readonly type: unknown;
  /** The place of its call among the answer's calls. */
  readonly call: number;
  /** What is known of a thinking block. */
  fields: Fields;
  /** Whether anything of a call's arguments has come. */
  begun: boolean;
}

/** `created`: seconds since 1970. `wantsUsage`: the caller asked for a last chunk with the usage alone. */
export function messageEvents(created: number, wantsUsage: boolean): Dialect {
  const reader = new EventReader(created, wantsUsage);
  return (data) => reader.read(data);
}

class EventReader {
  readonly #created: number;
  readonly #wantsUsage: boolean;
  #frame: Pick<ChatChunk, 'id' | 'model'> | null = null;
  #usage: Fields = {};
  #calls = 0;
  /** Blocks come one after the other. */
  #block: Block | null = null;

  constructor(created: number, wantsUsage: boolean) {
    this.#created = created;
    this.#wantsUsage = wantsUsage;
  }

  read(data: string): readonly ProviderEvent[] | 'end' {
    const event = parseFields(data);
    if (event === undefined)
      throw new UpstreamFailure('malformed', 'The upstream sent an event that is no JSON object.');
    switch (event['type']) {
      case 'message_start':
        return this.#start(fieldsOf(event['message']));
      case 'content_block_start':
        return this.#blockStart(fieldsOf(event['content_block']));
      case 'content_block_delta':
        return this.#blockDelta(fieldsOf(event['delta']));
      case 'content_block_stop':
        return this.#blockStop();
      case 'message_delta':
        return this.#messageDelta(fieldsOf(event['delta']), event['usage']);
      case 'message_stop':
        return 'end';
      case 'error':
        throw reported(data);
      default:
        if (typeof event['type'] === 'string') return [];
        throw new UpstreamFailure('malformed', 'The upstream sent an event without a type.');
    }
  }

  #start({ id, model, usage }: Fields): ProviderEvent[] {
    this.#frame = { id: textOr(id, ''), model: textOr(model, '') };
    this.#usage = fieldsOf(usage);
    return this.#delta({ role: 'assistant', content: '' });
  }

  #blockStart(fields: Fields): ProviderEvent[] {
    const { type, id, name, text } = fields;
    this.#block = { type, fields, begun: false, call: this.#calls };
    if (type === 'text') return this.#text(text);
    if (type !== 'tool_use') return [];
    this.#calls++;
    const call = { index: this.#block.call, id, type: 'function', function: { name, arguments: '' } };
    return this.#delta({ tool_calls: [call] });
  }

  #blockDelta(delta: Fields): ProviderEvent[] {
    const block = this.#block;
    if (block === null)
      throw new UpstreamFailure('malformed', 'The upstream sent a piece of a block that it never began.');
    switch (delta['type']) {
      case 'text_delta':
        return this.#text(delta['text']);
      case 'input_json_delta':
        return block.type === 'tool_use' ? this.#arguments(block, textOr(delta['partial_json'], '')) : [];
      case 'thinking_delta': {
        const piece = textOr(delta['thinking'], '');
        block.fields = { ...block.fields, thinking: textOr(block.fields['thinking'], '') + piece };
        return piece === '' ? [] : this.#delta({ reasoning_content: piece });
      }
      case 'signature_delta':
        block.fields = { ...block.fields, signature: delta['signature'] };
        return [];
      default:
        return [];
    }
  }

  #blockStop(): ProviderEvent[] {
    const block = this.#block;
    this.#block = null;
    if (block === null) return [];
    // A call without arguments sends none; clients read them as JSON, which nothing is not.
    if (block.type === 'tool_use' && !block.begun) return this.#arguments(block, '{}');
    return isThinking(block.fields) ? this.#delta({ thinking_blocks: [block.fields] }) : [];
  }

  /** The counts are totals: what comes later stands for what came before. */
  #messageDelta({ stop_reason: stop }: Fields, usage: unknown): ProviderEvent[] {
    this.#usage = {
      ...this.#usage,
      ...Object.fromEntries(Object.entries(fieldsOf(usage)).filter(([, value]) => value !== null)),
    };
    if (stop === undefined || stop === null) return [];
    const total = usageOf(this.#usage);
    const choices = [{ index: 0, delta: {}, logprobs: null, finish_reason: finishReason(stop) }];
    return this.#wantsUsage
      ? [this.#event({ choices }), this.#event({ choices: [], usage: total })]
      : [this.#event({ choices, usage: total })];
  }

  #text(text: unknown): ProviderEvent[] {
    const content = textOr(text, '');
    return content === '' ? [] : this.#delta({ content });
  }

  #arguments(block: Block, piece: string): ProviderEvent[] {
    if (piece === '') return [];
    block.begun = true;
    return this.#delta({ tool_calls: [{ index: block.call, function: { arguments: piece } }] });
  }

  #delta(delta: Delta): ProviderEvent[] {
    return [this.#event({ choices: [{ index: 0, delta, logprobs: null, finish_reason: null }] })];
  }

  #event(part: Pick<ChatChunk, 'choices' | 'usage'>): ProviderEvent {
    if (this.#frame === null)
      throw new UpstreamFailure('malformed', 'The upstream sent a part of a message that it never began.');
    const { id, model } = this.#frame;
    const chunk: ChatChunk = { id, object: 'chat.completion.chunk', created: this.#created, model, ...part };
    return { chunk, data: JSON.stringify(chunk) };
  }
}

function reported(data: string): UpstreamFailure {
  const body = parseErrorBody(Buffer.from(data));
  return new UpstreamFailure(
    'reported',
    'The upstream reported an error in its stream.',
    body === undefined ? {} : { body },
  );
}

function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}
