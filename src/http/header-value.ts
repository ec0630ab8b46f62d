/** What a header may hold of a name that comes from anywhere: half a character, which JSON may hold, has no encoding of its own. */
export function headerValue(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}
