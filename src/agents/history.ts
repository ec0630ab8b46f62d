/**
 * What a model is told of a conversation: whole exchanges, the newest first, as many as fit. Broken turns are never told. An exchange is
 * what came of one message of the user's, over as many turns as the caller's tools made of it; a part of one is not told, unless it is
 * the one that goes on.
 */
import { CallerError } from '#core/errors';
import { limits } from '#core/limits';
import type { ChatMessage } from '#contract/chat';
import type { ConversationStore, TurnRecord } from '#contract/conversations';
import { callIdsOf, coherent, estimateTokens, portable } from './messages.ts';

export interface HistoryQuery {
  readonly projectId: string;
  readonly conversationId: string;
  /** Turns below this number. */
  readonly before: number;
  /** Turns up to this number stand in a summary. */
  readonly summaryUpTo: number;
  readonly tokensMax: number;
  /** What the turn is begun with. */
  readonly input: readonly ChatMessage[];
  readonly wallMs: number;
}

export interface History {
  /** With the input at their end. */
  readonly messages: readonly ChatMessage[];
  /** Whole turns, the oldest first, that did not fit. */
  readonly left: readonly TurnRecord[];
}

const PAGE_TURNS = 50;

/** Throws `invalid_body` for results of calls that the conversation does not wait for. */
export async function readHistory(
  conversations: Pick<ConversationStore, 'turns'>,
  query: HistoryQuery,
  policy: 'trim' | 'summarise',
): Promise<History> {
  const { input, tokensMax } = query;
  const exchanges = exchangesOf(await wholeTurns(conversations, query, policy === 'trim' ? tokensMax : null));
  const goesOn = input[0]?.role === 'tool';
  assertAwaited(input, goesOn ? (exchanges.at(-1) ?? []) : []);
  const sizes = exchanges.map((turns) => estimateTokens(messagesOf(turns)));
  // What is put together in a summary goes in larger pieces, so that not every turn makes a new one.
  const all = sizes.reduce((sum, size) => sum + size, 0);
  const budget = policy === 'summarise' && all > tokensMax ? tokensMax / 2 : tokensMax;
  let first = exchanges.length;
  for (let used = 0; first > 0; first--) {
    used += sizes[first - 1] ?? 0;
    if (used > budget && !(goesOn && first === exchanges.length)) break;
  }
  const kept = exchanges.slice(first);
  const goingOn = goesOn ? kept.splice(-1) : [];
  const told = [...messagesOf(kept.flat()).map(portable), ...messagesOf(goingOn.flat()), ...input];
  return { messages: coherent(told), left: exchanges.slice(0, first).flat() };
}

/** The oldest first. Reads no further than `tokensMax` needs, where one is given. */
async function wholeTurns(
  conversations: Pick<ConversationStore, 'turns'>,
  { projectId, conversationId, before, summaryUpTo, wallMs }: HistoryQuery,
  tokensMax: number | null,
): Promise<TurnRecord[]> {
  const whole: TurnRecord[] = [];
  let tokens = 0;
  let next = before;
  for (let seen = 0; seen < limits.historyTurnsMax && next > summaryUpTo + 1;) {
    const page = await conversations.turns(projectId, conversationId, { before: next, limit: PAGE_TURNS }, wallMs);
    const last = page.at(-1);
    if (last === undefined) break;
    seen += page.length;
    next = last.number;
    for (const turn of page) {
      if (turn.state !== 'whole' || turn.number <= summaryUpTo) continue;
      whole.push(turn);
      tokens += estimateTokens(messagesOf([turn]));
      if (tokensMax !== null && tokens > tokensMax && beginsExchange(turn)) return whole.toReversed();
    }
  }
  return whole.toReversed();
}

function exchangesOf(turns: readonly TurnRecord[]): TurnRecord[][] {
  const exchanges: TurnRecord[][] = [];
  for (const turn of turns) {
    const current = exchanges.at(-1);
    if (current === undefined || beginsExchange(turn)) exchanges.push([turn]);
    else current.push(turn);
  }
  return exchanges;
}

function beginsExchange({ input }: TurnRecord): boolean {
  return input[0]?.role !== 'tool';
}

export function messagesOf(turns: readonly TurnRecord[]): ChatMessage[] {
  return turns.flatMap(({ input, output }) => [...input, ...output]);
}

/** Results come first, and each is of a call that the last turn of the exchange ended with. Throws `invalid_body`. */
export function assertAwaited(input: readonly ChatMessage[], exchange: readonly TurnRecord[]): void {
  const last = exchange.at(-1)?.output.at(-1);
  const awaited = new Set(last === undefined ? [] : callIdsOf(last));
  const firstOther = input.findIndex(({ role }) => role !== 'tool');
  for (const [place, message] of input.entries()) {
    const { role, tool_call_id: id } = message;
    if (role !== 'tool' && role !== 'user')
      throw refused(place, `has the role ${role}: in a conversation give "user" or "tool"`);
    if (role !== 'tool') continue;
    if (firstOther !== -1 && place > firstOther) throw refused(place, 'is a result behind another message');
    if (typeof id !== 'string' || !awaited.delete(id))
      throw refused(place, 'is a result that the conversation does not wait for');
  }
}

function refused(place: number, what: string): CallerError {
  return new CallerError('invalid_body', `messages[${place}] ${what}.`, { param: `messages[${place}]` });
}
