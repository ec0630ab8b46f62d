/**
 * What a search of conversations looks in, and how: the words of a turn, as they stand, with one more for its project. What it reads is
 * bounded, however many turns there are and however common the words: see `limits.searchMatchesMax`.
 */
import { sql } from 'kysely';
import type { Kysely, RawBuilder } from 'kysely';
import { limits } from '#core/limits';
import type { ChatMessage } from '#contract/chat';
import type { Page } from '#contract/page';
import type { Schema } from '../schema.ts';
import { storableText } from '../storable.ts';

/** The text of messages that a search finds them by: neither the arguments of tools nor pictures. */
export function searchableText(messages: readonly ChatMessage[]): string {
  let text = '';
  for (const { content } of messages) {
    const parts = typeof content === 'string' ? [content] : (content ?? []).map((part) => part['text']);
    for (const part of parts)
      if (typeof part === 'string' && text.length < limits.searchableCharsMax) text += `${part}\n`;
  }
  return storableText(text.slice(0, limits.searchableCharsMax));
}

/** Both are SQL for a text. No text has a word with a space in it, so nobody can write the project's. */
export function wordsOf(projectId: RawBuilder<string>, text: RawBuilder<string>): RawBuilder<unknown> {
  return sql`(array_to_tsvector(array['project ' || ${projectId}]) || strip(to_tsvector('simple', ${text})))`;
}

/** The ids of conversations with a turn that holds all words of `text`, the newest first. */
export async function searchConversations(
  db: Kysely<Schema>,
  projectId: string,
  text: string,
  { before, limit }: Page,
): Promise<readonly string[]> {
  const words = sql`plainto_tsquery('simple', ${storableText(text)})`;
  const query = sql`(${words} && ('''project ' || ${projectId}::text || '''')::tsquery)`;
  const older = before === undefined ? sql`true` : sql`conversation_id < ${before}`;
  return db.transaction().execute(async (transaction) => {
    // The planner guesses how often words meet and may be wrong by a thousand times; of what it could choose only this is bounded.
    await sql`set local enable_seqscan = off`.execute(transaction);
    await sql`set local enable_indexscan = off`.execute(transaction);
    const { rows } = await sql<{ matches: number; ids: string[] }>`
      with matching as materialized (
        select conversation_id from turns where words @@ ${query} and numnode(${words}) > 0 limit ${limits.searchMatchesMax + 1})
      select (select count(*) from matching) as matches, array(
        select distinct conversation_id from matching where ${older} order by conversation_id desc limit ${limit}) as ids`.execute(
      transaction,
    );
    const [found] = rows;
    if (found === undefined) throw new Error('a count of rows gave no row');
    if (found.matches <= limits.searchMatchesMax) return found.ids;
    await sql`set local enable_indexscan = on`.execute(transaction);
    const newest = await sql<{ id: string }>`
      select distinct conversation_id as id from (
        select conversation_id, words from turns where project_id = ${projectId} and ${older}
        order by conversation_id desc limit ${limits.searchTurnsMax}) as newest
      where words @@ ${query} order by id desc limit ${limit}`.execute(transaction);
    return newest.rows.map(({ id }) => id);
  });
}
