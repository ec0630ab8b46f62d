/**
 * How this kind refuses what Anthropic's Messages API cannot be told: by the name of the field, so that the caller can read it and the
 * gateway can ask a provider that understands it. Nothing is left out silently but what docs/providers/anthropic.md lists.
 */
import { UpstreamFailure } from '#contract/provider';

/** An object of either protocol. */
export type Fields = Readonly<Record<string, unknown>>;

/** `path` as in `messages[2].content[0]`; `why` ends the sentence that begins with it. */
export function untold(path: string, why = 'has no counterpart in the Messages API'): UpstreamFailure {
  const body = { message: `${path} ${why}.`, type: 'invalid_request_error', param: path };
  return new UpstreamFailure('untranslatable', `${path} cannot be told to this upstream.`, { body });
}

/** Throws unless every field of `fields` is named or empty: null, false, an empty list, nothing. */
export function onlyFields(fields: Fields, names: readonly string[], path: string): void {
  for (const [name, value] of Object.entries(fields)) {
    if (!names.includes(name) && !isEmpty(value)) throw untold(`${path}.${name}`);
  }
}

export function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === false || (Array.isArray(value) && value.length === 0);
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}

/** Anthropic's own mark for its prompt cache, which callers who know the provider write into the chat. */
export function cacheControl(of: Fields): Fields {
  return isFields(of['cache_control']) ? { cache_control: of['cache_control'] } : {};
}
