/**
 * What a schema cannot say of an agent's tools: that their names differ, that the API is there and takes the method, that what a path or a
 * query names is an argument, and that the schema of the arguments is one. Every problem is told at once, with its place.
 */
import { isStorable } from '#core/storable-text';
import type { AgentSettings, AgentTool, ExternalTool } from '#contract/agents';
import type { External } from '#contract/external';
import type { Issue } from './validation.ts';
import { InvalidInput } from './validation.ts';

const TYPES: readonly unknown[] = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'];
const MEMORY_TOOLS = ['remember', 'recall'];
/** A part of a path that is an argument; and one that has a brace and is none. */
const PLACE = /^\{([^{}]+)\}$/;

/** Throws `InvalidInput`. */
export function checkAgent({ model, tools, memory }: AgentSettings, external: Pick<External, 'list'>): void {
  const issues: Issue[] = [];
  const say = (path: string, message: string): void => void issues.push({ in: 'body', path, message });
  if (model.startsWith('agent:')) say('model', 'must be a route or a model; an agent cannot stand on another agent');
  const taken = new Set<string>();
  for (const [index, tool] of tools.entries()) {
    const at = `tools[${index}]`;
    for (const name of tool.kind === 'memory' ? MEMORY_TOOLS : [tool.name]) {
      if (taken.has(name)) say(at, `gives the model a second tool named "${name}"`);
      taken.add(name);
    }
    if (tool.kind === 'memory') {
      if (memory.scope === 'none') say(at, 'needs a memory: memory.scope is "none"');
      continue;
    }
    checkParameters(tool.parameters, `${at}.parameters`, say);
    if (tool.kind === 'external') checkExternal(tool, at, external, say);
  }
  if (issues.length > 0) throw new InvalidInput(issues.slice(0, ISSUES_MAX), false);
}

const ISSUES_MAX = 20;

type Say = (path: string, message: string) => void;

function checkExternal(tool: ExternalTool, at: string, external: Pick<External, 'list'>, say: Say): void {
  const api = external.list().find(({ name }) => name === tool.api);
  if (api === undefined) say(`${at}.api`, 'names no external API; GET /api/external lists them');
  else if (!api.methods.includes(tool.method))
    say(`${at}.method`, `is not among those that the API takes: ${api.methods.join(', ')}`);
  const known = argumentsOf(tool);
  const segments = tool.path.split('/');
  if (segments[0] !== '' || /[?#\\\s]|[^\x20-\x7e]/.test(tool.path))
    say(`${at}.path`, 'must begin with "/" and hold neither a query nor blanks; write other characters as %XX');
  if (segments.some((segment) => segment === '.' || segment === '..'))
    say(`${at}.path`, 'must not hold "." or ".." as a part');
  for (const segment of segments.filter((each) => /[{}]/.test(each))) {
    const name = PLACE.exec(segment)?.[1];
    if (name === undefined) say(`${at}.path`, 'takes an argument only as a whole part: "/orders/{number}"');
    else if (!known.required.includes(name))
      say(`${at}.path`, `names "${name}", which parameters.properties and parameters.required must both have`);
  }
  for (const [index, name] of (tool.query ?? []).entries())
    if (!known.names.includes(name)) say(`${at}.query[${index}]`, 'is not in parameters.properties');
}

function argumentsOf({ parameters }: Exclude<AgentTool, { kind: 'memory' }>) {
  const names = isRecord(parameters['properties']) ? Object.keys(parameters['properties']) : [];
  const required = Array.isArray(parameters['required']) ? (parameters['required'] as readonly unknown[]) : [];
  return { names, required: names.filter((name) => required.includes(name)) };
}

function checkParameters(parameters: Readonly<Record<string, unknown>>, at: string, say: Say): void {
  if (parameters['type'] !== 'object') say(`${at}.type`, 'must be "object"');
  if (hasUnstorableName(parameters)) say(at, 'has a name with U+0000 or half a surrogate pair in it');
  checkSchema(parameters, at, say);
}

/** No database takes such a name, wherever it stands; a value that is like it is mended where it is kept. */
function hasUnstorableName(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([name, inner]) => !isStorable(name) || hasUnstorableName(inner));
}

/** The keywords that the hub reads; depth and size are those of the body. */
function checkSchema(schema: unknown, at: string, say: Say): void {
  if (typeof schema === 'boolean') return;
  if (!isRecord(schema)) return say(at, 'must be a JSON Schema: an object, true or false');
  const { type, properties, required, items, enum: allowed, $ref, additionalProperties } = schema;
  const types: readonly unknown[] = Array.isArray(type) ? type : type === undefined ? [] : [type];
  if (types.some((each) => !TYPES.includes(each))) say(`${at}.type`, `must be among ${TYPES.join(', ')}`);
  if (allowed !== undefined && !(Array.isArray(allowed) && allowed.length > 0))
    say(`${at}.enum`, 'must be an array that is not empty');
  if ($ref !== undefined && !(typeof $ref === 'string' && $ref.startsWith('#')))
    say(`${at}.$ref`, 'must lead to a place inside the schema: "#/$defs/…"');
  const names = isRecord(properties) ? Object.keys(properties) : [];
  if (required !== undefined && !(Array.isArray(required) && required.every((each) => typeof each === 'string')))
    say(`${at}.required`, 'must be an array of names');
  else if (properties !== undefined && Array.isArray(required) && !required.every((each) => names.includes(each)))
    say(`${at}.required`, 'names what is not in properties');
  for (const keyword of ['properties', '$defs', 'definitions']) checkEach(schema[keyword], `${at}.${keyword}`, say);
  for (const keyword of ['anyOf', 'oneOf', 'allOf']) checkList(schema[keyword], `${at}.${keyword}`, say);
  if (items !== undefined) checkSchema(items, `${at}.items`, say);
  if (additionalProperties !== undefined) checkSchema(additionalProperties, `${at}.additionalProperties`, say);
}

function checkEach(schemas: unknown, at: string, say: Say): void {
  if (schemas === undefined) return;
  if (!isRecord(schemas)) return say(at, 'must be an object of schemas');
  for (const [name, schema] of Object.entries(schemas))
    checkSchema(schema, `${at}.${name.slice(0, NAME_CHARS_MAX)}`, say);
}

function checkList(schemas: unknown, at: string, say: Say): void {
  if (schemas === undefined) return;
  if (!Array.isArray(schemas) || schemas.length === 0) return say(at, 'must be an array of schemas');
  for (const [index, schema] of schemas.entries()) checkSchema(schema, `${at}[${index}]`, say);
}

const NAME_CHARS_MAX = 64;

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
