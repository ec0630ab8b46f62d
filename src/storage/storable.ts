/** Text as PostgreSQL keeps it: neither NUL nor half a surrogate pair, each becomes U+FFFD. Names come from anybody. */

export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD');
}

export function storableJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === 'string' ? storableText(part) : part));
}
