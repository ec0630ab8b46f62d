/**
 * The chunks of a streamed answer as the events of OpenAI's Responses API. Keeps what was said, since each item's last event holds it whole;
 * calls stay open beside each other until the end, since their pieces may come by turns. Shapes after
 * https://platform.openai.com/docs/api-reference/responses-streaming.
 */
import { UpstreamError } from '#core/errors';
import { limits } from '#core/limits';
import type { ChatChunk } from '#contract/chat';
import { continuedBy, StreamedCall } from '#contract/streamed-call';
import { given, isRecord, textOf } from '../json.ts';
import type { Json } from '../json.ts';
import { thoughtOf } from '../thought.ts';
import {
  callItem,
  contentPart,
  endingOf,
  fromUsage,
  itemId,
  messageItem,
  reasoningItem,
  summaryPart,
} from './answer.ts';
import type { PartKind, Status } from './answer.ts';

/** The message that is being said: its parts that are whole, and the one that is not. */
interface OpenMessage {
  readonly id: string;
  readonly place: number;
  readonly parts: Json[];
  part: { readonly kind: PartKind; text: string } | null;
}

interface OpenThought {
  readonly id: string;
  readonly place: number;
  text: string;
}

interface OpenCall {
  readonly streamed: StreamedCall;
  text: string;
  /** From its first argument on, by when its id and name have come. */
  item: CallItem | null;
}

interface CallItem {
  readonly id: string;
  readonly place: number;
  readonly callId: string;
}

export class FromChunks {
  /** As it was begun. */
  #response: Json;
  #began = false;
  #sequence = 0;
  #places = 0;
  /** Items that have ended, by place. */
  readonly #ended = new Map<number, Json>();
  #thought: OpenThought | null = null;
  #message: OpenMessage | null = null;
  readonly #calls: OpenCall[] = [];
  #finish: string | null = null;
  #usage: Json | null = null;
  #chars = 0;

  /** `response` as `responseTo` makes it. */
  constructor(response: Json) {
    this.#response = response;
  }

  /** Throws `UpstreamError('upstream_malformed')` for an answer that is larger than the hub keeps. */
  read(chunk: ChatChunk): Json[] {
    const events: Json[] = [];
    this.#usage = fromUsage(chunk.usage) ?? this.#usage;
    if (given(chunk['service_tier'])) this.#response = { ...this.#response, service_tier: chunk['service_tier'] };
    const choice = chunk.choices.find(({ index }) => index === 0);
    if (choice === undefined) return events;
    if (!this.#began) this.#begin(events, chunk);
    const { content, refusal, tool_calls: pieces } = choice.delta;
    this.#think(events, thoughtOf(choice.delta));
    this.#say(events, 'output_text', textOf(content));
    this.#say(events, 'refusal', textOf(refusal));
    for (const piece of Array.isArray(pieces) ? pieces.filter(isRecord) : []) this.#callTool(events, piece);
    if (typeof choice.finish_reason === 'string') this.#finish = choice.finish_reason;
    return events;
  }

  /** After the last chunk of a whole answer. */
  end(): Json[] {
    const events: Json[] = [];
    const ending = endingOf(this.#finish);
    this.#endThought(events, ending.status);
    this.#endMessage(events, ending.status);
    for (const call of this.#calls) this.#endCall(events, call, ending.status);
    this.#tell(events, `response.${ending.status}`, { response: this.#asItStands(ending) });
    return events;
  }

  /**
   * In place of the end; `error` in OpenAI's form. The first event ends the response for those who wait for one that does; the second is the one
   * that OpenAI's own clients throw. What was still being said is in neither: nobody may call a tool with half of its arguments.
   */
  fail(error: Json): Json[] {
    const events: Json[] = [];
    const { code, message, param } = error;
    const known = code === 'rate_limit_exceeded' ? code : 'server_error';
    if (this.#began) {
      const response = this.#asItStands({ status: 'failed', error: { code: known, message } });
      this.#tell(events, 'response.failed', { response });
    }
    // Flat as it is documented, and nested as OpenAI sends it.
    this.#tell(events, 'error', { code, message, param, error });
    return events;
  }

  #begin(events: Json[], { created, model }: ChatChunk): void {
    this.#began = true;
    this.#response = { ...this.#response, created_at: created, model };
    for (const type of ['response.created', 'response.in_progress'])
      this.#tell(events, type, { response: this.#response });
  }

  #asItStands(ending: Json): Json {
    const output = [...this.#ended].toSorted(([one], [other]) => one - other).map(([, item]) => item);
    return { ...this.#response, ...ending, output, usage: this.#usage };
  }

  #tell(events: Json[], type: string, fields: Json): void {
    events.push({ type, sequence_number: this.#sequence++, ...fields });
  }

  #think(events: Json[], text: string): void {
    if (text === '') return;
    this.#grow(text);
    // What something follows was said to its end.
    this.#endMessage(events, 'completed');
    this.#thought ??= this.#beginThought(events);
    this.#thought.text += text;
    this.#tell(events, 'response.reasoning_summary_text.delta', { ...summaryOf(this.#thought), delta: text });
  }

  #beginThought(events: Json[]): OpenThought {
    const place = this.#places++;
    const thought = { id: itemId('rs', this.#response, place), place, text: '' };
    const item = reasoningItem(thought.id, 'in_progress', []);
    this.#tell(events, 'response.output_item.added', { output_index: place, item });
    this.#tell(events, 'response.reasoning_summary_part.added', { ...summaryOf(thought), part: summaryPart('') });
    return thought;
  }

  #endThought(events: Json[], status: Status): void {
    const thought = this.#thought;
    if (thought === null) return;
    this.#thought = null;
    const { id, place, text } = thought;
    const part = summaryPart(text);
    this.#tell(events, 'response.reasoning_summary_text.done', { ...summaryOf(thought), text });
    this.#tell(events, 'response.reasoning_summary_part.done', { ...summaryOf(thought), part });
    this.#endItem(events, place, reasoningItem(id, status, [part]));
  }

  #say(events: Json[], kind: PartKind, text: string): void {
    if (text === '') return;
    this.#grow(text);
    this.#endThought(events, 'completed');
    this.#message ??= this.#beginMessage(events);
    const part = this.#partOf(events, this.#message, kind);
    part.text += text;
    this.#tell(events, `response.${kind}.delta`, {
      ...placeOf(this.#message),
      delta: text,
      ...(kind === 'output_text' && { logprobs: [] }),
    });
  }

  #beginMessage(events: Json[]): OpenMessage {
    const place = this.#places++;
    const id = itemId('msg', this.#response, place);
    const item = messageItem(id, 'in_progress', []);
    this.#tell(events, 'response.output_item.added', { output_index: place, item });
    return { id, place, parts: [], part: null };
  }

  #partOf(events: Json[], message: OpenMessage, kind: PartKind): { text: string } {
    if (message.part?.kind === kind) return message.part;
    this.#endPart(events, message);
    this.#tell(events, 'response.content_part.added', { ...placeOf(message), part: contentPart(kind, '') });
    message.part = { kind, text: '' };
    return message.part;
  }

  #endPart(events: Json[], message: OpenMessage): void {
    if (message.part === null) return;
    const { kind, text } = message.part;
    const part = contentPart(kind, text);
    const said = kind === 'refusal' ? { refusal: text } : { text, logprobs: [] };
    this.#tell(events, `response.${kind}.done`, { ...placeOf(message), ...said });
    this.#tell(events, 'response.content_part.done', { ...placeOf(message), part });
    message.parts.push(part);
    message.part = null;
  }

  #endMessage(events: Json[], status: Status): void {
    const message = this.#message;
    if (message === null) return;
    this.#endPart(events, message);
    this.#message = null;
    this.#endItem(events, message.place, messageItem(message.id, status, message.parts));
  }

  #endItem(events: Json[], place: number, item: Json): void {
    this.#ended.set(place, item);
    this.#tell(events, 'response.output_item.done', { output_index: place, item });
  }

  #callTool(events: Json[], piece: Json): void {
    this.#endThought(events, 'completed');
    this.#endMessage(events, 'completed');
    const call = continuedBy(piece, this.#calls) ?? this.#newCall();
    const text = call.streamed.take(piece);
    if (text === '') return;
    this.#grow(text);
    call.item ??= this.#beginCall(events, call);
    call.text += textOf(text);
    const { id: item, place } = call.item;
    this.#tell(events, 'response.function_call_arguments.delta', { item_id: item, output_index: place, delta: text });
  }

  #newCall(): OpenCall {
    if (this.#calls.length >= limits.toolsMax) throw tooMuch();
    const call: OpenCall = { streamed: new StreamedCall(), text: '', item: null };
    this.#calls.push(call);
    return call;
  }

  #beginCall(events: Json[], { streamed: { id: callId, name } }: OpenCall): CallItem {
    const place = this.#places++;
    const id = itemId('fc', this.#response, place);
    const item = { id, place, callId: callId === '' ? id : callId };
    this.#tell(events, 'response.output_item.added', {
      output_index: place,
      item: callItem(id, 'in_progress', { callId: item.callId, name, text: '' }),
    });
    return item;
  }

  #endCall(events: Json[], call: OpenCall, status: Status): void {
    const { id, place, callId } = (call.item ??= this.#beginCall(events, call));
    const { text } = call;
    const { name } = call.streamed;
    const said = { item_id: id, output_index: place, name, arguments: text };
    this.#tell(events, 'response.function_call_arguments.done', said);
    this.#endItem(events, place, callItem(id, status, { callId, name, text }));
  }

  #grow({ length }: string): void {
    this.#chars += length;
    if (this.#chars > limits.answerBytesMax) throw tooMuch();
  }
}

function summaryOf({ id, place }: OpenThought): Json {
  return { item_id: id, output_index: place, summary_index: 0 };
}

function placeOf({ id, place, parts }: OpenMessage): Json {
  return { item_id: id, output_index: place, content_index: parts.length };
}

function tooMuch(): UpstreamError {
  return new UpstreamError('upstream_malformed', 'The model’s answer is larger than the hub accepts.');
}
