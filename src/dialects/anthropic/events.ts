/**
 * From the chunks of a streamed answer to Anthropic's events, each as its name and its data. Blocks follow each other here, while an
 * upstream may say several calls by turns: one is told, and what comes of those after it waits until its arguments are whole. Shapes
 * after https://docs.anthropic.com/en/docs/build-with-claude/streaming.
 */
import { UpstreamError } from '#core/errors';
import { limits } from '#core/limits';
import type { ChatChunk, Usage } from '#contract/chat';
import { continuedBy, StreamedCall } from '#contract/streamed-call';
import { besides, defined, isRecord, saying, textOf } from '../json.ts';
import type { Json } from '../json.ts';
import { thoughtOf } from '../thought.ts';
import { fromStopped, fromUsage } from './answer.ts';
import { isKnown, keptBlocks, keptFields, listOf, sayTheSame } from './blocks.ts';

/** Said in the last event beside its `delta`, where all else is. */
const BESIDE = ['context_management', 'input_transformations'];

type Block = 'text' | 'thinking' | 'tool_use' | 'whole';

interface Call {
  readonly streamed: StreamedCall;
  /** What has come of its arguments and is not told yet. */
  text: string;
  /** It has a block, from its first argument on: by then its id and name have come. */
  begun: boolean;
  /** What else Anthropic says of it. */
  own: Json;
}

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
  /** What else Anthropic says of the message. */
  #own: Json = {};
  readonly #stops: readonly string[];

  /** `stops`: where it was asked to stop. */
  constructor(stops: readonly string[] = []) {
    this.#stops = stops;
  }

  read(chunk: ChatChunk): Json[] {
    const isFirst = !this.#began;
    this.#began = true;
    const events = isFirst ? [startOf(chunk)] : [];
    if (chunk.usage !== undefined && chunk.usage !== null) this.#usage = chunk.usage;
    const choice = chunk.choices.find(({ index }) => index === 0);
    if (choice === undefined) return events;
    if (choice.delta['anthropic'] === undefined) this.#hear(events, choice.delta);
    else this.#take(events, choice.delta, isFirst);
    if (typeof choice.finish_reason === 'string') {
      this.#finish = choice.finish_reason;
      this.#stopped = choice['stop_reason'];
    }
    return events;
  }

  /** Of a delta with what Anthropic alone knows. */
  #take(events: Json[], delta: Json, isFirst: boolean): void {
    const kept = keptBlocks(delta);
    // An answer out of the cache comes in one piece, and no other keeps blocks in its first.
    if (isFirst && kept.length > 0 && sayTheSame(kept, delta)) {
      for (const block of kept) this.#tellWhole(events, block);
    } else {
      this.#hear(events, delta);
      if (!isFirst) for (const block of kept) this.#keep(events, block);
    }
    this.#own = { ...this.#own, ...keptFields(delta) };
  }

  #hear(events: Json[], delta: Json): void {
    const { content, refusal, thinking_blocks: thoughts, tool_calls: calls } = delta;
    const blocks = listOf(thoughts).filter(isRecord);
    // Where the blocks come with it, as out of the cache, it says what they say.
    const thought = blocks.length === 0 ? thoughtOf(delta) : '';
    if (thought !== '') this.#say(events, 'thinking', { type: 'thinking_delta', thinking: thought });
    for (const block of blocks) this.#think(events, block);
    for (const text of [textOf(content), textOf(refusal)])
      if (text !== '') this.#say(events, 'text', { type: 'text_delta', text });
    for (const call of Array.isArray(calls) ? calls.filter(isRecord) : []) this.#callTool(events, call);
  }

  /** After the last chunk of a whole answer. */
  end(): Json[] {
    const events: Json[] = [];
    this.#tellCalls(events, true);
    this.#close(events);
    const delta = fromStopped(this.#finish, this.#stopped, this.#calls.length > 0, this.#stops);
    const beside = Object.fromEntries(BESIDE.map((name) => [name, this.#own[name]]));
    events.push(
      {
        type: 'message_delta',
        delta: { ...delta, ...besides(this.#own, BESIDE) },
        usage: fromUsage(this.#usage),
        ...saying(beside),
      },
      { type: 'message_stop' },
    );
    return events;
  }

  /** Of one that OpenAI's form has words for, all is told but where it ends, and what a text cites. */
  #keep(events: Json[], block: Json): void {
    if (isKnown(block) && block['type'] !== this.#open) return;
    this.#tellCalls(events, true);
    if (!isKnown(block)) this.#tellWhole(events, block);
    else if (this.#open === 'text') this.#cite(events, block);
    this.#close(events);
  }

  #tellWhole(events: Json[], block: Json): void {
    const { type, text, thinking, signature, input } = block;
    const piece = (delta: Json): unknown => events.push({ type: 'content_block_delta', index: this.#index, delta });
    if (type === 'text') {
      const { citations: _, ...fields } = block;
      this.#begin(events, 'whole', { ...fields, text: '' });
      this.#cite(events, block);
      piece({ type: 'text_delta', text });
    } else if (type === 'thinking') {
      this.#begin(events, 'whole', { ...block, thinking: '', signature: '' });
      piece({ type: 'thinking_delta', thinking });
      piece({ type: 'signature_delta', signature });
    } else if (isRecord(input)) {
      this.#begin(events, 'whole', { ...block, input: {} });
      piece({ type: 'input_json_delta', partial_json: JSON.stringify(input) });
    } else {
      this.#begin(events, 'whole', block);
    }
  }

  #cite(events: Json[], { citations }: Json): void {
    for (const citation of listOf(citations))
      events.push({ type: 'content_block_delta', index: this.#index, delta: { type: 'citations_delta', citation } });
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
    if (piece['anthropic'] !== undefined) call.own = { ...call.own, ...keptFields(piece) };
    this.#argumentChars += text.length;
    if (this.#argumentChars > limits.answerBytesMax) throw tooMuch();
    if (this.#calls.indexOf(call) < this.#told && call.text.trim() !== '') throw tooLate();
    this.#tellCalls(events, false);
  }

  #newCall(): Call {
    if (this.#calls.length >= limits.toolsMax) throw tooMuch();
    const call: Call = { streamed: new StreamedCall(), text: '', begun: false, own: {} };
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
      this.#begin(events, 'tool_use', defined({ type: 'tool_use', id: id || undefined, name, input: {}, ...call.own }));
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

function startOf({ id, model }: ChatChunk): Json {
  const message = {
    id,
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
  };
  return { type: 'message_start', message: { ...message, usage: { input_tokens: 0, output_tokens: 0 } } };
}

function tooMuch(): UpstreamError {
  return new UpstreamError('upstream_malformed', 'The model’s answer is larger than the hub accepts.');
}

/** A block cannot be opened again, and half of a call is none. */
function tooLate(): UpstreamError {
  return new UpstreamError('upstream_malformed', 'The provider went on with a tool call that had come to its end.');
}
