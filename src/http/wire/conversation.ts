/** Conversations and turns as `/api/conversations` shows, exports and takes them. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { ConversationRecord, TurnRecord } from '#contract/conversations';
import { messageSchema } from './chat.ts';
import { isoTime, nullable, strict, timestamp } from './common.ts';

const SUMMARY_CHARS_MAX = 1_000_000;
const IDS_MAX = 1_000;
/** The largest number of the column. */
const TURNS_MAX = 2_147_483_647;

/** `cnv_…`: the id of one kind of thing. */
const idOf = (prefix: string, description: string) =>
  Type.String({
    pattern: `^${prefix}_[0-9a-hjkmnp-tv-z]{26}$`,
    patternMeaning: `must be an id ${prefix}_…`,
    description,
    examples: [`${prefix}_01k3v9zq6x8m2f4t7w1c5r9hjd`],
  });

export const agentId = idOf('agt', 'From `GET /api/agents`.');
export const title = nullable(Type.String({ maxLength: 500 }), 'For people.');

const message = Type.Object(messageSchema.properties, {
  description: 'As in a chat request; further fields are kept.',
});

export const conversationSchema = Type.Object(
  {
    id: idOf('cnv', 'Sorts by time.'),
    agentId: nullable(agentId, 'Null where the agent was deleted, or there never was one.'),
    title,
    turns: Type.Integer({ minimum: 0, maximum: TURNS_MAX }),
    summary: nullable(
      Type.String({ maxLength: SUMMARY_CHARS_MAX }),
      'Stands for the turns up to `summaryUpTo`, where the agent summarises.',
    ),
    summaryUpTo: Type.Integer({ minimum: 0, maximum: TURNS_MAX }),
    createdAt: timestamp,
    updatedAt: timestamp,
  },
  strict,
);

const toolUse = Type.Object(
  {
    id: Type.String({ maxLength: 256, description: 'The model’s id of the call.' }),
    name: Type.String({ maxLength: 256 }),
    outcome: Type.Enum(['succeeded', 'failed', 'timed_out', 'unknown_tool', 'bad_arguments', 'oversize']),
    tookMs: Type.Number({ minimum: 0 }),
  },
  strict,
);

export const turnSchema = Type.Object(
  {
    id: idOf('trn', 'Sorts by time.'),
    conversationId: idOf('cnv', 'Whose turn it is.'),
    number: Type.Integer({ minimum: 1, maximum: TURNS_MAX, description: 'From 1, without a gap.' }),
    state: Type.Enum(['running', 'whole', 'broken'], {
      description: 'The messages of a broken turn are never sent to a model again.',
    }),
    input: Type.Array(message, { description: 'What the caller sent.' }),
    output: Type.Array(message, { description: 'What came of it: the model’s messages and the results of tools.' }),
    end: nullable(
      Type.Enum(['stop', 'length', 'content_filter', 'tool_calls', 'steps', 'deadline', 'cost', 'degraded']),
      'Why it ended; null while it runs, and where it failed.',
    ),
    errorCode: nullable(Type.String({ maxLength: 100 }), 'The hub’s error code, where it failed.'),
    tools: Type.Array(toolUse, { maxItems: IDS_MAX }),
    runIds: Type.Array(Type.String({ maxLength: 100 }), {
      maxItems: IDS_MAX,
      description: 'GET /api/runs/{id} explains each.',
    }),
    startedAt: timestamp,
    endedAt: nullable(timestamp, 'Null while it runs.'),
  },
  strict,
);

export type ConversationView = Static<typeof conversationSchema>;
export type TurnView = Static<typeof turnSchema>;

export function conversationView(record: ConversationRecord): ConversationView {
  const { projectId: _projectId, createdWallMs, updatedWallMs, ...conversation } = record;
  return { ...conversation, createdAt: isoTime(createdWallMs), updatedAt: isoTime(updatedWallMs) };
}

export function turnView(record: TurnRecord) {
  const { projectId: _projectId, startedWallMs, endedWallMs, ...turn } = record;
  return {
    ...turn,
    startedAt: isoTime(startedWallMs),
    endedAt: endedWallMs === null ? null : isoTime(endedWallMs),
  };
}

/** What `conversationView` made of it, in this project. */
export function conversationOf(view: ConversationView, projectId: string): ConversationRecord {
  const { createdAt, updatedAt, ...conversation } = view;
  return { ...conversation, projectId, createdWallMs: Date.parse(createdAt), updatedWallMs: Date.parse(updatedAt) };
}

export function turnOf(view: TurnView, projectId: string): TurnRecord {
  const { startedAt, endedAt, ...turn } = view;
  return {
    ...turn,
    projectId,
    startedWallMs: Date.parse(startedAt),
    endedWallMs: endedAt === null ? null : Date.parse(endedAt),
  };
}

export const conversationExample = {
  id: 'cnv_01k3v9zq6x8m2f4t7w1c5r9hjd',
  agentId: 'agt_01k3v9zq6x8m2f4t7w1c5r9hjd',
  title: 'An order that did not come',
  turns: 1,
  summary: null,
  summaryUpTo: 0,
  createdAt: '2026-01-01T12:00:00.000Z',
  updatedAt: '2026-01-01T12:00:03.000Z',
} satisfies ConversationView;

export const turnExample = {
  id: 'trn_01k3v9zq6x8m2f4t7w1c5r9hjd',
  conversationId: conversationExample.id,
  number: 1,
  state: 'whole',
  input: [{ role: 'user', content: 'Where is my order?' }],
  output: [{ role: 'assistant', content: 'It comes tomorrow.' }],
  end: 'stop',
  errorCode: null,
  tools: [],
  runIds: ['run_01k3v9zq6x8m2f4t7w1c5r9hjd'],
  startedAt: '2026-01-01T12:00:00.000Z',
  endedAt: '2026-01-01T12:00:03.000Z',
} satisfies TurnView;

export const conversationParams = Type.Object({
  id: Type.String({ description: 'From `GET /api/conversations`.', examples: [conversationExample.id] }),
});

export const NO_SUCH_CONVERSATION = 'There is no such conversation. GET /api/conversations lists them.';
