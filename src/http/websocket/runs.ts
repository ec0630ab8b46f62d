/**
 * One run of a socket, from its checked message to the one `end` or `error` that closes it. A chat goes over the gateway's port, an
 * agent's turn over that of the agents; what either says is worded as `messages.ts` has it.
 */
import type { CancelSignal } from '#core/cancel';
import { InvariantError } from '#core/errors';
import { newId } from '#core/ids';
import type { Agents } from '#contract/agents';
import type { ChatRequest } from '#contract/chat';
import type { CallPreferences, Caller, ChatCall, Gateway } from '#contract/gateway';
import type { Clock } from '#core/clock';
import { defaultModel, hubStream, toChatRequest } from '../routes/chat.ts';
import type { RunMessage } from './messages.ts';

export interface RunPorts {
  readonly gateway: Gateway;
  readonly agents: Agents;
  readonly clock: Clock;
}

interface RunParts {
  readonly caller: Caller;
  readonly signal: CancelSignal;
  readonly traceparent: string;
  /** The gateway's id of a chat; told before it begins, so that its errors name it. */
  readonly began: (runId: string) => void;
}

/** JSON texts of server messages; what it returns is the `end`. Throws what ended the run otherwise; the signal cancels. */
export function runOf(message: RunMessage, ports: RunPorts, parts: RunParts): AsyncGenerator<string, string> {
  return message.type === 'chat' ? chatRun(message, ports, parts) : agentRun(message, ports, parts);
}

type Chat = Extract<RunMessage, { type: 'chat' }>;
type Turn = Extract<RunMessage, { type: 'agent' }>;

async function* chatRun(message: Chat, ports: RunPorts, parts: RunParts): AsyncGenerator<string, string> {
  const { id } = message;
  const runId = newId('run', ports.clock.wallMs());
  const receivedAt = ports.clock.now();
  const request = await requestOf(message, ports, parts);
  parts.began(runId);
  const { summary, events } = await ports.gateway.stream({ ...shared(message, parts, receivedAt), runId, request });
  const whole = message.form === 'openai';
  const form = hubStream(summary);
  try {
    for (const text of form.opening) yield withId(id, text);
    for (let next = await events.next(); next.done !== true; next = await events.next()) {
      if (whole) yield `{"type":"delta","id":${JSON.stringify(id)},"chunk":${next.value}}`;
      // For OpenAI's form it is read all the same: for the end, and for the note that the text so far is void.
      for (const text of form.translate(next.value)) if (!whole || isRestart(text)) yield withId(id, text);
    }
    return form
      .closing()
      .map((text) => withId(id, text))
      .join('');
  } finally {
    await events.return?.();
  }
}

async function requestOf(
  { request, form }: Chat,
  { gateway }: RunPorts,
  { caller, signal }: RunParts,
): Promise<ChatRequest> {
  if (form !== 'openai') {
    return toChatRequest(
      { ...request, stream: true },
      request.model ?? (await defaultModel({ gateway }, caller, signal)),
    );
  }
  return { ...request, stream: true, stream_options: { ...request.stream_options, include_usage: true } };
}

async function* agentRun(message: Turn, { agents, clock }: RunPorts, parts: RunParts): AsyncGenerator<string, string> {
  const { id, agentId, conversationId = null, messages } = message;
  const call = { ...shared(message, parts, clock.now()), agentId, conversationId, messages };
  for await (const event of agents.turn(call)) {
    if (event.type === 'end') return JSON.stringify({ id, type: 'end', turn: event.result });
    yield JSON.stringify({ id, ...event });
  }
  throw new InvariantError('a turn ended without its last event');
}

function shared(
  { preferences }: RunMessage,
  { caller, signal, traceparent }: RunParts,
  receivedAt: number,
): Omit<ChatCall, 'runId' | 'request'> {
  const wishes: CallPreferences | undefined = preferences;
  return { surface: 'hub', caller, preferences: wishes, signal, receivedAt, traceparent };
}

/** The id put into an object's JSON text. */
function withId(id: string, text: string): string {
  return `{"id":${JSON.stringify(id)},${text.slice(1)}`;
}

function isRestart(text: string): boolean {
  return text === '{"type":"restart"}';
}
