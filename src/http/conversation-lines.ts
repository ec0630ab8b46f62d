/**
 * Conversations as JSON Lines: a line for a conversation, then one for each of its turns, from the first on. What is read is held against
 * the schemas that what is written follows; each bad line is named by its number, and none is taken where one is bad.
 */
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Clock } from '#core/clock';
import { CallerError } from '#core/errors';
import { limits } from '#core/limits';
import type { ConversationRecord, ConversationStore, TurnRecord } from '#contract/conversations';
import { parseJson } from './body.ts';
import { explain } from './explain.ts';
import type { Issue } from './validation.ts';
import { InvalidInput } from './validation.ts';
import { strict } from './wire/common.ts';
import type { ConversationView, TurnView } from './wire/conversation.ts';
import {
  conversationExample,
  conversationOf,
  conversationSchema,
  conversationView,
  turnExample,
  turnOf,
  turnSchema,
  turnView,
} from './wire/conversation.ts';

export const JSON_LINES = 'application/jsonl';
export const linesExample = [{ conversation: conversationExample }, { turn: turnExample }].map(lineOf).join('');

const CONVERSATIONS_AT_ONCE = 50;
const TURNS_AT_ONCE = 20;
const ISSUES_MAX = 20;
/** Lines that are read before others have their turn on the event loop. */
const LINES_AT_ONCE = 100;
const NEWLINE = 0x0a;

function lineOf(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

/** All of a project, the newest conversation first; a page of turns is in memory at a time. */
export async function* exportedLines(
  projectId: string,
  { conversations, clock }: { conversations: ConversationStore; clock: Clock },
): AsyncGenerator<string, void> {
  for (let before: string | undefined; ;) {
    const page = await conversations.list(projectId, { before, limit: CONVERSATIONS_AT_ONCE }, {});
    for (const conversation of page) {
      yield lineOf({ conversation: conversationView(conversation) });
      yield* turnLines(conversation, conversations, clock);
    }
    before = page.at(-1)?.id;
    if (page.length < CONVERSATIONS_AT_ONCE) return;
  }
}

async function* turnLines(
  { projectId, id }: ConversationRecord,
  conversations: ConversationStore,
  clock: Clock,
): AsyncGenerator<string, void> {
  for (let first = 1; ; first += TURNS_AT_ONCE) {
    const before = first + TURNS_AT_ONCE;
    const turns = await conversations.turns(projectId, id, { before, limit: TURNS_AT_ONCE }, clock.wallMs());
    // Fewer than asked for reach back to turns that were given already.
    for (const turn of turns.toReversed()) if (turn.number >= first) yield lineOf({ turn: turnView(turn) });
    if (turns[0]?.number !== before - 1) return;
  }
}

interface Imported {
  readonly conversation: ConversationRecord;
  readonly turns: TurnRecord[];
}

/** Throws `InvalidInput` with the number of each bad line. */
export async function readLines(bytes: Buffer, projectId: string, clock: Clock): Promise<Imported[]> {
  const reader = new LinesReader(projectId);
  let count = 0;
  for (let from = 0; from < bytes.length;) {
    const newline = bytes.indexOf(NEWLINE, from);
    const to = newline === -1 ? bytes.length : newline;
    reader.read(bytes.subarray(from, bytes[to - 1] === 0x0d ? to - 1 : to), ++count);
    from = to + 1;
    if (count % LINES_AT_ONCE === 0) await clock.sleep(0);
  }
  return reader.end();
}

const conversationLine = Type.Object({ conversation: conversationSchema }, strict);
const turnLine = Type.Object({ turn: turnSchema }, strict);

class LinesReader {
  readonly #projectId: string;
  readonly #isConversation = Compile(conversationLine);
  readonly #isTurn = Compile(turnLine);
  readonly #read = new Map<string, Imported>();
  readonly #issues: Issue[] = [];
  readonly #turnIds = new Set<string>();
  #current: Imported | null = null;
  #turns = 0;

  constructor(projectId: string) {
    this.#projectId = projectId;
  }

  read(line: Buffer, number: number): void {
    if (this.#issues.length >= ISSUES_MAX) throw this.#refused();
    const say = (place: string, message: string): void => {
      this.#issues.push({ in: 'body', path: place === '' ? `line ${number}` : `line ${number}: ${place}`, message });
    };
    const value = parsed(line, say);
    if (value === undefined) return;
    if (this.#isTurn.Check(value)) {
      this.#takeTurn(value.turn, say);
    } else if (this.#isConversation.Check(value)) {
      this.#takeConversation(value.conversation, say);
    } else {
      const schema = typeof value === 'object' && value !== null && 'turn' in value ? turnLine : conversationLine;
      for (const { path, message } of explain(schema, value)) say(path, message);
      // The turns after it belong to nobody that is known; they are not each told of.
      if (schema === conversationLine) this.#current = null;
    }
  }

  end(): Imported[] {
    if (this.#issues.length > 0) throw this.#refused();
    const read = [...this.#read.values()];
    return read.map(({ conversation, turns }) => {
      // A summary that stood for turns which are not there would stand for those that are added, and no model would hear of them.
      const summaryUpTo = conversation.summary === null ? 0 : Math.min(conversation.summaryUpTo, turns.length);
      return { conversation: { ...conversation, turns: turns.length, summaryUpTo }, turns };
    });
  }

  #takeConversation(view: ConversationView, say: Say): void {
    checkTimes('conversation', view, ['createdAt', 'updatedAt'], say);
    if (this.#read.has(view.id)) say('conversation.id', 'is that of an earlier line');
    this.#current = { conversation: conversationOf(view, this.#projectId), turns: [] };
    this.#read.set(view.id, this.#current);
  }

  #takeTurn(view: TurnView, say: Say): void {
    if (this.#current === null) {
      if (this.#issues.length === 0) say('', 'is a turn without a conversation before it');
      return;
    }
    checkTimes('turn', view, ['startedAt', 'endedAt'], say);
    const { conversation, turns } = this.#current;
    if (view.conversationId !== conversation.id)
      say('turn.conversationId', `must be that of the conversation before it: ${conversation.id}`);
    else if (view.number !== turns.length + 1) say('turn.number', `must be ${turns.length + 1}: turns come in order`);
    else if (this.#turnIds.has(view.id)) say('turn.id', 'is that of an earlier line');
    this.#turnIds.add(view.id);
    if (++this.#turns > limits.importTurnsMax)
      throw new CallerError(
        'body_too_large',
        `One import takes up to ${limits.importTurnsMax} turns. Send it in parts.`,
      );
    turns.push(turnOf(view, this.#projectId));
  }

  #refused(): InvalidInput {
    return new InvalidInput(this.#issues.slice(0, ISSUES_MAX), false);
  }
}

type Say = (place: string, message: string) => void;

/** A leap second has the form of a time and is none here. */
function checkTimes<N extends string>(
  kind: string,
  view: Record<N, string | null>,
  names: readonly N[],
  say: Say,
): void {
  for (const name of names) {
    const time = view[name];
    if (time !== null && !(Date.parse(time) >= 0)) say(`${kind}.${name}`, 'must be a time from 1970 on');
  }
}

function parsed(line: Buffer, say: Say): unknown {
  try {
    return parseJson(line, '');
  } catch (thrown) {
    if (!(thrown instanceof CallerError)) throw thrown;
    say('', thrown.detail.trim().replace(/\.$/, ''));
    return undefined;
  }
}
