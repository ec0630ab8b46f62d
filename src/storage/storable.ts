/** Text as PostgreSQL keeps it: neither NUL nor half a surrogate pair, each becomes U+FFFD. Names come from anybody. */
import { isStorable } from '#core/storable-text';
import { TextBytes } from './driver.ts';

export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD');
}

/** How JSON spells both; pairs are written as they are. A text that only looks so costs the slow way and is kept. */
const PERHAPS_UNSTORABLE = /\\u(?:0000|d[89a-f])/;

export function storableJson(value: unknown): string {
  return storable(JSON.stringify(value));
}

/** Of what is JSON already. */
function storable(json: string): string {
  // Looking costs a fraction of a reviver, which is called for every value of every row.
  if (!json.includes('\\u') || !PERHAPS_UNSTORABLE.test(json)) return json;
  return JSON.stringify(JSON.parse(json, (_key, part: unknown) => storablePart(part)));
}

/** Of JSON in UTF-8, as a parameter of that type. */
export function storableBytes(json: Buffer): TextBytes {
  return new TextBytes(json.includes(String.raw`\u`) ? Buffer.from(storable(json.toString())) : json);
}

/** Its own parts are storable already. Names are text as well: a tool's arguments may have any. */
function storablePart(part: unknown): unknown {
  if (typeof part === 'string') return storableText(part);
  if (typeof part !== 'object' || part === null || Array.isArray(part) || Object.keys(part).every(isStorable))
    return part;
  return Object.fromEntries(Object.entries(part).map(([name, value]) => [storableText(name), value]));
}
