/** Conversations in memory, by the rules of their port, as far as a turn of an agent needs them. */
import { newId } from '#core/ids';
import type { ChatMessage } from '#contract/chat';
import type { ConversationRecord, TurnOutcome, TurnRecord } from '#contract/conversations';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import type { AgentParts } from '#agents/agents';

type Conversations = AgentParts['conversations'];

export class MemoryConversations implements Conversations {
  readonly records = new Map<string, ConversationRecord>();
  readonly turnsOf = new Map<string, TurnRecord[]>();
  readonly extended: (readonly string[])[] = [];
  /** Thrown by everything that writes. */
  away: Error | null = null;

  create(agentId: string | null): string {
    const id = newId('cnv', 1_767_225_600_000);
    const times = { createdWallMs: 0, updatedWallMs: 0 };
    const base = { projectId: DEFAULT_PROJECT_ID, title: null, turns: 0, summary: null, summaryUpTo: 0, ...times };
    this.#add({ id, agentId, ...base });
    return id;
  }

  async insert(conversation: ConversationRecord): Promise<void> {
    if (this.away !== null) throw this.away;
    this.#add(conversation);
  }

  #add(conversation: ConversationRecord): void {
    this.records.set(conversation.id, conversation);
    this.turnsOf.set(conversation.id, []);
  }

  /** A turn that was held already. */
  held(
    id: string,
    input: readonly ChatMessage[],
    output: readonly ChatMessage[],
    more: Partial<TurnRecord> = {},
  ): void {
    const turns = this.turnsOf.get(id) ?? [];
    turns.push({
      id: newId('trn', 1_767_225_600_000),
      conversationId: id,
      projectId: DEFAULT_PROJECT_ID,
      number: turns.length + 1,
      state: 'whole',
      input,
      output,
      end: 'stop',
      errorCode: null,
      tools: [],
      runIds: [],
      startedWallMs: 0,
      endedWallMs: 0,
      ...more,
    });
  }

  async find(projectId: string, id: string): Promise<ConversationRecord | null> {
    const found = this.records.get(id);
    return found?.projectId === projectId ? found : null;
  }

  async beginTurn(
    turn: Pick<TurnRecord, 'id' | 'conversationId' | 'projectId' | 'input' | 'startedWallMs'>,
  ): Promise<{ readonly number: number } | 'missing' | 'busy'> {
    if (this.away !== null) throw this.away;
    const turns = this.turnsOf.get(turn.conversationId);
    if (turns === undefined) return 'missing';
    if (turns.some(({ state }) => state === 'running')) return 'busy';
    this.held(turn.conversationId, turn.input, [], { ...turn, state: 'running', end: null, endedWallMs: null });
    return { number: turns.length };
  }

  async extendTurns(turnIds: readonly string[]): Promise<void> {
    if (this.away !== null) throw this.away;
    this.extended.push(turnIds);
  }

  async endTurn(_projectId: string, turnId: string, outcome: TurnOutcome): Promise<boolean> {
    if (this.away !== null) throw this.away;
    for (const turns of this.turnsOf.values()) {
      const place = turns.findIndex(({ id, state }) => id === turnId && state === 'running');
      const turn = turns[place];
      if (turn === undefined) continue;
      turns[place] = { ...turn, ...outcome };
      return true;
    }
    return false;
  }

  async turns(
    _projectId: string,
    id: string,
    { before = Number.POSITIVE_INFINITY, limit }: { before?: number | undefined; limit: number },
  ): Promise<readonly TurnRecord[]> {
    const turns = this.turnsOf.get(id) ?? [];
    return turns
      .filter(({ number }) => number < before)
      .toReversed()
      .slice(0, limit);
  }

  async saveSummary(_projectId: string, id: string, text: string, upTo: number): Promise<void> {
    const found = this.records.get(id);
    if (found !== undefined) this.records.set(id, { ...found, summary: text, summaryUpTo: upTo });
  }

  last(id: string): TurnRecord {
    const turn = this.turnsOf.get(id)?.at(-1);
    if (turn === undefined) throw new Error('the conversation has no turn');
    return turn;
  }
}
