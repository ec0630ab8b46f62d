/**
 * What goes over `/ws/chat`, both ways, as schemas: they check what clients send, and `schema/asyncapi.json` is made of them. JSON
 * text, one message a frame. Each run that a client begins ends in exactly one `end` or `error` with its id, or with the socket.
 */
import type { Static } from 'typebox';
import { Type } from 'typebox';
import { ERROR_CODES } from '#core/errors';
import { limits } from '#core/limits';
import { hubChatSchema } from '../routes/chat.ts';
import { chatRequestSchema } from '../wire/chat.ts';
import { nullable, strict } from '../wire/common.ts';
import { standingSchema } from '../wire/limit.ts';

const id = Type.String({
  minLength: 1,
  maxLength: 64,
  description: 'Chosen by the client; unique among the runs under way on this socket.',
});
const names = Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: 20 });
/** A hundred days: nothing is kept for longer. */
const CACHE_AGE_MS_MAX = 8_640_000_000;
const timeout = Type.Optional(Type.Integer({ minimum: 1, maximum: limits.callerTimeoutMsMax }));

const preferences = Type.Object(
  {
    order: Type.Optional(names),
    only: Type.Optional(names),
    fallback: Type.Optional(Type.Boolean()),
    continueCut: Type.Optional(Type.Boolean()),
    timeouts: Type.Optional(
      Type.Object({ connectMs: timeout, firstTokenMs: timeout, idleMs: timeout, totalMs: timeout }, strict),
    ),
    cache: Type.Optional(
      Type.Object(
        {
          use: Type.Optional(Type.Boolean({ description: 'As `x-revoagent-cache`.' })),
          anew: Type.Optional(Type.Boolean({ description: 'As `Cache-Control: no-cache`.' })),
          ageMsMax: Type.Optional(
            Type.Integer({
              minimum: 0,
              maximum: CACHE_AGE_MS_MAX,
              description: 'As `Cache-Control: max-age`, in milliseconds.',
            }),
          ),
          onlyKept: Type.Optional(Type.Boolean({ description: 'As `Cache-Control: only-if-cached`.' })),
        },
        strict,
      ),
    ),
  },
  { ...strict, description: 'What the headers `x-revoagent-…` are to a request.' },
);

export const clientMessages = {
  chat: Type.Object(
    {
      type: Type.Literal('chat'),
      id,
      request: hubChatSchema,
      form: Type.Optional(Type.Literal('hub')),
      preferences: Type.Optional(preferences),
    },
    { ...strict, description: 'Begins a run; `request` is that of `POST /api/chat`. The answer is always a stream.' },
  ),
  openaiChat: Type.Object(
    {
      type: Type.Literal('chat'),
      id,
      request: chatRequestSchema,
      form: Type.Literal('openai'),
      preferences: Type.Optional(preferences),
    },
    {
      ...strict,
      description:
        'Begins a run; `request` is that of `POST /v1/chat/completions`, and each `delta` carries a `chunk`.',
    },
  ),
  agent: Type.Object(
    {
      type: Type.Literal('agent'),
      id,
      agentId: Type.String({ minLength: 1, maxLength: 64 }),
      conversationId: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
      messages: chatRequestSchema.properties.messages,
      preferences: Type.Optional(preferences),
    },
    { ...strict, description: 'Begins one turn of an agent.' },
  ),
  cancel: Type.Object(
    { type: Type.Literal('cancel'), id },
    {
      ...strict,
      description: 'Ends a run, which answers with an `error` `cancelled`. An id that does not run is ignored.',
    },
  ),
  ping: Type.Object(
    { type: Type.Literal('ping') },
    { ...strict, description: 'For clients that cannot send pings of the protocol, as browsers.' },
  ),
  auth: Type.Object(
    { type: Type.Literal('auth'), token: Type.String({ minLength: 1, maxLength: 512 }) },
    { ...strict, description: 'An API key; the first message where the handshake had none.' },
  ),
};

export type ClientMessage =
  | Static<typeof clientMessages.chat>
  | Static<typeof clientMessages.openaiChat>
  | Static<typeof clientMessages.agent>
  | Static<typeof clientMessages.cancel>
  | Static<typeof clientMessages.ping>
  | Static<typeof clientMessages.auth>;
export type RunMessage = Extract<ClientMessage, { type: 'chat' | 'agent' }>;

const whole = Type.Integer({ minimum: 0 });
const text = Type.String();

const usage = Type.Object({ promptTokens: whole, completionTokens: whole, totalTokens: whole }, strict);

const toolUse = Type.Object({
  id: text,
  name: text,
  outcome: Type.Enum(['succeeded', 'failed', 'timed_out', 'unknown_tool', 'bad_arguments', 'oversize']),
  tookMs: Type.Number({ minimum: 0 }),
});
const memory = Type.Enum(['none', 'used', 'unavailable']);

export const serverMessages = {
  hello: Type.Object(
    {
      type: Type.Literal('hello'),
      socketId: Type.String({ description: 'Names this socket in the log.' }),
      authenticated: Type.Boolean({ description: 'False: send `auth` first.' }),
      draining: Type.Boolean(),
      limits: Type.Object(
        {
          runsMax: whole,
          messageBytesMax: whole,
          queueBytesMax: whole,
          authenticateMs: whole,
          pingMs: whole,
          idleMs: whole,
          stalledMs: whole,
        },
        strict,
      ),
    },
    { ...strict, description: 'The first message; sent again, with `authenticated` true, when `auth` was accepted.' },
  ),
  start: Type.Object(
    {
      type: Type.Literal('start'),
      id,
      runId: text,
      provider: nullable(text, 'Who answers.'),
      model: nullable(text, 'The upstream’s own name of the model.'),
      degraded: Type.Boolean(),
      simulated: Type.Boolean(),
      cache: Type.Optional(
        Type.Object(
          {
            status: Type.Enum(['hit', 'miss', 'shared', 'stale']),
            key: text,
            ageMs: Type.Number(),
            ttlMs: Type.Number(),
          },
          { ...strict, description: 'As the headers of an answer have it: docs/caching.md.' },
        ),
      ),
    },
    { ...strict, description: 'A provider answers; before this, failover is invisible.' },
  ),
  turnStart: Type.Object(
    {
      type: Type.Literal('start'),
      id,
      turnId: nullable(text, 'Null where nothing is stored.'),
      conversationId: nullable(text, 'Null where nothing is stored.'),
      memory,
    },
    { ...strict, description: 'An agent’s turn begins.' },
  ),
  step: Type.Object(
    { type: Type.Literal('step'), id, number: Type.Integer({ minimum: 1 }), runId: text },
    { ...strict, description: 'An agent asks the model.' },
  ),
  delta: Type.Object(
    { type: Type.Literal('delta'), id, text },
    { ...strict, description: 'The next part of the text.' },
  ),
  chunk: Type.Object(
    { type: Type.Literal('delta'), id, chunk: Type.Record(Type.String(), Type.Unknown()) },
    { ...strict, description: 'One chunk of OpenAI’s stream, for `form: "openai"`.' },
  ),
  restart: Type.Object(
    { type: Type.Literal('restart'), id },
    { ...strict, description: 'The text so far is void: another deployment begins anew.' },
  ),
  tool: Type.Object({ type: Type.Literal('tool'), id, use: toolUse }, { ...strict, description: 'A tool was run.' }),
  end: Type.Object(
    {
      type: Type.Literal('end'),
      id,
      finishReason: nullable(text, '`stop`, `length`, …; `error` for a degraded answer.'),
      usage: nullable(usage, 'Null where the provider did not say.'),
    },
    { ...strict, description: 'The answer is whole.' },
  ),
  turnEnd: Type.Object(
    {
      type: Type.Literal('end'),
      id,
      turn: Type.Object(
        {
          end: Type.Enum(['stop', 'length', 'content_filter', 'tool_calls', 'steps', 'deadline', 'cost', 'degraded']),
          text,
          toolCalls: Type.Array(Type.Record(Type.String(), Type.Unknown())),
          tools: Type.Array(toolUse),
          runIds: Type.Array(text),
          memory,
        },
        { description: 'What the turn came to, with its provider, tokens and cost.' },
      ),
    },
    { ...strict, description: 'The turn is whole and, in a conversation, kept.' },
  ),
  error: Type.Object(
    {
      type: Type.Literal('error'),
      id: nullable(id, 'The run that ended so; null where a message began none.'),
      error: Type.Object(
        {
          code: Type.Enum([...ERROR_CODES], { description: 'docs/errors.md explains each.' }),
          detail: text,
          retryable: Type.Boolean(),
          status: Type.Integer(),
          title: text,
          type: text,
          requestId: text,
          runId: Type.Optional(text),
          retryAfterMs: Type.Optional(whole),
          param: Type.Optional(text),
          errors: Type.Optional(Type.Array(Type.Unknown())),
          upstream: Type.Optional(Type.Unknown()),
          limit: Type.Optional(standingSchema),
        },
        strict,
      ),
    },
    { ...strict, description: 'The only other end of a run than `end`; never after it.' },
  ),
  pong: Type.Object({ type: Type.Literal('pong') }, strict),
  draining: Type.Object(
    {
      type: Type.Literal('draining'),
      reconnectAfterMs: whole,
      runs: Type.Array(id, { description: 'Still under way: they may end in the time that is left.' }),
    },
    {
      ...strict,
      description: 'This instance ends: no new runs. Close code 1012 follows when the runs under way have ended.',
    },
  ),
};

export type HelloMessage = Static<typeof serverMessages.hello>;
