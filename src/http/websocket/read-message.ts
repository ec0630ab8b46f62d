/** A client's message from its bytes: parsed once, checked against the schema of its type. Errors name places, never content. */
import { CallerError } from '#core/errors';
import { parseJson } from '../body.ts';
import { compileCheck, Findings } from '../validation.ts';
import type { ClientMessage } from './messages.ts';
import { clientMessages } from './messages.ts';

export interface ReadMessage {
  /** The id it gives, where it is to begin a run: for the error that answers it. */
  readonly id: string | null;
  /** Throws `CallerError`. */
  check(): ClientMessage;
}

const TYPES = ['chat', 'agent', 'cancel', 'ping', 'auth'] as const;

/** Compiles the schemas; once a server. The result throws `invalid_body` for what is no JSON. */
export function createMessageReader(): (bytes: Buffer) => ReadMessage {
  const chat = compileCheck(clientMessages.chat, 'body');
  const openaiChat = compileCheck(clientMessages.openaiChat, 'body');
  const agent = compileCheck(clientMessages.agent, 'body');
  const cancel = compileCheck(clientMessages.cancel, 'body');
  const ping = compileCheck(clientMessages.ping, 'body');
  const auth = compileCheck(clientMessages.auth, 'body');

  function check(value: unknown): ClientMessage {
    const findings = new Findings();
    const type = field(value, 'type');
    if (type === 'chat') {
      if (field(value, 'form') === 'openai') {
        if (openaiChat(value, findings)) return value;
      } else if (chat(value, findings)) return value;
    } else if (type === 'agent') {
      if (agent(value, findings)) return value;
    } else if (type === 'cancel') {
      if (cancel(value, findings)) return value;
    } else if (type === 'ping') {
      if (ping(value, findings)) return value;
    } else if (type === 'auth') {
      if (auth(value, findings)) return value;
    } else {
      throw new CallerError('invalid_body', `The type of a message is one of ${TYPES.join(', ')}.`, { param: 'type' });
    }
    throw findings.toError();
  }

  return (bytes) => {
    const value = parseJson(bytes, 'The message');
    const type = field(value, 'type');
    const id = type === 'chat' || type === 'agent' ? field(value, 'id') : undefined;
    const usable = typeof id === 'string' && id.length >= 1 && id.length <= 64;
    return { id: usable ? id : null, check: () => check(value) };
  };
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
