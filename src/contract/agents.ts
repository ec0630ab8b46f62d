/**
 * Agents: a name, instructions, a route, sampling settings, tools and a memory scope, stored by project; and the port by which a
 * transport talks to one. An agent's turn is a bounded loop: ask the model, run the tools it calls, ask again.
 */
import type { CancelSignal } from '#core/cancel';
import type { ChatMessage } from './chat.ts';
import type { CallPreferences, Caller, RunCall, Surface } from './gateway.ts';
import type { Page } from './page.ts';

/** `external` and `memory` tools are run by the hub; `caller` tools end the turn with the calls, and the caller sends the results. */
export type AgentTool = ExternalTool | MemoryTool | CallerTool;

interface FunctionTool {
  /** What the model calls: letters, digits, `_` and `-`, 1 to 64 characters, once an agent. */
  readonly name: string;
  /** When to use it, for the model. */
  readonly description: string;
  /** JSON Schema of the arguments: an object. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** One call of an external API that the configuration names; the model chooses arguments, never a host. */
export interface ExternalTool extends FunctionTool {
  readonly kind: 'external';
  /** Name of the external API. */
  readonly api: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below the API's base, with `{argument}` in places of whole segments: each is encoded as one. */
  readonly path: string;
  /** Arguments that go into the query. Those in neither place are the JSON body. */
  readonly query?: readonly string[] | undefined;
}

/** Gives the model `remember` and `recall` over the agent's memory scope. */
export interface MemoryTool {
  readonly kind: 'memory';
}

export interface CallerTool extends FunctionTool {
  readonly kind: 'caller';
}

export interface AgentSettings {
  /** Small letters, digits and `-`, 1 to 63 characters, unique in its project: `agent:<name>` is a model's name. */
  readonly name: string;
  readonly description: string;
  readonly instructions: string;
  /** A route or a model's name, as in `/v1/chat/completions`; not another agent. */
  readonly model: string;
  readonly sampling: {
    readonly temperature?: number | undefined;
    readonly topP?: number | undefined;
    /** Tokens of one answer of the model at most. */
    readonly maxTokens?: number | undefined;
    readonly stop?: readonly string[] | undefined;
  };
  readonly tools: readonly AgentTool[];
  readonly memory: {
    /** Whose facts it sees and keeps: none; its own; those of all agents of its project; those of one conversation. */
    readonly scope: 'none' | 'agent' | 'project' | 'conversation';
    /** Facts put before a turn at most: 0 to 50. */
    readonly recall: number;
  };
  /** What becomes of turns that do not fit any more: left out from the oldest on, or put together by the model in a few sentences. */
  readonly history: { readonly policy: 'trim' | 'summarise'; readonly tokensMax: number };
  readonly limits: {
    /** Calls of the model in one turn: 1 to 32. */
    readonly steps: number;
    /** Milliseconds of one turn. */
    readonly deadlineMs: number;
    /** Millionths of a US dollar for one turn; null is no limit. A step whose price is unknown counts nothing and is told. */
    readonly costMicroUsd: number | null;
  };
}

export interface AgentRecord extends AgentSettings {
  readonly id: string;
  readonly projectId: string;
  /** From 1, one more with each change: its ETag. */
  readonly version: number;
  readonly createdWallMs: number;
  readonly updatedWallMs: number;
}

export interface AgentStore {
  /** False where the project has an agent of that name. */
  insert(agent: AgentRecord): Promise<boolean>;
  find(projectId: string, id: string): Promise<AgentRecord | null>;
  findByName(projectId: string, name: string): Promise<AgentRecord | null>;
  /** The newest first. */
  list(
    projectId: string,
    page: Page,
    filter: { readonly namePrefix?: string | undefined; readonly model?: string | undefined },
  ): Promise<readonly AgentRecord[]>;
  /** Replaces the version before `agent.version`. */
  update(agent: AgentRecord): Promise<'updated' | 'missing' | 'changed' | 'name_taken'>;
  /** With `version` only that one. Its conversations stay, its memories go. */
  delete(projectId: string, id: string, version: number | undefined): Promise<'deleted' | 'missing' | 'changed'>;
}

/** What starts or goes on with a turn. */
export interface AgentCall {
  readonly surface: Surface;
  readonly caller: Caller;
  /** Its id. */
  readonly agentId: string;
  /**
   * A stored conversation that this turn is added to, or `new` for one that it begins; null for none: then `messages` is all there
   * is, and nothing is kept of it but its runs.
   */
  readonly conversationId: string | null;
  /** What is new: the user's messages, or the results (`role: "tool"`) of the calls that the last turn ended with. */
  readonly messages: readonly ChatMessage[];
  /** Tools of the caller's for this turn, in OpenAI's form, besides the agent's own. */
  readonly tools?: readonly Readonly<Record<string, unknown>>[] | undefined;
  /** Further fields of a chat request, for every step: they come before the agent's own sampling settings. */
  readonly fields?: Readonly<Record<string, unknown>> | undefined;
  /** The id of the first step's run, where the caller has been told one; a new one otherwise. */
  readonly runId?: string | undefined;
  readonly preferences?: CallPreferences | undefined;
  readonly signal: CancelSignal;
  readonly receivedAt: number;
  readonly traceparent: string | undefined;
  /** As in a call of a model; told at each step. */
  readonly onLimits?: RunCall['onLimits'];
  /** As in a call of a model; for each step. */
  readonly restarts?: false;
}

/** Why a turn ended. Only `stop` is a whole answer of the model's; `tool_calls` waits for the caller. */
export type TurnEnd = 'stop' | 'length' | 'content_filter' | 'tool_calls' | 'steps' | 'deadline' | 'cost' | 'degraded';

export interface ToolUse {
  /** The model's id of the call. */
  readonly id: string;
  readonly name: string;
  readonly outcome: 'succeeded' | 'failed' | 'timed_out' | 'unknown_tool' | 'bad_arguments' | 'oversize';
  readonly tookMs: number;
}

/** `unavailable`: the agent answered without its memory. */
export type MemoryUse = 'none' | 'used' | 'unavailable';

export type AgentEvent =
  | {
      readonly type: 'start';
      readonly turnId: string | null;
      readonly conversationId: string | null;
      readonly memory: MemoryUse;
    }
  /** A call of the model begins; `GET /api/runs/{runId}` explains it. */
  | { readonly type: 'step'; readonly number: number; readonly runId: string }
  | { readonly type: 'delta'; readonly text: string }
  /** The text of this step so far is void. */
  | { readonly type: 'restart' }
  | { readonly type: 'tool'; readonly use: ToolUse }
  | { readonly type: 'end'; readonly result: TurnResult };

export interface TurnResult {
  readonly end: TurnEnd;
  /** The answer: the text of the last step. */
  readonly text: string;
  /** In OpenAI's form, where `end` is `tool_calls`: those that the caller has to execute. */
  readonly toolCalls: readonly Readonly<Record<string, unknown>>[];
  readonly tools: readonly ToolUse[];
  readonly runIds: readonly string[];
  readonly provider: string | null;
  readonly model: string | null;
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
  /** Null where the price of any step is unknown. */
  readonly costMicroUsd: number | null;
  readonly memory: MemoryUse;
  readonly simulated: boolean;
}

export interface Agents {
  /**
   * One turn. The generator ends after its `end` event, and only then is a turn in a conversation whole; it throws a `HubError`
   * otherwise, and the turn is marked broken. `return()` cancels. Throws `not_found` before the first event for an agent or a
   * conversation that the project does not have, `conflict` where the conversation has a turn under way.
   */
  turn(call: AgentCall): AsyncGenerator<AgentEvent, void>;
}
