/**
 * A text in one piece. What was put together of parts, or cut out of a longer text, stays that inside the runtime, and `JSON.stringify`
 * takes two to four times as long for an object that holds one such text. For what goes into the rows and log lines of every request.
 */

const scratch = Buffer.alloc(256);

/** The same text; one that is longer than 256 characters or not Latin-1 may stay in parts. */
export function flatText(text: string): string {
  if (text.length > scratch.length) return text;
  const flat = scratch.toString('latin1', 0, scratch.write(text, 'latin1'));
  return flat === text ? flat : text;
}
