/** An agent as `/api/agents` takes and shows it. What is left out of a body has the default that its description names. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { limits } from '#core/limits';
import type { AgentRecord, AgentSettings } from '#contract/agents';
import { modelName } from './chat.ts';
import { isoTime, nullable, storable, strict, timestamp } from './common.ts';

const TOOLS_MAX = 64;
const INSTRUCTIONS_CHARS_MAX = 100_000;
const DESCRIPTION_CHARS_MAX = 1_000;
const RECALL_MAX = 50;
const DEFAULTS = {
  memory: { scope: 'none', recall: 8 },
  history: { policy: 'trim', tokensMax: 16_000 },
  limits: { steps: 8, deadlineMs: 120_000, costMicroUsd: null },
} as const;

const agentName = Type.String({
  pattern: '^[a-z0-9-]{1,63}$',
  patternMeaning: 'must be 1 to 63 small letters, digits and hyphens',
  description: 'Unique in its project: `agent:<name>` is the name of a model.',
  examples: ['support'],
});

const functionOf = {
  name: Type.String({
    pattern: '^[A-Za-z0-9_-]{1,64}$',
    patternMeaning: 'must be 1 to 64 letters, digits, `_` and `-`',
    description: 'What the model calls.',
  }),
  description: Type.String({ maxLength: 4_000, description: 'When to use it, for the model.' }),
  parameters: Type.Record(Type.String(), Type.Unknown(), {
    description: 'JSON Schema of the arguments, of type `object`.',
  }),
};

const toolSchema = Type.Union(
  [
    Type.Object(
      {
        kind: Type.Literal('external'),
        ...functionOf,
        api: Type.String({ minLength: 1, maxLength: 64, description: 'As `GET /api/external` lists it.' }),
        method: Type.Enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
        path: Type.String({
          minLength: 1,
          maxLength: 1_000,
          description: 'Below the API’s base address; `{argument}` stands for a whole part and is encoded as one.',
        }),
        query: Type.Optional(
          Type.Array(Type.String(), {
            maxItems: 64,
            description: 'Arguments that go into the query. Those in neither place are the JSON body.',
          }),
        ),
      },
      strict,
    ),
    Type.Object({ kind: Type.Literal('memory') }, strict),
    Type.Object({ kind: Type.Literal('caller'), ...functionOf }, strict),
  ],
  {
    description:
      '`external`: the hub calls an external API. `memory`: `remember` and `recall`. `caller`: the turn ends with the calls, and the caller sends the results.',
  },
);

const memory = {
  scope: Type.Enum(['none', 'agent', 'project', 'conversation'], { description: 'Whose facts it sees and keeps.' }),
  recall: Type.Integer({ minimum: 0, maximum: RECALL_MAX, description: 'Facts put before a turn at most.' }),
};
const history = {
  policy: Type.Enum(['trim', 'summarise'], { description: 'What becomes of turns that do not fit any more.' }),
  tokensMax: Type.Integer({ minimum: 256, maximum: 10_000_000, description: 'Estimated tokens of earlier turns.' }),
};
const turnLimits = {
  steps: Type.Integer({ minimum: 1, maximum: 32, description: 'Calls of the model in one turn.' }),
  deadlineMs: Type.Integer({ minimum: 1_000, maximum: limits.callerTimeoutMsMax, description: 'Of one turn.' }),
  costMicroUsd: nullable(
    Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    'Millionths of a US dollar for one turn; null is no limit.',
  ),
};
const sampling = Type.Object(
  {
    temperature: Type.Optional(Type.Number({ minimum: 0, maximum: 2 })),
    topP: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
    maxTokens: Type.Optional(Type.Integer({ minimum: 1, description: 'Of one answer of the model.' })),
    stop: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 200 }), { maxItems: 16 })),
  },
  strict,
);
const described = {
  name: agentName,
  model: Type.String({ ...modelName, ...storable }),
  description: Type.String({ maxLength: DESCRIPTION_CHARS_MAX }),
  instructions: Type.String({ maxLength: INSTRUCTIONS_CHARS_MAX, description: 'What it is told before everything.' }),
  sampling,
  tools: Type.Array(toolSchema, { maxItems: TOOLS_MAX }),
};

export const agentBody = Type.Object(
  {
    ...described,
    description: Type.Optional(described.description),
    sampling: Type.Optional(sampling),
    tools: Type.Optional(described.tools),
    memory: Type.Optional(Type.Partial(Type.Object(memory), { ...strict, description: `Without: ${told('memory')}.` })),
    history: Type.Optional(
      Type.Partial(Type.Object(history), { ...strict, description: `Without: ${told('history')}.` }),
    ),
    limits: Type.Optional(
      Type.Partial(Type.Object(turnLimits), { ...strict, description: `Without: ${told('limits')}.` }),
    ),
  },
  strict,
);

export const agentSchema = Type.Object({
  id: Type.String(),
  ...described,
  memory: Type.Object(memory),
  history: Type.Object(history),
  limits: Type.Object(turnLimits),
  version: Type.Integer({ description: 'One more with each change; in quotes it is the ETag.' }),
  createdAt: timestamp,
  updatedAt: timestamp,
});

export type AgentBody = Static<typeof agentBody>;

/** With every default filled in. */
export function settingsOf(body: AgentBody): AgentSettings {
  return {
    name: body.name,
    description: body.description ?? '',
    instructions: body.instructions,
    model: body.model,
    sampling: body.sampling ?? {},
    tools: body.tools ?? [],
    memory: { ...DEFAULTS.memory, ...body.memory },
    history: { ...DEFAULTS.history, ...body.history },
    limits: { ...DEFAULTS.limits, ...body.limits },
  };
}

export function agentView(record: AgentRecord) {
  const { id, projectId: _projectId, createdWallMs, updatedWallMs, ...agent } = record;
  return { id, ...agent, createdAt: isoTime(createdWallMs), updatedAt: isoTime(updatedWallMs) };
}

export const agentBodyExample = {
  name: 'support',
  instructions: 'You help customers of the shop. Be brief.',
  model: 'fast',
  memory: { scope: 'agent' },
  tools: [
    { kind: 'memory' },
    {
      kind: 'caller',
      name: 'find_order',
      description: 'Finds an order by its number.',
      parameters: { type: 'object', properties: { number: { type: 'string' } }, required: ['number'] },
    },
  ],
} satisfies AgentBody;

export const agentExample = {
  id: 'agt_01k3v9zq6x8m2f4t7w1c5r9hjd',
  ...settingsOf(agentBodyExample),
  version: 1,
  createdAt: '2026-01-01T12:00:00.000Z',
  updatedAt: '2026-01-01T12:00:00.000Z',
};

export const agentParams = Type.Object({
  id: Type.String({ description: 'From `GET /api/agents`.', examples: [agentExample.id] }),
});

export const NO_SUCH_AGENT = 'There is no such agent. GET /api/agents lists them.';

function told(part: keyof typeof DEFAULTS): string {
  return Object.entries(DEFAULTS[part])
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ');
}
