/**
 * What OpenAI's client demands of a stream and some servers leave out, put in where it lacks: the role in the first chunk of a choice, and the
 * number and the type of a tool call. Some give all calls the number 0, so that clients would put them together into one. One mender a
 * stream; an event that lacks nothing is the same event.
 */
import { limits } from '#core/limits';
import type { ChatChunkChoice } from '#contract/chat';
import type { ProviderEvent } from '#contract/provider';
import { continuedBy, StreamedCall } from '#contract/streamed-call';
import { isRecord } from '#dialects/json';
import type { Json } from '#dialects/json';

/** The most that OpenAI gives: https://platform.openai.com/docs/api-reference/chat/create#chat-create-n. */
const CHOICES_MAX = 128;

interface Call {
  readonly streamed: StreamedCall;
}

export class StreamMender {
  readonly #callsOf = new Map<number, Call[]>();

  mend(event: ProviderEvent): ProviderEvent {
    const { choices } = event.chunk;
    let mended: ChatChunkChoice[] | undefined;
    for (const choice of choices) {
      const delta = this.#mendDelta(choice);
      if (delta === choice.delta) continue;
      mended ??= [...choices];
      mended[choices.indexOf(choice)] = { ...choice, delta };
    }
    if (mended === undefined) return event;
    const chunk = { ...event.chunk, choices: mended };
    return { ...event, chunk, data: JSON.stringify(chunk) };
  }

  #mendDelta({ index, delta }: ChatChunkChoice): ChatChunkChoice['delta'] {
    let calls = this.#callsOf.get(index);
    let told = delta;
    if (calls === undefined) {
      if (this.#callsOf.size >= CHOICES_MAX) return delta;
      this.#callsOf.set(index, (calls = []));
      if (typeof delta.role !== 'string') told = { ...delta, role: 'assistant' };
    }
    const pieces = delta['tool_calls'];
    if (!Array.isArray(pieces)) return told;
    const mended: unknown[] = [];
    for (const piece of pieces) mended.push(isRecord(piece) ? mendPiece(piece, calls) : piece);
    return mended.every((piece, at) => piece === pieces[at]) ? told : { ...told, tool_calls: mended };
  }
}

function mendPiece(piece: Json, calls: Call[]): Json {
  let call = continuedBy(piece, calls);
  const begins = call === undefined;
  if (call === undefined) {
    if (calls.length >= limits.toolsMax) return piece;
    calls.push((call = { streamed: new StreamedCall() }));
  }
  call.streamed.take(piece);
  const index = calls.indexOf(call);
  const lacksType = begins && typeof piece['type'] !== 'string' && isRecord(piece['function']);
  if (piece['index'] === index && !lacksType) return piece;
  return { ...piece, index, ...(lacksType && { type: 'function' }) };
}
