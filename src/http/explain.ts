/**
 * Why a value does not match a schema, in words. Reads the part of JSON Schema that our operations use; runs only for input
 * that the compiled validator refused. Bounded in problems and, because schemas are not recursive, in depth.
 */
import type { TSchema } from 'typebox';
import { IsDateTime } from 'typebox/format';

const ISSUES_MAX = 20;
/** A name in a message: an unknown field's name is the caller's text. */
const NAME_CHARS_MAX = 64;

type Json = Readonly<Record<string, unknown>>;

interface Issue {
  /** `messages[2].role`; empty for the whole. */
  readonly path: string;
  readonly message: string;
  /** The schema knows no such field. */
  readonly unknown: boolean;
}

/** At least one problem, at most 20. */
export function explain(schema: TSchema, value: unknown): Issue[] {
  const issues: Issue[] = [];
  collect(schema, value, '', issues);
  // The compiled validator said no: a rule this file cannot put into words must still not pass.
  if (issues.length === 0) issues.push({ path: '', message: 'does not match its schema', unknown: false });
  return issues.slice(0, ISSUES_MAX);
}

function collect(schema: unknown, value: unknown, path: string, issues: Issue[]): void {
  if (!isRecord(schema) || issues.length >= ISSUES_MAX) return;
  const say = (message: string): void => void issues.push({ path, message, unknown: false });
  const branches = listOf(schema['anyOf']);
  if (branches !== null) {
    collectBranch(branches, value, path, issues);
    return;
  }
  const allowed = listOf(schema['enum']);
  if (allowed !== null) {
    if (!allowed.includes(value)) say(`must be one of ${allowed.map((each) => JSON.stringify(each)).join(', ')}`);
    return;
  }
  if ('const' in schema) {
    if (schema['const'] !== value) say(`must be ${JSON.stringify(schema['const'])}`);
    return;
  }
  const type = schema['type'];
  if (typeof type === 'string' && !isOfType(type, value)) {
    say(
      value === undefined
        ? `must be ${withArticle(type)}; it is missing`
        : `must be ${withArticle(type)}; it is ${typeName(value)}`,
    );
    return;
  }
  if (typeof value === 'string') collectString(schema, value, say);
  if (typeof value === 'number') collectNumber(schema, value, say);
  if (Array.isArray(value)) collectArray(schema, value, path, issues, say);
  else if (isRecord(value)) collectObject(schema, value, path, issues, say);
}

/** The one branch whose type fits explains itself; otherwise the branches are listed. */
function collectBranch(branches: readonly unknown[], value: unknown, path: string, issues: Issue[]): void {
  const tried = branches.map((branch) => {
    const found: Issue[] = [];
    collect(branch, value, path, found);
    return { branch, found };
  });
  if (tried.some(({ found }) => found.length === 0)) return;
  const fitting = tried.filter(
    ({ branch }) => isRecord(branch) && typeof branch['type'] === 'string' && isOfType(branch['type'], value),
  );
  const [best] = fitting.toSorted((one, other) => one.found.length - other.found.length);
  if (best !== undefined) {
    issues.push(...best.found);
    return;
  }
  const names = branches.map((branch) =>
    isRecord(branch) && typeof branch['type'] === 'string' ? withArticle(branch['type']) : 'another form',
  );
  const all = [...new Set(names)];
  issues.push({ path, message: `must be ${all.join(' or ')}; it is ${typeName(value)}`, unknown: false });
}

function collectString(schema: Json, value: string, say: (message: string) => void): void {
  const { minLength, maxLength, pattern, format } = schema;
  if (format === 'date-time' && !IsDateTime(value)) say('must be a time with its zone: 2026-01-31T12:00:00Z');
  if (typeof minLength === 'number' && value.length < minLength) {
    say(minLength === 1 ? 'must not be empty' : `must have at least ${minLength} characters`);
  }
  if (typeof maxLength === 'number' && value.length > maxLength) say(`must have at most ${maxLength} characters`);
  if (typeof pattern === 'string' && !new RegExp(pattern, 'u').test(value)) {
    say(typeof schema['patternMeaning'] === 'string' ? schema['patternMeaning'] : `must match ${pattern}`);
  }
}

function collectNumber(schema: Json, value: number, say: (message: string) => void): void {
  const { minimum, maximum } = schema;
  if (typeof minimum === 'number' && value < minimum) say(`must be at least ${minimum}`);
  if (typeof maximum === 'number' && value > maximum) say(`must be at most ${maximum}`);
}

function collectArray(
  schema: Json,
  value: readonly unknown[],
  path: string,
  issues: Issue[],
  say: (message: string) => void,
): void {
  const { minItems, maxItems } = schema;
  if (typeof minItems === 'number' && value.length < minItems) {
    say(minItems === 1 ? 'must not be empty' : `must have at least ${minItems} items`);
  }
  if (typeof maxItems === 'number' && value.length > maxItems)
    say(`must have at most ${maxItems} items, and has ${value.length}`);
  for (let index = 0; index < value.length && issues.length < ISSUES_MAX; index++) {
    collect(schema['items'], value[index], `${path}[${index}]`, issues);
  }
}

function collectObject(schema: Json, value: Json, path: string, issues: Issue[], say: (message: string) => void): void {
  const properties = isRecord(schema['properties']) ? schema['properties'] : {};
  for (const name of listOf(schema['required']) ?? []) {
    if (typeof name === 'string' && !Object.hasOwn(value, name)) {
      issues.push({ path: joined(path, name), message: 'is required', unknown: false });
    }
  }
  for (const [name, property] of Object.entries(properties)) {
    if (Object.hasOwn(value, name)) collect(property, value[name], joined(path, name), issues);
  }
  if (typeof schema['minProperties'] === 'number' && Object.keys(value).length < schema['minProperties']) {
    say('must not be empty');
  }
  if (schema['additionalProperties'] !== false) return;
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(properties, name)) continue;
    const known = Object.keys(properties);
    const hint = known.length === 0 ? 'none is known here' : `known are ${known.join(', ')}`;
    issues.push({
      path: joined(path, name.slice(0, NAME_CHARS_MAX)),
      message: `is not a known field; ${hint}`,
      unknown: true,
    });
    if (issues.length >= ISSUES_MAX) return;
  }
}

function joined(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function isOfType(type: string, value: unknown): boolean {
  switch (type) {
    case 'integer':
      return Number.isInteger(value);
    case 'array':
      return Array.isArray(value);
    case 'null':
      return value === null;
    case 'object':
      return isRecord(value);
    default:
      return typeof value === type;
  }
}

function typeName(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return withArticle(typeof value);
}

function withArticle(type: string): string {
  if (type === 'null') return 'null';
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly unknown[] | null {
  return Array.isArray(value) ? value : null;
}
