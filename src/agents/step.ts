/**
 * One call of the model: its text passed on as it comes, and its message put together as it is to be told to a model again. What a vendor
 * adds to a message (a signed thought, a seal on a call) is kept, because some refuse the answer of a tool without it.
 */
import { UpstreamError } from '#core/errors';
import { limits } from '#core/limits';
import type { ChatMessage } from '#contract/chat';
import type { ChatCall, Gateway, RunSpent, RunSummary } from '#contract/gateway';
import { continuedBy, StreamedCall } from '#contract/streamed-call';
import { isRecord } from './arguments.ts';
import type { ToolCall } from './tools.ts';

export type StepEvent =
  /** The model has begun to answer. */
  | { readonly type: 'answering'; readonly summary: RunSummary }
  | { readonly type: 'delta'; readonly text: string }
  | { readonly type: 'restart' };

/** The last one: the answer is whole. */
interface Answered {
  readonly type: 'answered';
  readonly step: StepEnd;
}

export interface StepEnd {
  readonly text: string;
  /** As the model said it, calls and all. */
  readonly message: ChatMessage;
  readonly calls: readonly ToolCall[];
  readonly finish: string | null;
  readonly summary: RunSummary;
  readonly spent: RunSpent;
}

/** Throws as the gateway does. Leaving it ends the call. */
export async function* runStep(gateway: Gateway, call: ChatCall): AsyncGenerator<StepEvent | Answered, void> {
  const stream = await gateway.stream(call);
  const { summary, events } = stream;
  try {
    yield { type: 'answering', summary };
    let said = new Said(call.runId);
    for await (const data of events) {
      const chunk: unknown = JSON.parse(data);
      if (!isRecord(chunk)) continue;
      const note = chunk['revoagent'];
      if (isRecord(note) && note['event'] === 'restart') {
        said = new Said(call.runId);
        yield { type: 'restart' };
      }
      const choice: unknown = Array.isArray(chunk['choices']) ? chunk['choices'][0] : undefined;
      if (!isRecord(choice)) continue;
      const text = said.take(choice);
      if (text !== '') yield { type: 'delta', text };
    }
    const calls = said.calls();
    const { text, finish } = said;
    const step = { text, message: said.message(), calls, finish, summary, spent: stream.spent() };
    yield { type: 'answered', step };
  } finally {
    await events.return?.();
  }
}

interface SaidCall {
  readonly call: Record<string, unknown>;
  readonly streamed: StreamedCall;
}

/** One answer of the model, as far as it has come. */
class Said {
  text = '';
  finish: string | null = null;
  readonly #calls: SaidCall[] = [];
  readonly #extras: Record<string, unknown> = {};
  readonly #runId: string;
  #chars = 0;

  constructor(runId: string) {
    this.#runId = runId;
  }

  /** Returns the text that is new. Throws `UpstreamError` where the answer grows without bound. */
  take({ delta, finish_reason: finish }: Record<string, unknown>): string {
    if (typeof finish === 'string' && finish !== '') this.finish = finish;
    if (!isRecord(delta)) return '';
    let text = '';
    for (const [name, value] of Object.entries(delta)) {
      if (name === 'content' || name === 'refusal') text += typeof value === 'string' ? value : '';
      else if (name === 'tool_calls') this.#takeCalls(value);
      // Thinking in the open is the model's own, and no other takes it for its own.
      else if (name !== 'role' && name !== 'reasoning_content' && name !== 'reasoning') this.#takeExtra(name, value);
    }
    this.text += text;
    this.#grow(text.length);
    return text;
  }

  /** Each with an id of its own: some upstreams give none, or one to all. */
  calls(): ToolCall[] {
    const seen = new Set<string>();
    return this.#calls.map(({ call }, place) => {
      const made = isRecord(call['function']) ? call['function'] : {};
      const given = textOf(call['id']);
      const id = given === '' || seen.has(given) ? `call_${this.#runId}_${place}` : given;
      seen.add(id);
      call['id'] = id;
      return { id, name: textOf(made['name']), arguments: textOf(made['arguments']) };
    });
  }

  message(): ChatMessage {
    const calls = this.#calls.map(({ call }) => call);
    return {
      role: 'assistant',
      content: this.text === '' && calls.length > 0 ? null : this.text,
      ...this.#extras,
      ...(calls.length === 0 ? {} : { tool_calls: calls }),
    };
  }

  /** A call comes in pieces: its name and its arguments grow, everything else is said once. */
  #takeCalls(value: unknown): void {
    if (!Array.isArray(value)) return;
    for (const piece of value as unknown[]) {
      if (!isRecord(piece)) continue;
      const { index: _, function: made, ...rest } = piece;
      const { call, streamed } = this.#callOf(piece);
      for (const [name, part] of Object.entries(rest)) if (part !== null && part !== '') call[name] = part;
      if (!isRecord(made) || !isRecord(call['function'])) continue;
      call['function']['name'] = streamed.name;
      const { arguments: json } = made;
      if (typeof json !== 'string') continue;
      call['function']['arguments'] = textOf(call['function']['arguments']) + json;
      this.#grow(json.length);
    }
  }

  #callOf(piece: Record<string, unknown>): SaidCall {
    let begun = continuedBy(piece, this.#calls);
    if (begun === undefined) {
      if (this.#calls.length >= limits.toolsMax) throw tooMuch();
      begun = { call: { type: 'function', function: { name: '', arguments: '' } }, streamed: new StreamedCall() };
      this.#calls.push(begun);
    }
    begun.streamed.take(piece);
    return begun;
  }

  #takeExtra(name: string, value: unknown): void {
    if (value === null || value === undefined || value === '') return;
    const had = this.#extras[name];
    this.#extras[name] = joined(had, value);
    this.#grow(JSON.stringify(value).length);
  }

  #grow(chars: number): void {
    this.#chars += chars;
    if (this.#chars > limits.agentTextCharsMax) throw tooMuch();
  }
}

/** Lists grow, also those in a provider's own object; everything else is said once. */
function joined(had: unknown, more: unknown): unknown {
  if (Array.isArray(had) && Array.isArray(more)) return [...(had as unknown[]), ...(more as unknown[])];
  if (!isRecord(had) || !isRecord(more)) return more;
  return {
    ...had,
    ...Object.fromEntries(Object.entries(more).map(([name, value]) => [name, joined(had[name], value)])),
  };
}

function tooMuch(): UpstreamError {
  return new UpstreamError('upstream_malformed', 'The model’s answer is larger than the hub accepts for an agent.');
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
