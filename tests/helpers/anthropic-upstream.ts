/**
 * A real upstream on port 0 that speaks Anthropic's Messages API and fails by script (`upstream.ts` holds the server and the scripting).
 * It is as strict as Anthropic about what every request must have: the address, the key, the version, the bound of the answer.
 */
import type { Cleanup } from './suite.ts';
import { flushed, json, startUpstream } from './upstream.ts';
import type { Behaviour, Exchange, Upstream } from './upstream.ts';

export const ANTHROPIC_KEY = 'sk-of-the-hub';

export async function startAnthropic(t: Cleanup): Promise<Upstream> {
  const upstream = await startUpstream(t, (ids) => ({
    data: ids.map((id) => ({ type: 'model', id, display_name: id, created_at: '2026-01-01T00:00:00Z' })),
    has_more: false,
    first_id: ids[0],
    last_id: ids.at(-1),
  }));
  upstream.otherwise = says('All is well.');
  return upstream;
}

/** An answer of this text, or its events where the request asks for them. */
export function says(text: string): Behaviour {
  return (exchange) => {
    if (exchange.received.body['stream'] === true) return saysEvents(text.match(/\s*\S+/g) ?? [])(exchange);
    return answersMessage([{ type: 'text', text }])(exchange);
  };
}

export function answersMessage(content: readonly unknown[], more: Record<string, unknown> = {}): Behaviour {
  return strict((exchange) => {
    json(exchange.response, 200, { ...frame(exchange), content, stop_reason: 'end_turn', usage: USAGE, ...more });
  });
}

/** `{type: 'error', error: {type, message}}` under a status. */
export function refusesMessage(status: number, type: string, message: string): Behaviour {
  return ({ response }) => json(response, status, { type: 'error', error: { type, message }, request_id: 'req_test' });
}

interface WireEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

export type Ending = 'whole' | 'cut' | 'no-stop' | 'overloaded';

/** The events of a text: `no-stop` ends without a reason to have ended, `overloaded` with an error event. */
export function saysEvents(words: readonly string[], ending: Ending = 'whole'): Behaviour {
  const block = { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } };
  const deltas = words.map((text) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }));
  return sendsEvents([block, { type: 'ping' }, ...deltas, { type: 'content_block_stop', index: 0 }], ending);
}

/** These events between the beginning of a message and its end. */
export function sendsEvents(events: readonly WireEvent[], ending: Ending = 'whole'): Behaviour {
  return strict(async (exchange) => {
    const { response } = exchange;
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    const message = { ...frame(exchange), content: [], stop_reason: null, usage: { ...USAGE, output_tokens: 1 } };
    await flushed(response, event({ type: 'message_start', message }));
    for (const each of events) await flushed(response, event(each));
    if (ending === 'cut') {
      exchange.cut();
      return;
    }
    if (ending === 'overloaded')
      await flushed(response, event({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }));
    if (ending === 'whole') {
      const delta = { stop_reason: 'end_turn', stop_sequence: null };
      await flushed(response, event({ type: 'message_delta', delta, usage: { output_tokens: USAGE.output_tokens } }));
      await flushed(response, event({ type: 'message_stop' }));
    }
    response.end();
  });
}

const USAGE = { input_tokens: 4, cache_creation_input_tokens: 1, cache_read_input_tokens: 2, output_tokens: 3 };

function strict(behaviour: Behaviour): Behaviour {
  return (exchange) => {
    const { path, headers, body } = exchange.received;
    if (headers['x-api-key'] !== ANTHROPIC_KEY)
      return refusesMessage(401, 'authentication_error', 'invalid x-api-key')(exchange);
    if (path !== '/v1/messages') return refusesMessage(404, 'not_found_error', path)(exchange);
    if (headers['anthropic-version'] === undefined)
      return refusesMessage(400, 'invalid_request_error', 'anthropic-version: header is required')(exchange);
    if (!Number.isInteger(body['max_tokens']))
      return refusesMessage(400, 'invalid_request_error', 'max_tokens: Field required')(exchange);
    return behaviour(exchange);
  };
}

function frame({ received }: Exchange): Record<string, unknown> {
  return { id: 'msg_test', type: 'message', role: 'assistant', model: received.body['model'], stop_sequence: null };
}

function event(value: WireEvent): string {
  return `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;
}
