/**
 * What the hub answers of its own making — the simulator's answers and the last resort — has the official SDK's types, plain and
 * streamed; but for one value on purpose: the last resort's `finish_reason` is `error`, so that nobody takes it for a model's. The compiler holds these schemas against the SDK's types, the tests hold the hub's answers against the schemas.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type OpenAI from 'openai';
import { z } from 'zod';
import { startHubProcess } from '../../helpers/hub-process.ts';
import { forTheSuite } from '../../helpers/suite.ts';

const finishReason = z.enum(['stop', 'length', 'tool_calls', 'content_filter', 'function_call']);
const usage = z.object({ prompt_tokens: z.int(), completion_tokens: z.int(), total_tokens: z.int() });

const completion = z.object({
  id: z.string(),
  object: z.literal('chat.completion'),
  created: z.int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.int(),
      finish_reason: finishReason,
      logprobs: z.null(),
      message: z.object({ role: z.literal('assistant'), content: z.string(), refusal: z.null() }),
    }),
  ),
  usage,
}) satisfies z.ZodType<OpenAI.ChatCompletion>;

const chunk = z.object({
  id: z.string(),
  object: z.literal('chat.completion.chunk'),
  created: z.int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.int(),
      finish_reason: finishReason.nullable(),
      delta: z.strictObject({ role: z.literal('assistant').exactOptional(), content: z.string().exactOptional() }),
    }),
  ),
  usage: usage.nullable().exactOptional(),
}) satisfies z.ZodType<OpenAI.ChatCompletionChunk>;

const model = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
}) satisfies z.ZodType<OpenAI.Model>;

function asIfStopped(answer: string): string {
  return answer.replace('"finish_reason":"error"', '"finish_reason":"stop"');
}

describe('what the hub says itself', () => {
  const suite = forTheSuite();
  let url: string;
  before(async () => {
    const providers = {
      simulator: { kind: 'simulator', firstTokenMs: { p50: 0, p95: 0 }, tokensPerSecond: 0 },
      gone: { kind: 'openai-compatible', baseUrl: 'http://127.0.0.1:9/v1' },
    };
    const groups = [[{ provider: 'gone', model: 'm' }]];
    const routes = {
      chat: { groups: [[{ provider: 'simulator', model: 'chat' }]] },
      away: { groups, lastResort: { text: 'Please ask again.' } },
    };
    const resilience = { retry: { retries: 0 } };
    ({ url } = await startHubProcess(suite, { config: { providers, routes, resilience } }));
  });
  const post = (name: string, fields: Record<string, unknown> = {}): Promise<Response> =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: name, messages: [{ role: 'user', content: 'Hello' }], ...fields }),
    });
  const ask = async (name: string, fields: Record<string, unknown> = {}): Promise<Response> => {
    const response = await post(name, fields);
    assert.equal(response.status, 200, name);
    return response;
  };

  it('has the type of a completion', async () => {
    completion.parse(await (await ask('chat')).json());
    completion.parse(JSON.parse(asIfStopped(await (await ask('away')).text())));
  });

  it('has the type of a chunk, with usage where it is asked for', async () => {
    for (const name of ['chat', 'away']) {
      const text = await (await ask(name, { stream: true, stream_options: { include_usage: true } })).text();
      const events = text.split('\n\n').filter((event) => event.startsWith('data: {'));
      assert.ok(events.length >= 2);
      const chunks = events.map((event) => chunk.parse(JSON.parse(asIfStopped(event.slice('data: '.length)))));
      assert.equal(chunks.at(-1)?.choices.length, 0);
      assert.ok(chunks.at(-1)?.usage);
      assert.match(text, /data: \[DONE\]\n\n$/);
    }
  });

  it('has the type of a model', async () => {
    const list: unknown = await (await fetch(`${url}/v1/models`)).json();
    z.object({ object: z.literal('list'), data: z.array(model).min(1) }).parse(list);
    model.parse(await (await fetch(`${url}/v1/models/chat`)).json());
  });
});
