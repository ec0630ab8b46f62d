/**
 * Identifiers: a prefix that says what the thing is, then 26 characters that sort by time (48 bits of milliseconds and 80
 * random bits in Crockford base 32, the ULID layout). Random bytes come from the operating system in batches, because one
 * call a request shows in a profile.
 */
import { randomFillSync } from 'node:crypto';
import { flatText } from './flat-text.ts';

export type IdPrefix = 'run' | 'req' | 'key' | 'prj' | 'org' | 'aud' | 'clm' | 'agt' | 'cnv' | 'trn' | 'mem' | 'resp';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const CODES = Buffer.from(ALPHABET);
const RANDOM_CHARS = 16;
/** Characters of the alphabet, drawn beforehand. */
const pool = Buffer.alloc(RANDOM_CHARS * 256);
let used = pool.length;
/** Many are made in one millisecond. */
let lastMs = Number.NaN;
let lastTime = '';

export function newId(prefix: IdPrefix, wallMs: number): string {
  if (used === pool.length) {
    randomFillSync(pool);
    // By index: an iterator makes an object for each byte, which came to a twentieth of all that a request makes.
    for (let at = 0; at < pool.length; at++) pool[at] = CODES[(pool[at] ?? 0) & 31] ?? 0;
    used = 0;
  }
  if (wallMs !== lastMs) {
    lastMs = wallMs;
    lastTime = timeOf(wallMs);
  }
  const tail = pool.toString('latin1', used, (used += RANDOM_CHARS));
  return flatText(`${prefix}_${lastTime}${tail}`);
}

function timeOf(wallMs: number): string {
  let time = '';
  for (let rest = Math.floor(wallMs), digit = 0; digit < 10; digit++) {
    time = ALPHABET[rest % 32] + time;
    rest = Math.floor(rest / 32);
  }
  return time;
}

const SHAPE = /^[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}$/;

/** Whether `text` could be an id of this kind; says nothing about whether it exists. */
export function isId(prefix: IdPrefix, text: string): boolean {
  return text.startsWith(`${prefix}_`) && SHAPE.test(text);
}
