/** Text that every store keeps, and tells from other text. */

/** PostgreSQL keeps no U+0000, and all halves of surrogate pairs are the same three bytes of UTF-8. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}
