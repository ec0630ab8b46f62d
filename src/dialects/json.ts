/** JSON from outside, read without trust: whoever reads an upstream's words looks at them through these. */

/** Undefined for what is no JSON; JSON itself has no undefined. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export type Json = Record<string, unknown>;

/** The text, or none where it is no text. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The number, or 0 where it is none. */
export function countOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

/** The fields that are there; `undefined` is no field. */
export function defined(fields: Json): Json {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** Without the fields that say nothing. */
export function saying(fields: Json): Json {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => given(value)));
}

/** The other fields, where they say anything. */
export function besides(fields: Json, names: readonly string[]): Json {
  return Object.fromEntries(Object.entries(fields).filter(([name, value]) => given(value) && !names.includes(name)));
}

/** Whether a field says anything. */
export function given(value: unknown): boolean {
  return value !== undefined && value !== null;
}
