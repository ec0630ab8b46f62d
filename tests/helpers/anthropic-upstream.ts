/** How an Anthropic-shaped upstream words what a test lets happen: answers, streams event by event, errors. Served by `startUpstream`. */
import type { Behaviour, Exchange } from './upstream.ts';
import { answersBody } from './upstream.ts';

const USAGE = { input_tokens: 7, output_tokens: 3 };

/** A message, or its stream where the request asks for one. */
export function answersMessage(text = 'All is well.'): Behaviour {
  return (exchange) =>
    exchange.received.body['stream'] === true
      ? streamsMessage(text.match(/\s*\S+/g) ?? [])(exchange)
      : answersBody(message([{ type: 'text', text }], 'end_turn'))(exchange);
}

export function message(content: readonly unknown[], stop: string): Record<string, unknown> {
  return {
    id: 'msg_test',
    type: 'message',
    role: 'assistant',
    model: 'test-model',
    content,
    stop_reason: stop,
    stop_sequence: null,
    usage: USAGE,
  };
}

export interface MessageStream {
  readonly ending?: 'whole' | 'no-stop' | 'unfinished' | 'cut' | 'stall';
  /** Sent raw in place of the word at this position. */
  readonly raw?: Readonly<Record<number, string>>;
}

export function streamsMessage(
  words: readonly string[],
  { ending = 'whole', raw = {} }: MessageStream = {},
): Behaviour {
  return async (exchange) => {
    const { response } = exchange;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const start = { ...message([], ''), stop_reason: null, usage: { input_tokens: 7, output_tokens: 1 } };
    await send(exchange, event({ type: 'message_start', message: start }));
    await send(exchange, event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }));
    await send(exchange, event({ type: 'ping' }));
    for (const [at, text] of words.entries()) {
      const delta = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } };
      await send(exchange, raw[at] ?? event(delta));
    }
    if (ending === 'stall') return;
    if (ending === 'cut') {
      exchange.cut();
      return;
    }
    await send(exchange, event({ type: 'content_block_stop', index: 0 }));
    if (ending !== 'unfinished') {
      const delta = { stop_reason: 'end_turn', stop_sequence: null };
      await send(exchange, event({ type: 'message_delta', delta, usage: { output_tokens: 3 } }));
      if (ending === 'whole') await send(exchange, event({ type: 'message_stop' }));
    }
    response.end();
  };
}

export function refusesMessage(
  status: number,
  type: string,
  text: string,
  headers: Record<string, string> = {},
): Behaviour {
  return (exchange) => {
    exchange.response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(JSON.stringify({ type: 'error', error: { type, message: text }, request_id: 'req_test' }));
  };
}

/** One event as it goes over the wire. */
export function event(value: { readonly type: string; readonly [field: string]: unknown }): string {
  return `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;
}

function send({ response }: Exchange, text: string): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed) resolve();
    else response.write(text, () => resolve());
  });
}
