/** Answers whose text is a list of parts, as Mistral's models give once they think: every surface gets a text, and the thinking beside it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ChatCall } from '#contract/gateway';
import { post } from '../helpers/http-calls.ts';
import { startHttpHub } from '../helpers/http-hub.ts';
import { answersBody, chunk, startUpstream } from '../helpers/upstream.ts';
import { startBench } from './harness.ts';

const thinking = (text: string) => ({ type: 'thinking', thinking: [{ type: 'text', text }] });
const text = (said: string) => ({ type: 'text', text: said });
const PARTS = [thinking('Let me '), thinking('see.'), text('All is '), text('well.')];
const SAID = ['Let me see.', 'All is well.'];

it('an answer in parts is a text for every surface, plain and streamed', async (t) => {
  const upstream = await startUpstream(t);
  upstream.otherwise = (exchange) => {
    if (exchange.received.body['stream'] !== true) {
      const message = { role: 'assistant', content: PARTS };
      const choices = [{ index: 0, message, finish_reason: 'stop' }];
      return answersBody({ id: 'c', object: 'chat.completion', created: 1, model: 'm', choices })(exchange);
    }
    const deltas = PARTS.map((part) => chunk(exchange, { content: [part] }));
    exchange.response
      .writeHead(200, { 'content-type': 'text/event-stream' })
      .end([...deltas, chunk(exchange, {}, 'stop'), 'data: [DONE]\n\n'].join(''));
  };
  const bench = startBench(t, { providers: { one: upstream.baseUrl } });
  const timed = (call: ChatCall): ChatCall => ({ ...call, receivedAt: bench.clock.now() });
  const hub = await startHttpHub(t, {
    keyless: true,
    complete: (call) => bench.gateway.complete(timed(call)),
    stream: (call) => bench.gateway.stream(timed(call)),
  });
  const messages = [{ role: 'user', content: 'Well?' }];
  const ask = async (path: string, body: object): Promise<string> => {
    const response = await post(hub, path, { model: 'm', ...body });
    assert.equal(response.status, 200);
    return response.text();
  };
  const { message } = JSON.parse(await ask('/v1/chat/completions', { messages })).choices[0];
  assert.deepEqual([message.reasoning_content, message.content], SAID);
  const { content } = JSON.parse(await ask('/v1/messages', { messages, max_tokens: 9 }));
  assert.deepEqual([content[0].thinking, content[1].text], SAID);
  const events = (await ask('/v1/chat/completions', { messages, stream: true })).match(/(?<=^data: )\{.*$/gm) ?? [];
  const deltas = events.map((event) => JSON.parse(event).choices[0].delta);
  const joined = (name: string): string => deltas.map((delta) => delta[name] ?? '').join('');
  assert.deepEqual([joined('reasoning_content'), joined('content')], SAID);
});
