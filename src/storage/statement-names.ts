/**
 * Names for statements that are asked often, so that the server parses and plans each once a connection. Bounded: a statement whose text
 * differs with its values (rows of a batch) would otherwise be prepared in each of its lengths, for as long as a connection lives.
 */

/** Statements with a name. A hub has about a hundred. */
const NAMES_MAX = 256;
/** Texts that were asked once and wait for their second time. */
const SEEN_MAX = 1_000;
/** Longer ones are batches. */
const TEXT_CHARS_MAX = 4_000;

/** The name from the second time on that a text is asked for; `undefined` where it is better parsed each time. */
export function createStatementNames(namesMax = NAMES_MAX): (sql: string) => string | undefined {
  const names = new Map<string, string>();
  const seen = new Set<string>();
  return (sql) => {
    const known = names.get(sql);
    if (known !== undefined || names.size >= namesMax || sql.length > TEXT_CHARS_MAX || !IS_DATA.test(sql))
      return known;
    if (!seen.has(sql)) {
      if (seen.size >= SEEN_MAX) seen.clear();
      seen.add(sql);
      return undefined;
    }
    seen.delete(sql);
    const name = `revoagent_${names.size + 1}`;
    names.set(sql, name);
    return name;
  };
}

/** Nothing is planned of the others. */
const IS_DATA = /^\s*(?:select|insert|update|delete|with)\b/i;
