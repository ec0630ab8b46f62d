/** Conversations as they are stored: turns in the hub's own form of a chat, so that any provider can go on with them. */
import type { ToolUse, TurnEnd } from './agents.ts';
import type { ChatMessage } from './chat.ts';
import type { Page } from './page.ts';

export interface ConversationRecord {
  readonly id: string;
  readonly projectId: string;
  /** Whose it is; null where the agent was deleted or there never was one. */
  readonly agentId: string | null;
  readonly title: string | null;
  readonly turns: number;
  /** Stands for the turns up to `summaryUpTo`, where the agent's policy is to summarise. */
  readonly summary: string | null;
  /** 0: for none. */
  readonly summaryUpTo: number;
  readonly createdWallMs: number;
  readonly updatedWallMs: number;
}

/**
 * `running` turns whose instance no longer says that it works on them are read as `broken`: the instance died, or the turn failed.
 * The messages of a broken turn are never sent to a model again.
 */
export type TurnState = 'running' | 'whole' | 'broken';

export interface TurnRecord {
  readonly id: string;
  readonly conversationId: string;
  readonly projectId: string;
  /** From 1, without a gap. */
  readonly number: number;
  readonly state: TurnState;
  /** What the caller sent. */
  readonly input: readonly ChatMessage[];
  /** What came of it, in order: the model's messages and the results of tools. Empty while it runs. */
  readonly output: readonly ChatMessage[];
  readonly end: TurnEnd | null;
  /** The hub's error code, where it failed. */
  readonly errorCode: string | null;
  readonly tools: readonly ToolUse[];
  readonly runIds: readonly string[];
  readonly startedWallMs: number;
  readonly endedWallMs: number | null;
}

/** What of a turn is known when it has ended. */
export type TurnOutcome = Pick<TurnRecord, 'output' | 'end' | 'errorCode' | 'tools' | 'runIds'> & {
  readonly state: 'whole' | 'broken';
  readonly endedWallMs: number;
};

export interface ConversationFilter {
  readonly agentId?: string | undefined;
}

export interface ConversationStore {
  insert(conversation: ConversationRecord): Promise<void>;
  find(projectId: string, id: string): Promise<ConversationRecord | null>;
  /** The newest first. */
  list(projectId: string, page: Page, filter: ConversationFilter): Promise<readonly ConversationRecord[]>;
  /** Those with a turn that holds all words of `text`, the newest first; at most `page.limit`. */
  search(projectId: string, text: string, page: Page): Promise<readonly ConversationRecord[]>;
  /** False where there is none. */
  rename(projectId: string, id: string, title: string | null, wallMs: number): Promise<boolean>;
  /** It, its turns and the memories of its own; returns whether there was one. Nothing of it is left in any table. */
  delete(projectId: string, id: string): Promise<boolean>;
  /** As `delete`, of at most `rowsMax` conversations of any project that nobody added to since `wallMs`; returns how many. */
  purge(wallMs: number, rowsMax: number): Promise<number>;
  /** Committed when it resolves. `busy`: another turn runs and its instance lives. A turn left behind is marked broken. */
  beginTurn(
    turn: Pick<TurnRecord, 'id' | 'conversationId' | 'projectId' | 'input' | 'startedWallMs'>,
    leaseUntilWallMs: number,
  ): Promise<{ readonly number: number } | 'missing' | 'busy'>;
  /** Those that this instance works on last until then. */
  extendTurns(turnIds: readonly string[], leaseUntilWallMs: number): Promise<void>;
  /** False where the turn was deleted, or taken to be broken, meanwhile. */
  endTurn(projectId: string, turnId: string, outcome: TurnOutcome): Promise<boolean>;
  /** The newest first: those with a number below `before`. */
  turns(
    projectId: string,
    conversationId: string,
    page: { readonly before?: number | undefined; readonly limit: number },
    wallMs: number,
  ): Promise<readonly TurnRecord[]>;
  saveSummary(projectId: string, id: string, summary: string, upTo: number): Promise<void>;
  /** Whole conversations, all or none. False where one of the ids is there already. */
  importMany(
    conversations: readonly { readonly conversation: ConversationRecord; readonly turns: readonly TurnRecord[] }[],
  ): Promise<boolean>;
}
