/**
 * What a key becomes in every tier. A key is the caller's string; up to its first colon, colon included, it is the prefix that
 * `deletePrefix` takes. A key of more than 512 bytes is stored under its hash, behind the same prefix. Refused: an empty key, a
 * prefix that is none, a namespace that could be read as part of another, and text that not every tier can keep and tell from others.
 */
import { createHash } from 'node:crypto';
import { isStorable } from '#core/storable-text';

/** Longer keys are hashed (SHA-256): what a tier holds a key costs stays bounded. */
export const KEY_BYTES_MAX = 512;
const PREFIX_CHARS_MAX = 64;
const NAMESPACE = /^[a-z0-9][a-z0-9._-]{0,63}$/;

export class CacheKeyError extends TypeError {
  override readonly name = 'CacheKeyError';
}

/** `users:` of `users:7:name`; the empty string where the key has no colon in its first 64 characters. */
export function prefixOf(key: string): string {
  const colon = key.indexOf(':');
  return colon === -1 || colon >= PREFIX_CHARS_MAX ? '' : key.slice(0, colon + 1);
}

/** The key as the tiers know it. What is looked for in memory alone needs no more: only what `checkKey` takes is stored. */
export function storedKey(key: string): string {
  // A UTF-16 unit is at most three bytes of UTF-8: a short string needs no counting.
  if (key.length * 3 <= KEY_BYTES_MAX && key.length > 0) return key;
  if (key.length === 0) throw new CacheKeyError('A cache key must not be empty.');
  if (Buffer.byteLength(key) <= KEY_BYTES_MAX) return key;
  checkKey(key);
  return `${prefixOf(key)}#${createHash('sha256').update(key).digest('base64url')}`;
}

export function checkKey(key: string): string {
  if (isStorable(key)) return key;
  throw new CacheKeyError(
    `A cache key is well-formed Unicode without U+0000; got ${JSON.stringify(key)}. Encode what may hold anything.`,
  );
}

export function checkPrefix(prefix: string): string {
  if (prefix.length > 1 && prefixOf(prefix) === prefix) return checkKey(prefix);
  throw new CacheKeyError(
    `deletePrefix takes what stands before a key's first colon, colon included ("users:"), up to ${PREFIX_CHARS_MAX} characters; got ${JSON.stringify(prefix)}. Use a tag for any other group of keys.`,
  );
}

export function checkTag(tag: string): string {
  if (tag.length > 0 && tag.length <= KEY_BYTES_MAX && isStorable(tag)) return tag;
  throw new CacheKeyError(
    `A tag has 1 to ${KEY_BYTES_MAX} characters of well-formed Unicode without U+0000; got ${tag.length}: ${JSON.stringify(tag.slice(0, KEY_BYTES_MAX))}.`,
  );
}

const NONE: readonly string[] = Object.freeze([]);

/** Each once: a tier holds an entry against all of its tags by their number. */
export function checkTags(tags: readonly string[] | undefined): readonly string[] {
  return tags === undefined || tags.length === 0 ? NONE : [...new Set(tags.map(checkTag))];
}

export function checkNamespace(namespace: string): string {
  if (NAMESPACE.test(namespace)) return namespace;
  throw new CacheKeyError(
    `A cache's namespace has 1 to 64 characters of a-z, 0-9, ".", "_" and "-", and begins with a letter or digit; got ${JSON.stringify(namespace)}.`,
  );
}
