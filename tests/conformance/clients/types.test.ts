/**
 * What the hub answers of its own making — the simulator's answers and the last resort — has the official SDK's types, plain and
 * streamed; but for one value on purpose: the last resort's `finish_reason` (of a response, `incomplete_details.reason`) is `error`, so that nobody takes it for a model's. The compiler holds these schemas against the SDK's types, the tests hold the hub's answers against the schemas.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type OpenAI from 'openai';
import { z } from 'zod';
import { sseEvents } from '../../helpers/http-calls.ts';
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

const outputText = z.object({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.never()),
  logprobs: z.array(z.never()),
});

const counts = z.object({
  input_tokens: z.int(),
  input_tokens_details: z.object({ cached_tokens: z.int(), cache_write_tokens: z.int() }),
  output_tokens: z.int(),
  output_tokens_details: z.object({ reasoning_tokens: z.int() }),
  total_tokens: z.int(),
});

/** But for `output_text`, which the SDK puts together itself. */
const response = z.object({
  id: z.string(),
  object: z.literal('response'),
  created_at: z.int(),
  completed_at: z.null(),
  status: z.enum(['completed', 'incomplete']),
  access_programs: z.null(),
  background: z.literal(false),
  error: z.null(),
  incomplete_details: z.object({ reason: z.enum(['max_output_tokens', 'content_filter']) }).nullable(),
  instructions: z.null(),
  max_output_tokens: z.null(),
  max_tool_calls: z.null(),
  metadata: z.record(z.string(), z.string()),
  model: z.string(),
  output: z.array(
    z.object({
      id: z.string(),
      type: z.literal('message'),
      role: z.literal('assistant'),
      status: z.enum(['completed', 'incomplete']),
      content: z.array(outputText),
    }),
  ),
  parallel_tool_calls: z.boolean(),
  previous_response_id: z.null(),
  prompt_cache_key: z.null(),
  reasoning: z.object({ effort: z.null(), summary: z.null() }),
  safety_identifier: z.null(),
  service_tier: z.null(),
  temperature: z.null(),
  text: z.object({ format: z.object({ type: z.literal('text') }) }),
  tool_choice: z.literal('auto'),
  tools: z.array(z.never()),
  top_logprobs: z.literal(0),
  top_p: z.null(),
  truncation: z.literal('disabled'),
  usage: counts,
}) satisfies z.ZodType<Omit<OpenAI.Responses.Response, 'output_text'>>;

function asIfStopped(answer: string): string {
  return answer
    .replace('"finish_reason":"error"', '"finish_reason":"stop"')
    .replace('"incomplete_details":{"reason":"error"}', '"incomplete_details":{"reason":"content_filter"}');
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
  const post = async (path: string, body: Record<string, unknown>): Promise<Response> => {
    const answer = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    assert.equal(answer.status, 200, path);
    return answer;
  };
  const ask = (name: string, fields: Record<string, unknown> = {}): Promise<Response> =>
    post('/v1/chat/completions', { model: name, messages: [{ role: 'user', content: 'Hello' }], ...fields });

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

  it('has the type of a response, plain and at the end of its stream', async () => {
    for (const name of ['chat', 'away']) {
      const asked = { model: name, input: 'Hello' };
      response.parse(JSON.parse(asIfStopped(await (await post('/v1/responses', asked)).text())));
      const events = sseEvents(await (await post('/v1/responses', { ...asked, stream: true })).text());
      const last = JSON.parse(asIfStopped(events.at(-1)?.data ?? ''));
      assert.equal(last.type, name === 'chat' ? 'response.completed' : 'response.incomplete');
      response.parse(last.response);
    }
  });

  it('has the type of a model', async () => {
    const list: unknown = await (await fetch(`${url}/v1/models`)).json();
    z.object({ object: z.literal('list'), data: z.array(model).min(1) }).parse(list);
    model.parse(await (await fetch(`${url}/v1/models/chat`)).json());
  });
});
