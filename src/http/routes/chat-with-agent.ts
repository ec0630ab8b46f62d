/** `POST /api/agents/{id}/chat`: one turn of an agent, as one answer or as its events, in a conversation or without one. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { CallerError, InvariantError } from '#core/errors';
import { limits } from '#core/limits';
import type { AgentCall, AgentEvent } from '#contract/agents';
import type { ChatMessage } from '#contract/chat';
import { sendStream } from '../chat.ts';
import type { Answer } from '../answer.ts';
import { json } from '../answer.ts';
import { limitsToldIn } from '../limit-headers.ts';
import type { Services } from '../operation.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { preferenceHeaders, preferencesOf } from '../preferences.ts';
import type { RequestContext } from '../request-context.ts';
import { waitedFor } from '../waiting.ts';
import { agentParams } from '../wire/agent.ts';
import { content } from '../wire/chat.ts';
import { nullable, strict } from '../wire/common.ts';

const CONVERSATION_ID = 'cnv_01k3v9zq6x8m2f4t7w1c5r9hjd';

const messageSchema = Type.Object({
  role: Type.Enum(['user', 'tool', 'assistant', 'system', 'developer']),
  content: Type.Optional(content),
  tool_call_id: Type.Optional(Type.String({ description: 'With the role `tool`: the call whose result this is.' })),
});

const body = Type.Object(
  {
    prompt: Type.Optional(Type.String({ minLength: 1, description: 'One question. Give this or `messages`.' })),
    messages: Type.Optional(
      Type.Array(messageSchema, {
        minItems: 1,
        maxItems: limits.messagesMax,
        description:
          'What is new, in OpenAI’s form: messages of the user, or the results of the calls that the last turn ended with. Without a conversation: all of it.',
      }),
    ),
    conversationId: Type.Optional(
      Type.String({
        pattern: '^(?:new|cnv_[0-9a-z]{26})$',
        patternMeaning: 'must be the id of a conversation, or `new`',
        description: 'A stored conversation that this turn is added to; `new` begins one. Left out, nothing is kept.',
        examples: [CONVERSATION_ID],
      }),
    ),
    tools: Type.Optional(
      Type.Array(Type.Record(Type.String(), Type.Unknown()), {
        maxItems: limits.toolsMax,
        description: 'Tools that the caller executes, in OpenAI’s form, besides those of the agent.',
      }),
    ),
    stream: Type.Optional(Type.Boolean({ description: 'true: server-sent events.' })),
  },
  strict,
);

const answerSchema = Type.Object({
  turnId: nullable(Type.String(), 'Null without a conversation.'),
  conversationId: nullable(Type.String(), 'Give it with the next turn. Null without a conversation.'),
  end: Type.Enum(['stop', 'length', 'content_filter', 'tool_calls', 'steps', 'deadline', 'cost', 'degraded'], {
    description:
      '`stop`: a whole answer. `tool_calls`: send the results of `toolCalls`. `steps`, `deadline`, `cost`: a limit of the agent’s. `degraded`: the configured last resort.',
  }),
  text: Type.String(),
  toolCalls: Type.Array(Type.Record(Type.String(), Type.Unknown()), { description: 'Those that the caller executes.' }),
  tools: Type.Array(
    Type.Object({
      id: Type.String(),
      name: Type.String(),
      outcome: Type.Enum(['succeeded', 'failed', 'timed_out', 'unknown_tool', 'bad_arguments', 'oversize']),
      tookMs: Type.Number(),
    }),
    { description: 'What the hub ran.' },
  ),
  runIds: Type.Array(Type.String(), { description: 'One a call of the model. GET /api/runs/{runId} explains it.' }),
  provider: nullable(Type.String(), 'Who answered last.'),
  model: nullable(Type.String(), 'The upstream’s own name of the model.'),
  promptTokens: nullable(Type.Integer(), 'Over all calls of the model; null where one did not say.'),
  completionTokens: nullable(Type.Integer(), 'As `promptTokens`.'),
  costMicroUsd: nullable(Type.Integer(), 'Millionths of a US dollar; null where a price is unknown.'),
  memory: Type.Enum(['none', 'used', 'unavailable'], {
    description: '`unavailable`: the agent answered without its memory.',
  }),
  simulated: Type.Boolean({ description: 'From the built-in simulator.' }),
});

const example: Static<typeof answerSchema> = {
  turnId: 'trn_01k3v9zq6x8m2f4t7w1c5r9hjd',
  conversationId: CONVERSATION_ID,
  end: 'stop',
  text: 'It is sunny in Berlin.',
  toolCalls: [],
  tools: [{ id: 'call_1', name: 'weather', outcome: 'succeeded', tookMs: 212.4 }],
  runIds: ['run_01k3v9zq6x8m2f4t7w1c5r9hjd', 'run_01k3v9zr0x8m2f4t7w1c5r9hjd'],
  provider: 'openai',
  model: 'gpt-4o-mini',
  promptTokens: 230,
  completionTokens: 31,
  costMicroUsd: 53,
  memory: 'used',
  simulated: false,
};

function messagesOf({ prompt, messages }: Static<typeof body>): readonly ChatMessage[] {
  if ((prompt === undefined) === (messages === undefined))
    throw new CallerError('invalid_body', 'Give either prompt or messages.', { param: 'prompt' });
  return messages ?? [{ role: 'user', content: prompt ?? '' }];
}

async function answerWhole(call: AgentCall, context: RequestContext, { agents, clock }: Services): Promise<Answer> {
  let started: Extract<AgentEvent, { type: 'start' }> | undefined;
  const turn = agents.turn(call);
  try {
    for (;;) {
      const next = await waitedFor(context, clock, turn.next());
      if (next.done === true) throw new InvariantError('a turn ended without its last event');
      const event = next.value;
      if (event.type === 'start') started = event;
      if (event.type === 'step') context.runId = event.runId;
      if (event.type !== 'end') continue;
      const { turnId = null, conversationId = null } = started ?? {};
      return json({ turnId, conversationId, ...event.result });
    }
  } finally {
    await turn.return();
  }
}

async function answerStream(call: AgentCall, context: RequestContext, services: Services): Promise<Answer> {
  const { agents, clock } = services;
  return sendStream(context, services, {}, async (sse) => {
    const turn = agents.turn(call);
    const held: AgentEvent[] = [];
    try {
      for (;;) {
        const next = await waitedFor(context, clock, turn.next());
        if (next.done === true) return;
        const event = next.value;
        if (event.type === 'step') context.runId = event.runId;
        held.push(event);
        // Until there is something to show, what goes wrong is a status.
        if (!sse.committed && (event.type === 'start' || event.type === 'step')) continue;
        sse.commit({});
        for (const ready of held.splice(0)) await sse.send(JSON.stringify(ready));
      }
    } finally {
      await turn.return();
    }
  });
}

export const chatWithAgent = defineOperation({
  id: 'chatWithAgent',
  method: 'POST',
  path: '/api/agents/{id}/chat',
  access: ['chat'],
  tag: 'Agents',
  summary: 'Talk to an agent',
  description:
    'One turn: the agent’s model is asked, the tools it calls are run, and it is asked again, within the agent’s limits. In a conversation the turn is ' +
    'stored before the answer ends; a turn that fails is marked broken and never told to a model again. With `stream: true`: a `start` event, then for each call ' +
    'of the model `step` and `delta` events, a `tool` event for each tool that ended, one `end` event with the `result`, then `[DONE]`; a `restart` event voids ' +
    'the text of its step; or an `error` event and no `[DONE]`.',
  params: agentParams,
  body,
  headers: preferenceHeaders,
  idempotent: true,
  bodyExample: { prompt: 'How is the weather in Berlin?', conversationId: 'new' },
  responses: {
    200: {
      description: 'The answer, or with `stream: true` its events.',
      schema: answerSchema,
      example,
      streams: true,
    },
  },
  async handle({ params, body: given, context }, services) {
    const call: AgentCall = {
      surface: context.surface,
      caller: callerOf(context),
      agentId: params.id,
      conversationId: given.conversationId ?? null,
      messages: messagesOf(given),
      tools: given.tools,
      preferences: preferencesOf(context.incoming.headers),
      signal: context.signal,
      receivedAt: context.receivedAt,
      traceparent: context.trace.traceparent,
      onLimits: limitsToldIn(context),
    };
    return given.stream === true ? answerStream(call, context, services) : answerWhole(call, context, services);
  },
});
