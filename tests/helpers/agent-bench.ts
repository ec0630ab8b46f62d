/**
 * Agents over ports that live in memory: what models, tools, the database and the memory do is said by a test, and all they were asked is
 * kept for it to read. Time is virtual.
 */
import { newId } from '#core/ids';
import type { CancelSignal } from '#core/cancel';
import type { AgentCall, AgentEvent, AgentRecord, TurnResult } from '#contract/agents';
import type { ChatMessage } from '#contract/chat';
import type { External, ExternalAnswer, ExternalCall } from '#contract/external';
import type { ChatCall, ChatStream, Gateway, RunSpent } from '#contract/gateway';
import { abortError } from '#contract/gateway';
import type { Memory, MemoryRecord, Recalling } from '#contract/memory';
import type { TurnFinished } from '#contract/observer';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import { RunningAgents } from '#agents/agents';
import { textIn } from '#agents/messages';
import { chunk, summary } from './http-hub.ts';
import { MemoryConversations } from './memory-conversations.ts';
import { VirtualClock } from './virtual-clock.ts';

export type Reply = (call: ChatCall) => Promise<ChatStream>;

interface Shape {
  readonly spent?: Partial<RunSpent>;
  readonly degraded?: boolean;
}

const SPENT: RunSpent = { promptTokens: 10, completionTokens: 5, costMicroUsd: 100 };

/** A model that gives these chunks. */
export function gives(chunks: readonly string[], { spent, degraded = false }: Shape = {}): Reply {
  return async ({ runId }) => ({
    summary: summary(runId, { degraded }),
    events: (async function* () {
      yield* chunks;
      return undefined;
    })(),
    spent: () => ({ ...SPENT, ...spent }),
  });
}

export function says(text: string, finish = 'stop', shape?: Shape): Reply {
  return gives([...(text.match(/\s*\S+/g) ?? []).map((word) => chunk(word)), chunk('', finish)], shape);
}

/** Calls tools, by name and arguments; each with the id `call-<place>`. */
export function calls(made: readonly (readonly [string, unknown])[], shape?: Shape): Reply {
  const delta = {
    tool_calls: made.map(([name, given], index) => ({
      index,
      id: `call-${index}`,
      type: 'function',
      function: { name, arguments: typeof given === 'string' ? given : JSON.stringify(given) },
    })),
  };
  const base = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm' };
  const data = JSON.stringify({ ...base, choices: [{ index: 0, delta, finish_reason: null }] });
  return gives([data, chunk('', 'tool_calls')], shape);
}

/** Says this much, and then nothing until its caller leaves. */
export function hangsAfter(text: string): Reply {
  return async ({ runId, signal }) => ({
    summary: summary(runId),
    events: (async function* () {
      if (text !== '') yield chunk(text);
      await aborted(signal);
      return undefined;
    })(),
    spent: () => ({ promptTokens: null, completionTokens: null, costMicroUsd: null }),
  });
}

export function fails(thrown: unknown): Reply {
  return async () => {
    throw thrown;
  };
}

/** Rejects when the signal aborts, as the rooms of the hub do. */
export function aborted(signal: CancelSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const end = (): void => reject(abortError(signal));
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
  });
}

export function agentRecord(more: Partial<AgentRecord> = {}): AgentRecord {
  return {
    id: newId('agt', 1_767_225_600_000),
    projectId: DEFAULT_PROJECT_ID,
    version: 1,
    createdWallMs: 1_767_225_600_000,
    updatedWallMs: 1_767_225_600_000,
    name: 'helper',
    description: '',
    instructions: 'Be of help.',
    model: 'fast',
    sampling: {},
    tools: [],
    memory: { scope: 'none', recall: 0 },
    history: { policy: 'trim', tokensMax: 1_000 },
    limits: { steps: 8, deadlineMs: 60_000, costMicroUsd: null },
    ...more,
  };
}

const object = { type: 'object', properties: {} };

export const weather = {
  kind: 'external',
  name: 'weather',
  description: 'The weather of a city.',
  api: 'meteo',
  method: 'GET',
  path: '/v1/{city}',
  query: ['days'],
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'integer' } },
    required: ['city'],
    additionalProperties: false,
  },
} as const;

export const askUser = { kind: 'caller', name: 'ask_user', description: 'Asks.', parameters: object } as const;

/** The text of a message; empty where there is none. */
export const saidIn = (message: ChatMessage | undefined): string => (message === undefined ? '' : textIn(message));

export const user = (content: string): ChatMessage => ({ role: 'user', content });

export interface AgentBench {
  readonly agents: RunningAgents;
  readonly clock: VirtualClock;
  readonly conversations: MemoryConversations;
  /** What models were asked, in order. */
  readonly asked: ChatCall[];
  readonly externals: ExternalCall[];
  readonly recalls: Recalling[];
  readonly remembered: string[];
  readonly log: string[];
  /** What the observer was told. */
  readonly finished: TurnFinished[];
  /** The agent is gone. */
  deleteAgent(): void;
  /** A turn of the agent, without a conversation unless one is given. */
  call(more?: Partial<AgentCall>): AgentCall;
}

export interface AgentScript {
  readonly agent?: Partial<AgentRecord>;
  /** What the model does, step by step; the last one again and again. */
  readonly model: readonly Reply[];
  readonly external?: (call: ExternalCall) => Promise<ExternalAnswer>;
  readonly recall?: (what: Recalling) => Promise<readonly string[]>;
  readonly remember?: (text: string) => Promise<void>;
}

export function startAgentBench(script: AgentScript): AgentBench & { readonly agent: AgentRecord } {
  const clock = new VirtualClock();
  const agent = agentRecord(script.agent);
  const there = new Map([[agent.id, agent]]);
  const conversations = new MemoryConversations();
  const asked: ChatCall[] = [];
  const externals: ExternalCall[] = [];
  const recalls: Recalling[] = [];
  const remembered: string[] = [];
  const log: string[] = [];
  const finished: TurnFinished[] = [];
  const write =
    (level: string) =>
    (event: string): void =>
      void log.push(`${level} ${event}`);
  const agents = new RunningAgents({
    agents: { find: async (projectId, id) => (projectId === agent.projectId ? (there.get(id) ?? null) : null) },
    conversations,
    memory: memoryOf(script, recalls, remembered),
    external: externalOf(script, externals),
    gateway: modelsOf(script.model, asked),
    clock,
    observer: { turnFinished: (event) => void finished.push(event) },
    logger: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
  });
  return {
    agents,
    agent,
    clock,
    conversations,
    asked,
    externals,
    recalls,
    remembered,
    log,
    finished,
    deleteAgent: () => there.clear(),
    call: (more = {}) => ({
      surface: 'hub',
      caller: { keyId: null, projectId: agent.projectId, scopes: new Set(['chat']) },
      agentId: agent.id,
      conversationId: null,
      messages: [user('How is the weather?')],
      signal: new AbortController().signal,
      receivedAt: clock.now(),
      traceparent: undefined,
      ...more,
    }),
  };
}

export function modelsOf(replies: readonly Reply[], asked: ChatCall[]): Gateway {
  const never = (): never => {
    throw new Error('an agent asks for streams only');
  };
  return {
    complete: never,
    embed: never,
    countTokens: never,
    deployments: () => [],
    models: async () => [],
    stream(call) {
      asked.push(call);
      const reply = replies[Math.min(asked.length, replies.length) - 1];
      return reply === undefined ? Promise.reject(new Error('no reply is scripted')) : reply(call);
    },
  };
}

function externalOf({ external }: AgentScript, externals: ExternalCall[]): External {
  return {
    list: () => [],
    call(call) {
      externals.push(call);
      return external === undefined ? Promise.reject(new Error('no tool is scripted')) : external(call);
    },
  };
}

/** An answer of an external API, in these parts. */
export function answer(status: number, parts: readonly (string | Uint8Array)[], type = 'application/json') {
  const state = { ended: false, pulled: 0 };
  const body = (async function* () {
    try {
      for (const part of parts) {
        state.pulled++;
        yield typeof part === 'string' ? Buffer.from(part) : part;
      }
    } finally {
      state.ended = true;
    }
    return undefined;
  })();
  const given: ExternalAnswer = { status, headers: { 'content-type': type }, attempts: 1, breaker: 'closed', body };
  return { given, state };
}

function memoryOf({ recall, remember }: AgentScript, recalls: Recalling[], remembered: string[]): Memory {
  const texts = new Map<string, string>();
  const record = (text: string, projectId: string, scope: MemoryRecord['scope']): MemoryRecord => ({
    id: newId('mem', 1_767_225_600_000),
    projectId,
    scope,
    text,
    createdWallMs: 0,
  });
  return {
    async remember({ text, projectId, scope }) {
      await remember?.(text);
      remembered.push(text);
      const kept = record(text, projectId, scope);
      texts.set(kept.id, text);
      return kept;
    },
    async recall(what) {
      recalls.push(what);
      const found = (await recall?.(what)) ?? [];
      const [scope = 'project'] = what.scopes;
      return found.map((text) => ({ ...record(text, what.projectId, scope), score: 1 }));
    },
    find: async () => null,
    list: async () => [],
    async forget(_projectId, id) {
      const at = remembered.indexOf(texts.get(id) ?? '');
      if (at !== -1) remembered.splice(at, 1);
      return at !== -1;
    },
  };
}

export async function eventsOf(turn: AsyncIterable<AgentEvent>): Promise<AgentEvent[]> {
  const events: AgentEvent[] = [];
  for await (const event of turn) events.push(event);
  return events;
}

/** What a turn comes to. */
export async function resultOf(turn: AsyncIterable<AgentEvent>): Promise<TurnResult> {
  const end = (await eventsOf(turn)).at(-1);
  if (end?.type !== 'end') throw new Error(`the turn ended with ${JSON.stringify(end)}`);
  return end.result;
}
