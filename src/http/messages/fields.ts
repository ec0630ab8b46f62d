/** How the Messages surface reads a request, and refuses what the hub's own form, the chat, cannot hold: by the name of the field. */
import { CallerError } from '#core/errors';

/** An object of either protocol. */
export type Fields = Readonly<Record<string, unknown>>;

/** `path` as in `messages[2].content[0]`; `why` ends the sentence that begins with it. */
export function unsupported(path: string, why = 'is not supported by this hub'): CallerError {
  return new CallerError('unsupported_field', `${path} ${why}.`, { param: path });
}

/** Throws unless every field of `fields` is named or empty. `path` ends in a dot where it is not the request itself. */
export function onlyFields(fields: Fields, names: string, path: string): void {
  const known = names.split(' ');
  for (const [name, value] of Object.entries(fields)) {
    if (!known.includes(name) && !isEmpty(value)) throw unsupported(path + name);
  }
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === false || (Array.isArray(value) && value.length === 0);
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : [];
}

export function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}

/** The field, unless it is null or missing. */
export function given(name: string, value: unknown): Fields {
  return value === undefined || value === null ? {} : { [name]: value };
}
