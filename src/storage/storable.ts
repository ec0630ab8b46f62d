/** Text as PostgreSQL keeps it: neither NUL nor half a surrogate pair, each becomes U+FFFD. Names come from anybody. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** About a quarter of a millisecond's work: longer, and whoever asks meanwhile waits for it. */
const ROWS_A_TURN = 20;

export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD');
}

/** How JSON spells both; pairs are written as they are. A text that only looks so costs the slow way and is kept. */
const PERHAPS_UNSTORABLE = /\\u(?:0000|d[89a-f])/;

export function storableJson(value: unknown): string {
  const json = JSON.stringify(value);
  // Looking costs a fraction of a replacer, which is called for every value of every run.
  if (!PERHAPS_UNSTORABLE.test(json)) return json;
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === 'string' ? storableText(part) : part));
}

/** A batch of rows as the text of one JSON array, made between the requests. */
export async function storableRows<Row>(rows: readonly Row[], columnsOf: (row: Row) => unknown): Promise<string> {
  const parts: string[] = [];
  for (let from = 0; from < rows.length; from += ROWS_A_TURN) {
    if (from > 0) await nextTurn();
    parts.push(storableJson(rows.slice(from, from + ROWS_A_TURN).map(columnsOf)).slice(1, -1));
  }
  return `[${parts.join(',')}]`;
}
