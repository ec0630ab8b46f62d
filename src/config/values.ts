/** A value as its schema wants it: defaults filled in, text of variables read, secrets sealed. Judges nothing; check.ts does. */
import type { TSchema } from 'typebox';
import { Secret } from '#core/secret';
import { escapePointer } from './file.ts';
import { propertiesOf } from './schema.ts';

interface Known {
  /** Pointers of texts that stood for a variable of the environment. */
  readonly fromEnvironment: ReadonlySet<string>;
  /** Written to: where each default came in. */
  readonly origins: Map<string, string>;
}

/** The value with the defaults of its schema where it says nothing, in the schema's order. */
export function fill(schema: TSchema, value: unknown, pointer: string, known: Known): unknown {
  if (typeof value === 'string') return known.fromEnvironment.has(pointer) ? parsed(schema, value) : value;
  if (Array.isArray(value)) {
    const items = 'items' in schema ? asRecord(schema.items) : {};
    return value.map((item, index) => fill(items, item, `${pointer}/${index}`, known));
  }
  if (!('type' in schema) || schema.type !== 'object' || !('properties' in schema)) return value;
  if (value !== undefined && value !== null && typeof value !== 'object') return value;
  const given = asRecord(value);
  const filled: Record<string, unknown> = {};
  for (const [name, inner] of Object.entries(propertiesOf(schema))) {
    const at = `${pointer}/${escapePointer(name)}`;
    if (given[name] === undefined && 'default' in inner) {
      filled[name] = structuredClone(inner.default);
      known.origins.set(at, 'default');
    } else if (given[name] !== undefined || isRequired(schema, name)) {
      const result = fill(inner, given[name], at, known);
      if (result !== undefined) filled[name] = result;
    }
  }
  return { ...filled, ...Object.fromEntries(Object.entries(given).filter(([name]) => !Object.hasOwn(filled, name))) };
}

/** The value with a `Secret` wherever its schema says so. */
export function sealed(schema: TSchema, value: unknown): unknown {
  if (typeof value === 'string') return 'secret' in schema && schema.secret === true ? new Secret(value) : value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const properties = propertiesOf(schema);
  const others = 'patternProperties' in schema ? Object.values(asRecord(schema.patternProperties))[0] : undefined;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      sealed((Object.hasOwn(properties, name) ? properties[name] : undefined) ?? asRecord(others), inner),
    ]),
  );
}

/** Text of a variable or flag as the schema's type wants it; what does not parse stays text, and the schema refuses it. */
export function parsed(schema: TSchema, text: string): unknown {
  const type = 'type' in schema ? schema.type : undefined;
  if ((type === 'integer' || type === 'number') && text.trim() !== '' && Number.isFinite(Number(text)))
    return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

function isRequired(schema: TSchema, name: string): boolean {
  return 'required' in schema && Array.isArray(schema.required) && schema.required.includes(name);
}

export function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
