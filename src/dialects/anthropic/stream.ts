/**
 * The events of a streamed answer, one by one, between Anthropic's form and the hub's. Each direction keeps what its next event needs:
 * which block is open, which tool call it is, what was used so far. Shapes after
 * https://docs.anthropic.com/en/docs/build-with-claude/streaming.
 */
import { UpstreamError } from '#core/errors';
import { limits } from '#core/limits';
import type { ChatChunk, Usage } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import type { ProviderErrorBody } from '#contract/provider';
import { continuedBy, StreamedCall } from '#contract/streamed-call';
import { defined, isRecord, parseJson, textOf } from '../json.ts';
import type { Json } from '../json.ts';
import { thoughtOf } from '../thought.ts';
import { fromStopped, fromUsage, toFinishReason, toStopped, toUsage } from './answer.ts';
import { JSON_TOOL } from './request.ts';

/** `{type: "error", error: {type, message}}`, as a body and as an event. */
export function errorIn(value: unknown): ProviderErrorBody | undefined {
  if (!isRecord(value) || value['type'] !== 'error' || !isRecord(value['error'])) return undefined;
  const { type, message } = value['error'];
  return { message: textOf(message).slice(0, 2_000) || 'no message', type: textOf(type) };
}

/** From Anthropic's events to chunks. */
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
  /** What the open block of thinking has said. */
  #thought = '';
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
    this.#id = textOf(message['id']);
    this.#model = textOf(message['model']);
    if (isRecord(message['usage'])) this.#usage = message['usage'];
    return [this.#chunk({ role: 'assistant', content: '' })];
  }

  #openBlock(block: unknown): ChatChunk[] {
    this.#call = -1;
    this.#jsonOpen = false;
    this.#argued = false;
    this.#thought = '';
    if (!isRecord(block)) return [];
    const { type, id, name, text, data, input } = block;
    if (type === 'tool_use') {
      this.#input = input;
      if (name === JSON_TOOL) {
        this.#jsonAnswer = true;
        this.#jsonOpen = true;
        return [];
      }
      this.#call = this.#calls++;
      return [this.#toolDelta({ id, type: 'function', function: { name, arguments: '' } })];
    }
    if (type === 'redacted_thinking') return [this.#chunk({ thinking_blocks: [{ type, data }] })];
    return type === 'text' && textOf(text) !== '' ? [this.#chunk({ content: textOf(text) })] : [];
  }

  /** A call without arguments sends none; clients read them as JSON, which nothing is not. Others than Anthropic begin a call with all of them. */
  #closeBlock(): ChatChunk[] {
    if ((this.#call === -1 && !this.#jsonOpen) || this.#argued) return [];
    this.#argued = true;
    const text = JSON.stringify(this.#input ?? {});
    return [this.#jsonOpen ? this.#chunk({ content: text }) : this.#toolDelta({ function: { arguments: text } })];
  }

  #delta(delta: unknown): ChatChunk[] {
    if (!isRecord(delta)) return [];
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
        this.#thought += textOf(delta['thinking']);
        return [this.#chunk({ reasoning_content: textOf(delta['thinking']) })];
      case 'signature_delta':
        // Whole, so that a client who keeps it can send it back as it is.
        return [
          this.#chunk({
            thinking_blocks: [{ type: 'thinking', thinking: this.#thought, signature: delta['signature'] }],
          }),
        ];
      default:
        return [];
    }
  }

  #ending({ delta, usage: used }: Json): ChatChunk[] {
    // Totals, and null where there is nothing new to say.
    if (isRecord(used))
      this.#usage = {
        ...this.#usage,
        ...Object.fromEntries(Object.entries(used).filter(([, count]) => count !== null)),
      };
    const reason = isRecord(delta) ? delta['stop_reason'] : undefined;
    if (reason === undefined || reason === null) return [];
    const end = this.#chunk({}, toFinishReason(reason, this.#jsonAnswer), toStopped(isRecord(delta) ? delta : {}));
    const usage = toUsage(this.#usage);
    // Anthropic always says it. A caller who did not ask gets no chunk without choices, which older clients trip over.
    return this.#usageAsked ? [end, { ...this.#frame(), choices: [], usage }] : [{ ...end, usage }];
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

type Block = 'text' | 'thinking' | 'tool_use';

interface Call {
  readonly streamed: StreamedCall;
  /** What has come of its arguments and is not told yet. */
  text: string;
  /** It has a block, from its first argument on: by then its id and name have come. */
  begun: boolean;
}

/**
 * From chunks to Anthropic's events, each as its name and its data. Blocks follow each other here, while an upstream may say several calls by
 * turns: one is told, and what comes of those after it waits until its arguments are whole.
 */
export class FromChunks {
  #open: Block | null = null;
  #index = -1;
  readonly #calls: Call[] = [];
  /** Place of the call that is being told. */
  #told = 0;
  #argumentChars = 0;
  #finish: string | null = null;
  #stopped: unknown;
  #usage: Usage | null = null;
  #began = false;
  readonly #stops: readonly string[];

  /** `stops`: where it was asked to stop. */
  constructor(stops: readonly string[] = []) {
    this.#stops = stops;
  }

  read(chunk: ChatChunk): Json[] {
    const events: Json[] = [];
    if (!this.#began) {
      this.#began = true;
      const { id, model } = chunk;
      const message = {
        id,
        type: 'message',
        role: 'assistant',
        model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
      };
      events.push({ type: 'message_start', message: { ...message, usage: { input_tokens: 0, output_tokens: 0 } } });
    }
    if (chunk.usage !== undefined && chunk.usage !== null) this.#usage = chunk.usage;
    const choice = chunk.choices.find(({ index }) => index === 0);
    if (choice === undefined) return events;
    const { content, refusal, thinking_blocks: thoughts, tool_calls: calls } = choice.delta;
    const thought = thoughtOf(choice.delta);
    if (thought !== '') this.#say(events, 'thinking', { type: 'thinking_delta', thinking: thought });
    for (const block of Array.isArray(thoughts) ? thoughts.filter(isRecord) : []) this.#think(events, block);
    for (const text of [textOf(content), textOf(refusal)])
      if (text !== '') this.#say(events, 'text', { type: 'text_delta', text });
    for (const call of Array.isArray(calls) ? calls.filter(isRecord) : []) this.#callTool(events, call);
    if (typeof choice.finish_reason === 'string') {
      this.#finish = choice.finish_reason;
      this.#stopped = choice['stop_reason'];
    }
    return events;
  }

  /** After the last chunk of a whole answer. */
  end(): Json[] {
    const events: Json[] = [];
    this.#tellCalls(events, true);
    this.#close(events);
    const delta = fromStopped(this.#finish, this.#stopped, this.#calls.length > 0, this.#stops);
    events.push({ type: 'message_delta', delta, usage: fromUsage(this.#usage) }, { type: 'message_stop' });
    return events;
  }

  /** A signed thought comes whole, after its pieces: then only the signature is new. */
  #think(events: Json[], block: Json): void {
    if (block['type'] === 'redacted_thinking') {
      this.#begin(events, 'thinking', block);
    } else {
      if (this.#open !== 'thinking')
        this.#say(events, 'thinking', { type: 'thinking_delta', thinking: textOf(block['thinking']) });
      const delta = { type: 'signature_delta', signature: block['signature'] };
      events.push({ type: 'content_block_delta', index: this.#index, delta });
    }
    this.#close(events);
  }

  #say(events: Json[], block: Block, delta: Json): void {
    if (this.#open !== block) {
      const empty = block === 'text' ? { type: 'text', text: '' } : { type: 'thinking', thinking: '', signature: '' };
      this.#begin(events, block, empty);
    }
    events.push({ type: 'content_block_delta', index: this.#index, delta });
  }

  #callTool(events: Json[], piece: Json): void {
    const call = continuedBy(piece, this.#calls) ?? this.#newCall();
    const text = call.streamed.take(piece);
    call.text += text;
    this.#argumentChars += text.length;
    if (this.#argumentChars > limits.answerBytesMax) throw tooMuch();
    if (this.#calls.indexOf(call) < this.#told && call.text.trim() !== '') throw tooLate();
    this.#tellCalls(events, false);
  }

  #newCall(): Call {
    if (this.#calls.length >= limits.toolsMax) throw tooMuch();
    const call: Call = { streamed: new StreamedCall(), text: '', begun: false };
    this.#calls.push(call);
    return call;
  }

  /** `all`: none of them is gone on with. */
  #tellCalls(events: Json[], all: boolean): void {
    for (const call of this.#calls.slice(this.#told)) {
      if (call.text !== '' || (all && !call.begun)) this.#tellCall(events, call);
      const isLast = this.#told === this.#calls.length - 1;
      if (!all && (isLast || !call.streamed.isWhole)) return;
      this.#told++;
    }
  }

  #tellCall(events: Json[], call: Call): void {
    const { text } = call;
    if (!call.begun) {
      const { id, name } = call.streamed;
      this.#begin(events, 'tool_use', defined({ type: 'tool_use', id: id || undefined, name, input: {} }));
      call.begun = true;
    } else if (this.#open !== 'tool_use') {
      throw tooLate();
    }
    call.text = '';
    if (text === '') return;
    const delta = { type: 'input_json_delta', partial_json: text };
    events.push({ type: 'content_block_delta', index: this.#index, delta });
  }

  #begin(events: Json[], block: Block, content: Json): void {
    this.#close(events);
    this.#open = block;
    this.#index++;
    events.push({ type: 'content_block_start', index: this.#index, content_block: content });
  }

  #close(events: Json[]): void {
    if (this.#open !== null) events.push({ type: 'content_block_stop', index: this.#index });
    this.#open = null;
  }
}

function tooMuch(): UpstreamError {
  return new UpstreamError('upstream_malformed', 'The model’s answer is larger than the hub accepts.');
}

/** A block cannot be opened again, and half of a call is none. */
function tooLate(): UpstreamError {
  return new UpstreamError('upstream_malformed', 'The provider went on with a tool call that had come to its end.');
}
