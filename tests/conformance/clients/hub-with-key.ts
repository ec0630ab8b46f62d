/** A started hub in front of a scripted upstream, with a key: what a client program is given. */
import assert from 'node:assert/strict';
import type { Cleanup } from '../../helpers/suite.ts';
import { startHubProcess } from '../../helpers/hub-process.ts';
import { chunk, event, startUpstream } from '../../helpers/upstream.ts';
import type { Behaviour, Exchange, Upstream } from '../../helpers/upstream.ts';

export interface HubWithKey {
  readonly baseURL: string;
  readonly apiKey: string;
  readonly upstream: Upstream;
}

export const MODEL = 'test/test-model';

/** `kind`: whose form the upstream speaks. */
export async function startHubWithKey(
  t: Cleanup,
  kind: 'openai-compatible' | 'anthropic' = 'openai-compatible',
): Promise<HubWithKey> {
  const upstream = await startUpstream(t);
  const providers = { test: { kind, baseUrl: upstream.baseUrl, apiKey: 'sk-of-the-hub' } };
  // One try a call: what a client does with an error is the client's to show.
  const resilience = { retry: { retries: 0 } };
  const { url } = await startHubProcess(t, { config: { providers, resilience } });
  const made = await fetch(`${url}/api/keys`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'client', scopes: ['chat', 'read'] }),
  });
  const { secret }: { secret: string } = JSON.parse(await made.text());
  assert.match(secret, /^rvk_/);
  return { baseURL: `${url}/v1`, apiKey: secret, upstream };
}

const CALL = { name: 'weather', arguments: '{"city":"Vienna"}' };
const SECOND_CALL = { name: 'weather', arguments: '{"city":"Graz"}' };

/** Two parallel tool calls; streamed, their arguments come in fragments. */
export const callsTools: Behaviour = (exchange) => {
  if (exchange.received.body['stream'] === true) return streamsToolCalls(exchange);
  const tool_calls = [CALL, SECOND_CALL].map((call, index) => ({
    id: `call_${index}`,
    type: 'function',
    function: call,
  }));
  const message = { role: 'assistant', content: null, tool_calls };
  answer(exchange, { message, finish_reason: 'tool_calls' });
};

function streamsToolCalls(exchange: Exchange): void {
  const { response } = exchange;
  const call = (index: number, fields: Record<string, unknown>): string =>
    chunk(exchange, { tool_calls: [{ index, ...fields }] });
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(chunk(exchange, { role: 'assistant', content: null }));
  response.write(call(0, { id: 'call_0', type: 'function', function: { name: 'weather', arguments: '' } }));
  response.write(call(0, { function: { arguments: '{"city":' } }));
  response.write(call(0, { function: { arguments: '"Vienna"}' } }));
  response.write(call(1, { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '' } }));
  response.write(call(1, { function: { arguments: '{"city":"Graz"}' } }));
  response.write(chunk(exchange, {}, 'tool_calls'));
  const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
  response.write(event({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [], usage }));
  response.end('data: [DONE]\n\n');
}

/** Answers with one choice, and with further fields of the body where given. */
export function answer(
  exchange: Exchange,
  choice: Record<string, unknown>,
  further: Record<string, unknown> = {},
): void {
  const body = {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: exchange.received.body['model'],
    choices: [{ index: 0, logprobs: null, ...choice }],
    usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
    ...further,
  };
  exchange.response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
