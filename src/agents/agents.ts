/**
 * Turns of agents, in a conversation or without one. In a conversation a turn is in the database before a model is asked, and whole there
 * before its caller is told that it has ended; whatever else becomes of it, it is broken, and no model hears of it again.
 */
import { Canceller } from '#core/cancel';
import type { Clock } from '#core/clock';
import { CallerError, HubError, messageOf } from '#core/errors';
import { isId, newId } from '#core/ids';
import { limits } from '#core/limits';
import { within } from '#core/within';
import type { AgentCall, AgentEvent, AgentRecord, Agents, AgentStore, MemoryUse, TurnEnd } from '#contract/agents';
import type { ChatMessage } from '#contract/chat';
import type { ConversationRecord, ConversationStore, TurnOutcome } from '#contract/conversations';
import type { External } from '#contract/external';
import type { Gateway } from '#contract/gateway';
import { callerGone } from '#contract/gateway';
import type { Logger } from '#contract/logger';
import type { Memory, RecalledMemory } from '#contract/memory';
import type { Observer } from '#contract/observer';
import type { Tracing } from '#contract/tracing';
import { assertAwaited, readHistory } from './history.ts';
import { systemMessages } from './instructions.ts';
import { LEASE_MS, Leases } from './leases.ts';
import { memoryPlace } from './memory-tool.ts';
import type { MemoryPlace } from './memory-tool.ts';
import { textIn } from './messages.ts';
import { ownedMemory } from './owned-memory.ts';
import { SUMMARY_CHARS_MAX, summaryMessages } from './summary.ts';
import { Turn } from './turn.ts';
import type { LoopEvent } from './turn.ts';

export interface AgentParts {
  readonly agents: Pick<AgentStore, 'find'>;
  readonly conversations: Pick<
    ConversationStore,
    'insert' | 'find' | 'beginTurn' | 'extendTurns' | 'endTurn' | 'turns' | 'saveSummary'
  >;
  readonly memory: Memory;
  readonly external: External;
  /** Asked for the models of agents; one that knows agents would let them call each other. */
  readonly gateway: Gateway;
  readonly clock: Clock;
  readonly observer: Pick<Observer, 'turnFinished'>;
  /** Left out where no trace is exported. */
  readonly tracing?: Tracing | undefined;
  readonly logger: Logger;
}

/** With what is of no interest to callers of the port. */
export type TurnEvent = AgentEvent | Extract<LoopEvent, { readonly type: 'answering' }>;

/** The background of a turn: what a model is told before its own output. */
interface Told {
  readonly messages: readonly ChatMessage[];
  readonly summary: string | null;
}

export class RunningAgents implements Agents {
  readonly #parts: AgentParts;
  readonly #leases: Leases;

  constructor(parts: AgentParts) {
    this.#parts = { ...parts, memory: ownedMemory(parts) };
    this.#leases = new Leases(parts);
  }

  close(): void {
    this.#leases.close();
  }

  turn(call: AgentCall): AsyncGenerator<AgentEvent, void> {
    const left = new Canceller();
    const follow = (): void => left.abort(call.signal.reason);
    call.signal.addEventListener('abort', follow);
    if (call.signal.aborted) follow();
    const events = shown(this.events({ ...call, signal: left.signal }));
    const end = events.return.bind(events);
    // By itself a generator hears of it only once it has the next event, and that may be a while.
    events.return = (value) => {
      left.abort(callerGone);
      return end(value);
    };
    return events;
  }

  /** As `turn`; a `return()` while an event is waited for does not hasten it. */
  async *events(call: AgentCall): AsyncGenerator<TurnEvent, void> {
    const agent = await this.#agentOf(call);
    const conversation = await this.#conversationOf(agent, call);
    const trace = this.#parts.tracing?.turn(call.traceparent);
    const place = memoryPlace(agent, conversation?.id ?? null);
    const turn = new Turn(this.#parts, agent, call, { place, trace });
    let failed = false;
    try {
      if (conversation === null) yield* this.#alone(turn, agent, call);
      else yield* this.#inConversation(turn, agent, call, conversation);
    } catch (thrown) {
      if (!call.signal.aborted) failed = true;
      throw turn.errorFor(thrown);
    } finally {
      const { tools, memory, ended } = turn;
      const end = ended ?? (failed ? 'failed' : 'cancelled');
      this.#parts.observer.turnFinished({ end, tools, memory });
      trace?.finished({ agent, conversationId: conversation?.id ?? null, end });
      turn.close();
      // Whoever left it before its end leaves nothing running.
      turn.abort(callerGone);
    }
  }

  async *#alone(turn: Turn, agent: AgentRecord, call: AgentCall): AsyncGenerator<TurnEvent, void> {
    const end = yield* this.#answer(turn, agent, null, { messages: call.messages, summary: null }, null);
    yield { type: 'end', result: turn.result(end) };
  }

  async *#inConversation(
    turn: Turn,
    agent: AgentRecord,
    call: AgentCall,
    conversation: ConversationRecord,
  ): AsyncGenerator<TurnEvent, void> {
    if (call.conversationId === 'new') {
      // What is refused anyway begins none: nobody would ever find it again.
      assertAwaited(call.messages, []);
      await this.#parts.conversations.insert(conversation);
    }
    const { turnId, number } = await this.#begin(call, conversation);
    let settled = false;
    try {
      const told = await this.#toldOf(turn, agent, call, conversation, number);
      const end = yield* this.#answer(turn, agent, conversation.id, told, turnId);
      settled = true;
      await this.#keep(turn, turnId, agent.projectId, end);
      this.#leases.release(turnId);
      yield { type: 'end', result: turn.result(end) };
    } catch (thrown) {
      if (!settled) await this.#break(turn, turnId, agent.projectId, turn.errorFor(thrown));
      settled = true;
      throw thrown;
    } finally {
      if (!settled) await this.#break(turn, turnId, agent.projectId, cancelled());
      this.#leases.release(turnId);
    }
  }

  /** From the background to the model's last word. */
  async *#answer(
    turn: Turn,
    agent: AgentRecord,
    conversationId: string | null,
    { messages, summary }: Told,
    turnId: string | null,
  ): AsyncGenerator<TurnEvent, TurnEnd> {
    const place = memoryPlace(agent, conversationId);
    const facts = await this.#recall(turn, agent, place, messages);
    turn.memory = memoryUse(facts);
    yield { type: 'start', turnId, conversationId, memory: turn.memory };
    return yield* turn.run([...systemMessages({ instructions: agent.instructions, summary, facts }), ...messages]);
  }

  async #agentOf({ caller, agentId }: AgentCall): Promise<AgentRecord> {
    // No other text is asked for: a database refuses some of them.
    const agent = isId('agt', agentId) ? await this.#parts.agents.find(caller.projectId, agentId) : null;
    if (agent === null) throw new CallerError('not_found', 'There is no agent of this id. GET /api/agents lists them.');
    return agent;
  }

  async #conversationOf(agent: AgentRecord, call: AgentCall): Promise<ConversationRecord | null> {
    if (call.conversationId === null) return null;
    if (call.conversationId === 'new') return this.#newConversation(agent);
    if (!isId('cnv', call.conversationId)) throw missing();
    const conversation = await this.#parts.conversations.find(agent.projectId, call.conversationId);
    if (conversation === null || (conversation.agentId !== null && conversation.agentId !== agent.id)) throw missing();
    return conversation;
  }

  /** Not kept yet. */
  #newConversation({ id: agentId, projectId }: AgentRecord): ConversationRecord {
    const createdWallMs = Math.round(this.#parts.clock.wallMs());
    return {
      id: newId('cnv', createdWallMs),
      projectId,
      agentId,
      title: null,
      turns: 0,
      summary: null,
      summaryUpTo: 0,
      createdWallMs,
      updatedWallMs: createdWallMs,
    };
  }

  async #begin(call: AgentCall, { id, projectId }: ConversationRecord): Promise<{ turnId: string; number: number }> {
    const { conversations, clock } = this.#parts;
    const startedWallMs = Math.round(clock.wallMs());
    const turnId = newId('trn', startedWallMs);
    const turn = { id: turnId, conversationId: id, projectId, input: call.messages, startedWallMs };
    const begun = await conversations.beginTurn(turn, startedWallMs + LEASE_MS);
    if (begun === 'missing') throw missing();
    if (begun === 'busy')
      throw new CallerError(
        'conflict',
        'The conversation has a turn under way. Wait for its end, then send this again.',
      );
    this.#leases.hold(turnId);
    return { turnId, number: begun.number };
  }

  async #toldOf(
    turn: Turn,
    agent: AgentRecord,
    { messages: input }: AgentCall,
    conversation: ConversationRecord,
    number: number,
  ): Promise<Told> {
    const { conversations, clock } = this.#parts;
    const { policy, tokensMax } = agent.history;
    const summarises = policy === 'summarise';
    const { messages, left } = await readHistory(
      conversations,
      {
        projectId: agent.projectId,
        conversationId: conversation.id,
        before: number,
        summaryUpTo: summarises ? conversation.summaryUpTo : 0,
        tokensMax,
        input,
        wallMs: Math.round(clock.wallMs()),
      },
      policy,
    );
    if (!summarises) return { messages, summary: null };
    const last = left.at(-1);
    if (last === undefined) return { messages, summary: conversation.summary };
    try {
      const text = await turn.ask(summaryMessages(conversation.summary, left));
      const summary = text.slice(0, SUMMARY_CHARS_MAX).trim();
      if (summary === '') return { messages, summary: conversation.summary };
      await conversations.saveSummary(agent.projectId, conversation.id, summary, last.number);
      return { messages, summary };
    } catch (thrown) {
      if (turn.signal.aborted) throw thrown;
      this.#parts.logger.warn('history-not-summarised', { conversation: conversation.id, reason: messageOf(thrown) });
      return { messages, summary: conversation.summary };
    }
  }

  async #recall(
    turn: Turn,
    agent: AgentRecord,
    place: MemoryPlace | null,
    messages: readonly ChatMessage[],
  ): Promise<readonly RecalledMemory[] | 'unavailable' | null> {
    const { memory, clock, logger } = this.#parts;
    const text = textIn(messages.findLast(({ role }) => role === 'user') ?? { role: 'user' });
    const limit = agent.memory.recall;
    if (place === null || limit === 0 || text.trim() === '') return null;
    try {
      return await within({ clock, limitMs: limits.agentRecallMs, signal: turn.signal }, (signal) =>
        memory.recall({ projectId: place.projectId, scopes: [place.scope], text, limit, signal }),
      );
    } catch (thrown) {
      if (turn.signal.aborted) throw thrown;
      logger.warn('memory-left-out', { agent: agent.id, reason: messageOf(thrown) });
      return 'unavailable';
    }
  }

  async #keep(turn: Turn, turnId: string, projectId: string, end: TurnEnd): Promise<void> {
    const whole = await this.#parts.conversations.endTurn(projectId, turnId, {
      ...this.#outcome(turn),
      state: 'whole',
      end,
      errorCode: null,
    });
    if (!whole)
      throw new CallerError('conflict', 'The conversation was deleted, or went on elsewhere, while this turn ran.');
  }

  /** Where the database cannot be told, the turn's time runs out, and that breaks it too. */
  async #break(turn: Turn, turnId: string, projectId: string, error: unknown): Promise<void> {
    const errorCode = error instanceof HubError ? error.code : 'internal';
    try {
      const outcome: TurnOutcome = { ...this.#outcome(turn), state: 'broken', end: null, errorCode };
      await this.#parts.conversations.endTurn(projectId, turnId, outcome);
    } catch (thrown) {
      this.#parts.logger.warn('turn-not-marked', { turn: turnId, errorCode, reason: messageOf(thrown) });
    }
  }

  #outcome({ output, tools, runIds }: Turn): Pick<TurnOutcome, 'output' | 'tools' | 'runIds' | 'endedWallMs'> {
    return { output, tools, runIds, endedWallMs: Math.round(this.#parts.clock.wallMs()) };
  }
}

async function* shown(events: AsyncIterable<TurnEvent>): AsyncGenerator<AgentEvent, void> {
  for await (const event of events) if (event.type !== 'answering') yield event;
}

function memoryUse(facts: readonly RecalledMemory[] | 'unavailable' | null): MemoryUse {
  if (facts === null) return 'none';
  return facts === 'unavailable' ? facts : 'used';
}

function missing(): CallerError {
  return new CallerError('not_found', 'This agent has no conversation of this id.');
}

function cancelled(): CallerError {
  return new CallerError('cancelled', 'The caller left before the answer was complete.');
}
