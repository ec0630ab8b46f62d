/**
 * A value that fits a JSON Schema, for the simulator's tool calls and structured answers. Covers what such schemas use in practice:
 * types, enum, const, required and optional properties, items, the first of anyOf/oneOf, allOf, references into the schema itself.
 * What it does not know becomes null. Bounded in depth, so that a schema that contains itself ends, and in what it costs altogether:
 * a few nested arrays that each want many items, or references to many others, would be a value of thousands of millions of parts.
 */
import { isRecord } from '#dialects/json';

const DEPTH_MAX = 8;
const ITEMS_MAX = 16;
/** Characters of the value and of what is read for it; what is due when they are spent is null or empty. */
const CHARS_MAX = 64 * 1024;

interface Source {
  readonly schema: unknown;
  charsLeft: number;
}

export function exampleOf(schema: unknown): unknown {
  return exampleAt(schema, { schema, charsLeft: CHARS_MAX }, 0);
}

function exampleAt(schema: unknown, root: Source, depth: number): unknown {
  root.charsLeft--;
  if (!isRecord(schema) || depth > DEPTH_MAX || root.charsLeft < 0) return null;
  if ('const' in schema) return given(schema['const'], root);
  if (Array.isArray(schema['enum'])) return given(schema['enum'][0] ?? null, root);
  if (typeof schema['$ref'] === 'string') return exampleAt(resolve(schema['$ref'], root), root, depth + 1);
  const first = firstOf(schema['anyOf']) ?? firstOf(schema['oneOf']);
  if (first !== undefined) return exampleAt(first, root, depth + 1);
  if (Array.isArray(schema['allOf'])) return mergeAll(schema['allOf'], root, depth);
  const type: unknown = Array.isArray(schema['type']) ? schema['type'][0] : schema['type'];
  switch (type) {
    case 'string':
      return given(stringFor(schema), root);
    case 'integer':
    case 'number':
      return numberFor(schema);
    case 'boolean':
      return true;
    case 'array':
      return arrayFor(schema, root, depth);
    case 'object':
      return objectFor(schema, root, depth);
    default:
      return isRecord(schema['properties']) ? objectFor(schema, root, depth) : null;
  }
}

/** What the schema says itself, at its cost, where there is room for it. */
function given(value: unknown, root: Source): unknown {
  root.charsLeft -= JSON.stringify(value).length;
  return root.charsLeft < 0 ? null : value;
}

function objectFor(schema: Record<string, unknown>, root: Source, depth: number): Record<string, unknown> {
  const properties = isRecord(schema['properties']) ? schema['properties'] : {};
  const listed: unknown[] = Array.isArray(schema['required']) ? schema['required'] : [];
  const required = new Set(listed);
  const all = Object.keys(properties);
  root.charsLeft -= listed.length + all.reduce((sum, name) => sum + name.length, 0);
  if (root.charsLeft < 0) return {};
  const names = all.filter((name) => depth < 2 || required.has(name));
  return Object.fromEntries(names.map((name) => [name, exampleAt(properties[name], root, depth + 1)]));
}

function arrayFor(schema: Record<string, unknown>, root: Source, depth: number): unknown[] {
  const wanted = typeof schema['minItems'] === 'number' ? schema['minItems'] : 1;
  if (schema['items'] === undefined || schema['maxItems'] === 0) return [];
  return Array.from({ length: Math.min(wanted, ITEMS_MAX) }, () => exampleAt(schema['items'], root, depth + 1));
}

function stringFor(schema: Record<string, unknown>): string {
  switch (schema['format']) {
    case 'date-time':
      return '2026-01-01T00:00:00Z';
    case 'date':
      return '2026-01-01';
    case 'email':
      return 'someone@example.com';
    case 'uri':
      return 'https://example.com/';
    case 'uuid':
      return '00000000-0000-4000-8000-000000000000';
    default: {
      const { minLength, maxLength } = schema;
      const text = 'simulated'.padEnd(typeof minLength === 'number' ? Math.min(minLength, 1000) : 0, '.');
      return typeof maxLength === 'number' ? text.slice(0, maxLength) : text;
    }
  }
}

function numberFor(schema: Record<string, unknown>): number {
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum } = schema;
  if (typeof minimum === 'number') return minimum;
  if (typeof exclusiveMinimum === 'number') return exclusiveMinimum + 1;
  if (typeof maximum === 'number') return Math.min(maximum, 1);
  return typeof exclusiveMaximum === 'number' ? Math.min(exclusiveMaximum - 1, 1) : 1;
}

function mergeAll(parts: readonly unknown[], root: Source, depth: number): unknown {
  root.charsLeft -= parts.length;
  const values = parts.map((part) => exampleAt(part, root, depth + 1));
  return values.every(isRecord) ? Object.assign({}, ...values) : values[0];
}

/** `#/$defs/name` and the like; a reference to elsewhere is not followed. */
function resolve(reference: string, root: Source): unknown {
  if (!reference.startsWith('#')) return undefined;
  root.charsLeft -= reference.length;
  let at = root.schema;
  for (const step of reference.split('/').slice(1)) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
    at = isRecord(at) && Object.hasOwn(at, name) ? at[name] : undefined;
  }
  return at;
}

function firstOf(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : undefined;
}
