/**
 * The events of a streamed answer, one by one, from Anthropic's form to the hub's. Keeps what the next event needs: which block is open,
 * which tool call it is, what was used so far. Shapes after https://docs.anthropic.com/en/docs/build-with-claude/streaming.
 */
import type { ChatChunk } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import type { ProviderErrorBody } from '#contract/provider';
import { besides, isRecord, parseJson, textOf } from '../json.ts';
import type { Json } from '../json.ts';
import { toFinishReason, toStopped, toUsage } from './answer.ts';
import { keptOfCall, MESSAGE_FIELDS, StreamedBlocks } from './blocks.ts';
import { JSON_TOOL } from './request.ts';

/** `{type: "error", error: {type, message}}`, as a body and as an event. */
export function errorIn(value: unknown): ProviderErrorBody | undefined {
  if (!isRecord(value) || value['type'] !== 'error' || !isRecord(value['error'])) return undefined;
  const { type, message } = value['error'];
  return { message: textOf(message).slice(0, 2_000) || 'no message', type: textOf(type) };
}

export class ToChunks {
  readonly #created: number;
  readonly #usageAsked: boolean;
  #id = '';
  #model = '';
  #usage: Json = {};
  /** Position of the open block among the tool calls; -1 where it is none. */
  #call = -1;
  #calls = 0;
  /** The answer is, and the open block is, JSON by a forced tool. */
  #jsonAnswer = false;
  #jsonOpen = false;
  /** What the open tool call was begun with: all of its arguments, where no others come. */
  #input: unknown = undefined;
  /** Whether the open tool call has said anything of its arguments. */
  #argued = false;
  readonly #blocks = new StreamedBlocks();
  /** What its first event says of it beside the blocks. */
  #message: Json = {};
  #began = false;

  /** `created` in seconds; `usageAsked`: `stream_options.include_usage`. */
  constructor(created: number, usageAsked: boolean) {
    this.#created = created;
    this.#usageAsked = usageAsked;
  }

  /** `end` after the last event. Throws `UpstreamFailure`: `reported` for an error, `malformed` for what is no event. */
  read(data: string): ChatChunk[] | 'end' {
    const event = parseJson(data);
    const error = errorIn(event);
    if (error !== undefined)
      throw new UpstreamFailure('reported', 'The upstream reported an error in its stream.', { body: error });
    if (!isRecord(event) || typeof event['type'] !== 'string')
      throw new UpstreamFailure('malformed', 'The upstream sent an event that is none of a message stream.');
    switch (event['type']) {
      case 'message_start':
        return this.#start(event['message']);
      case 'content_block_start':
        return this.#openBlock(event['content_block']);
      case 'content_block_delta':
        return this.#delta(event['delta']);
      case 'content_block_stop':
        return this.#closeBlock();
      case 'message_delta':
        return this.#ending(event);
      case 'message_stop':
        return 'end';
      default:
        // `ping`, and what Anthropic adds: clients are to pass over events that they do not know.
        return [];
    }
  }

  #start(message: unknown): ChatChunk[] {
    if (!isRecord(message)) throw new UpstreamFailure('malformed', 'The upstream began a stream without a message.');
    this.#began = true;
    const { id, model, usage } = message;
    this.#id = textOf(id);
    this.#model = textOf(model);
    this.#message = besides(message, MESSAGE_FIELDS);
    if (isRecord(usage)) this.#usage = usage;
    return [this.#chunk({ role: 'assistant', content: '' })];
  }

  #openBlock(block: unknown): ChatChunk[] {
    this.#call = -1;
    this.#jsonOpen = false;
    this.#argued = false;
    if (!isRecord(block)) return [];
    const { type, name } = block;
    if (type === 'tool_use' && name === JSON_TOOL) {
      this.#input = block['input'];
      this.#jsonAnswer = true;
      this.#jsonOpen = true;
      return [];
    }
    const before = this.#kept(this.#blocks.begin(block));
    return [...before, ...this.#begin(block)];
  }

  #begin(block: Json): ChatChunk[] {
    const { type, id, name, text, data, input } = block;
    if (type === 'tool_use') {
      this.#input = input;
      this.#call = this.#calls++;
      return [this.#toolDelta({ id, type: 'function', function: { name, arguments: '' }, ...keptOfCall(block) })];
    }
    if (type === 'redacted_thinking') return [this.#chunk({ thinking_blocks: [{ type, data }] })];
    return type === 'text' && textOf(text) !== '' ? [this.#chunk({ content: textOf(text) })] : [];
  }

  #closeBlock(): ChatChunk[] {
    const last = this.#lastArguments();
    return this.#jsonOpen ? last : [...last, ...this.#kept(this.#blocks.end())];
  }

  /** A call without arguments sends none; clients read them as JSON, which nothing is not. Others than Anthropic begin a call with all of them. */
  #lastArguments(): ChatChunk[] {
    if ((this.#call === -1 && !this.#jsonOpen) || this.#argued) return [];
    this.#argued = true;
    const text = JSON.stringify(this.#input ?? {});
    return [this.#jsonOpen ? this.#chunk({ content: text }) : this.#toolDelta({ function: { arguments: text } })];
  }

  #delta(delta: unknown): ChatChunk[] {
    if (!isRecord(delta)) return [];
    if (!this.#jsonOpen) this.#blocks.add(delta);
    switch (delta['type']) {
      case 'text_delta':
        return [this.#chunk({ content: textOf(delta['text']) })];
      case 'input_json_delta': {
        const text = textOf(delta['partial_json']);
        if (text === '') return [];
        this.#argued = true;
        if (this.#jsonOpen) return [this.#chunk({ content: text })];
        // What Anthropic asks its own tools is nobody's text: a plain answer has none of it either.
        return this.#call === -1 ? [] : [this.#toolDelta({ function: { arguments: text } })];
      }
      case 'thinking_delta':
        return [this.#chunk({ reasoning_content: textOf(delta['thinking']) })];
      case 'signature_delta':
        // Whole, so that a client who keeps it can send it back as it is.
        return [
          this.#chunk({
            thinking_blocks: [{ type: 'thinking', thinking: this.#blocks.thought, signature: delta['signature'] }],
          }),
        ];
      default:
        return [];
    }
  }

  #ending(event: Json): ChatChunk[] {
    const { delta, usage: used } = event;
    // Totals, and null where there is nothing new to say.
    if (isRecord(used))
      this.#usage = {
        ...this.#usage,
        ...Object.fromEntries(Object.entries(used).filter(([, count]) => count !== null)),
      };
    const end: Json = isRecord(delta) ? delta : {};
    const { stop_reason: reason } = end;
    if (reason === undefined || reason === null) return [];
    const own = { ...this.#message, ...besides(end, MESSAGE_FIELDS), ...besides(event, [...MESSAGE_FIELDS, 'delta']) };
    const last = Object.keys(own).length === 0 ? {} : { anthropic: own };
    const chunk = this.#chunk(last, toFinishReason(reason, this.#jsonAnswer), toStopped(end));
    const usage = toUsage(this.#usage);
    // Anthropic always says it. A caller who did not ask gets no chunk without choices, which older clients trip over.
    return this.#usageAsked ? [chunk, { ...this.#frame(), choices: [], usage }] : [{ ...chunk, usage }];
  }

  /** Blocks that are kept whole: those that OpenAI's form has words for were told before, in pieces. */
  #kept(content: readonly Json[]): ChatChunk[] {
    return content.length === 0 || this.#jsonAnswer ? [] : [this.#chunk({ anthropic: { content } })];
  }

  #toolDelta(call: Json): ChatChunk {
    return this.#chunk({ tool_calls: [{ index: this.#call, ...call }] });
  }

  #chunk(delta: ChatChunk['choices'][number]['delta'], finish: string | null = null, more: Json = {}): ChatChunk {
    if (!this.#began)
      throw new UpstreamFailure('malformed', 'The upstream sent a part of a message that it had not begun.');
    return { ...this.#frame(), choices: [{ index: 0, delta, logprobs: null, finish_reason: finish, ...more }] };
  }

  #frame(): Pick<ChatChunk, 'id' | 'object' | 'created' | 'model'> {
    return { id: this.#id, object: 'chat.completion.chunk', created: this.#created, model: this.#model };
  }
}
