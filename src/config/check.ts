/** Holds a value against its schema: every error at once, in words, and for an unknown key the nearest known one. */
import { closest, distance } from 'fastest-levenshtein';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { dotted, escapePointer } from './file.ts';
import type { Problem } from './problem.ts';
import { propertiesOf } from './schema.ts';

/** `base` is the pointer of `value` itself; `originOf` says where a pointer's value came from. */
export function check(schema: TSchema, value: unknown, base: string, originOf: (pointer: string) => string): Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const error of Compile(schema).Errors(value)) {
    const { keyword, instancePath, schemaPath } = error;
    // "schema is false" repeats what additionalProperties says; an anyOf's branches repeat what anyOf says.
    if (keyword === 'boolean' || /\/anyOf\/\d+/.test(schemaPath)) continue;
    for (const [pointer, message] of explain(error, schemaAt(schema, schemaPath))) {
      const full = base + instancePath + pointer;
      if (seen.has(full + message)) continue;
      seen.add(full + message);
      problems.push({ path: dotted(full), origin: originOf(full), message });
    }
  }
  return problems;
}

interface SchemaError {
  readonly keyword: string;
  readonly message: string;
  readonly params: unknown;
}

function explain(
  { keyword, params, message }: SchemaError,
  schema: TSchema | undefined,
): [pointer: string, message: string][] {
  const given = asRecord(params);
  switch (keyword) {
    case 'additionalProperties':
      return strings(given['additionalProperties']).map((key) => [
        `/${escapePointer(key)}`,
        unknownKey(key, Object.keys(propertiesOf(schema ?? {}))),
      ]);
    case 'required':
      return strings(given['requiredProperties']).map((key) => [`/${escapePointer(key)}`, 'is required']);
    case 'enum':
      return [['', `must be one of ${strings(given['allowedValues']).join(', ')}`]];
    case 'pattern':
      return [
        [
          '',
          schema === undefined || !('description' in schema)
            ? message
            : `has the wrong form: ${String(schema.description)}`,
        ],
      ];
    case 'type':
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
      return [['', `must be ${wanted(schema)}`]];
    case 'minItems':
      return [['', 'must not be empty']];
    default:
      return [['', message]];
  }
}

const TYPES: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  string: 'a text; put it in quotes',
  array: 'a list, as in [a, b]',
  object: 'a group of keys and values',
  boolean: 'true or false',
};

const BOUNDS = { minimum: 'at least', exclusiveMinimum: 'more than', maximum: 'at most' };

/** What the schema asks for, with its bounds. */
function wanted(schema: TSchema | undefined): string {
  const { type, ...rest } = asRecord(schema);
  const bounds = Object.entries(BOUNDS).flatMap(([keyword, words]) =>
    typeof rest[keyword] === 'number' ? [`${words} ${rest[keyword]}`] : [],
  );
  const noun = typeof type === 'string' ? (TYPES[type] ?? type) : 'of another type';
  return bounds.length === 0 ? noun : `${noun}, ${bounds.join(' and ')}`;
}

/** Suggests only what is near enough to be meant: at most a third of the letters differ, or two. */
export function unknownKey(key: string, known: readonly string[]): string {
  const nearest = nearestOf(key, known);
  const list = known.length <= 12 ? `; known here: ${known.join(', ')}` : '';
  return nearest === undefined ? `is not known${list}` : `is not known; did you mean "${nearest}"?`;
}

export function nearestOf(word: string, known: readonly string[]): string | undefined {
  const lower = known.map((each) => each.toLowerCase());
  if (lower.length === 0) return undefined;
  const nearest = closest(word.toLowerCase(), lower);
  return distance(word.toLowerCase(), nearest) <= Math.max(2, Math.floor(word.length / 3))
    ? known[lower.indexOf(nearest)]
    : undefined;
}

/** The schema a path like `#/properties/server` names. */
function schemaAt(schema: TSchema, path: string): TSchema | undefined {
  let at: unknown = schema;
  for (const part of path.split('/').slice(1)) {
    at = asRecord(at)[part.replaceAll('~1', '/').replaceAll('~0', '~')];
    if (at === undefined) return undefined;
  }
  return typeof at === 'object' && at !== null ? at : undefined;
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
