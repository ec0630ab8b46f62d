/** What the fuzzer reads out of an OpenAPI document: its operations, and requests for one of them. */
import type { Chance, Schema } from './values.ts';
import { isSchema, oddValue, valueOf } from './values.ts';

export interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  readonly schema: Schema;
}

export interface Operation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly body: { readonly type: string; readonly schema: Schema; readonly example: unknown } | null;
  /** By status; `default` is the error. */
  readonly responses: Readonly<Record<string, Schema>>;
}

export interface FuzzRequest {
  readonly operation: Operation;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

export function operationsOf(document: Schema): Operation[] {
  const paths = isSchema(document['paths']) ? document['paths'] : {};
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(isSchema(methods) ? methods : {}).map(([method, given]) => operationOf(path, method, given)),
  );
}

function operationOf(path: string, method: string, given: unknown): Operation {
  const { operationId, parameters, requestBody, responses } = isSchema(given) ? given : {};
  const content =
    isSchema(requestBody) && isSchema(requestBody['content']) ? Object.entries(requestBody['content'])[0] : undefined;
  return {
    id: String(operationId),
    method: method.toUpperCase(),
    path,
    parameters: (Array.isArray(parameters) ? parameters : []).filter(isSchema).map((parameter) => ({
      name: String(parameter['name']),
      in: String(parameter['in']),
      required: parameter['required'] === true,
      schema: isSchema(parameter['schema']) ? { ...parameter['schema'], examples: [parameter['example']] } : {},
    })),
    body:
      content === undefined || !isSchema(content[1])
        ? null
        : {
            type: content[0],
            schema: isSchema(content[1]['schema']) ? content[1]['schema'] : {},
            example: content[1]['example'],
          },
    responses: Object.fromEntries(
      Object.entries(isSchema(responses) ? responses : {}).flatMap(([status, value]) =>
        isSchema(value) ? [[status, value]] : [],
      ),
    ),
  };
}

export interface Named {
  readonly name: string;
  readonly value: string;
}

/** What earlier answers told: ids, names, keys. */
export class Known {
  /** What there is from the start, and is never forgotten. */
  readonly #given: readonly Named[];
  readonly #learned: Named[] = [];
  readonly #spared: readonly string[];
  static readonly #NAMES = new Set(['id', 'key', 'name', 'runId', 'model', 'breaker']);

  /** `spared`: what must not be touched. */
  constructor(given: readonly Named[], spared: readonly string[]) {
    this.#given = given;
    this.#spared = spared;
  }

  get #values(): readonly Named[] {
    return [...this.#given, ...this.#learned];
  }

  add(name: string, value: string): void {
    if (!Known.#NAMES.has(name) || value.length > 200 || this.#values.some((known) => known.value === value)) return;
    if (this.#spared.includes(value)) return;
    this.#learned.push({ name, value });
    if (this.#learned.length > 100) this.#learned.splice(this.#learned.length / 2, 1);
  }

  learn(value: unknown, depth = 0): void {
    if (depth > 6) return;
    if (Array.isArray(value)) for (const each of value.slice(0, 20)) this.learn(each, depth + 1);
    else if (isSchema(value))
      for (const [name, inner] of Object.entries(value))
        if (typeof inner === 'string') this.add(name, inner);
        else this.learn(inner, depth + 1);
  }

  /** For this parameter: something of its name, like its example where there is one. */
  pick(parameter: Parameter | undefined, chance: Chance): string {
    const kind = /^[a-z]{3}_/.exec(exampleOf(parameter) ?? '')?.[0];
    const values = this.#values;
    const narrowed = [
      values.filter(({ value }) => kind !== undefined && value.startsWith(kind)),
      values.filter(({ name }) => name === parameter?.name),
      values,
    ].find((some) => some.length > 0);
    return narrowed === undefined ? 'unknown' : chance.pick(narrowed).value;
  }
}

/** Nothing odd in it: the documented example, and ids that exist. */
export function goodRequest(operation: Operation, known: Known, chance: Chance): FuzzRequest {
  const { method, body, parameters } = operation;
  const optional = parameters.filter((each) => each.in === 'query' && !each.required && exampleOf(each) !== undefined);
  // Some take exactly one of several.
  const one = optional.length > 0 && chance.oneIn(2) ? chance.pick(optional) : undefined;
  const query = parameters
    .filter((parameter) => parameter.in === 'query' && (parameter.required || parameter === one))
    .map((parameter) => `${encoded(parameter.name)}=${encoded(exampleOf(parameter) ?? known.pick(parameter, chance))}`);
  return {
    operation,
    method,
    path:
      pathOf(operation, (parameter) => known.pick(parameter, chance)) +
      (query.length === 0 ? '' : `?${query.join('&')}`),
    headers: body === null ? {} : { 'content-type': typeOf(body.type) },
    body: body === null ? null : textOf(body.example ?? valueOf(body.schema, chance, Infinity)),
  };
}

/** Somewhere, or everywhere, a little wrong. */
export function oddRequest(operation: Operation, known: Known, chance: Chance): FuzzRequest {
  const oddIn = chance.pick([3, 10, 40]);
  const { body, parameters } = operation;
  const query = parameters
    .filter((parameter) => parameter.in === 'query' && chance.oneIn(2))
    .map(({ name, schema }) => `${encoded(name)}=${encoded(String(valueOf(schema, chance, oddIn)))}`);
  if (chance.oneIn(oddIn)) query.push(...query, `${encoded(chance.oddText().slice(0, 50))}=1`);
  const headers: Record<string, string> = {};
  for (const { name, schema } of parameters.filter((parameter) => parameter.in === 'header' && chance.oneIn(8)))
    headers[name] = headerText(chance.oneIn(3) ? chance.oddText() : String(valueOf(schema, chance, oddIn)));
  const good = goodRequest(operation, known, chance);
  const type = chance.oneIn(10)
    ? chance.pick(['text/plain', 'application/json; charset=utf-16', '', 'a/b/c'])
    : typeOf(body?.type);
  return {
    ...good,
    method: chance.oneIn(40) ? chance.pick(['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD']) : good.method,
    path:
      pathOf(operation, (parameter) =>
        chance.oneIn(3) ? chance.oddText().slice(0, 2_000) : known.pick(parameter, chance),
      ) + (query.length === 0 ? '' : `?${query.join('&')}`),
    headers: {
      ...(chance.oneIn(8) ? oddHeaders(chance) : {}),
      ...headers,
      ...(body === null && !chance.oneIn(20) ? {} : { 'content-type': headerText(type) }),
    },
    body: body === null ? (chance.oneIn(20) ? '{}' : null) : oddBody(body, chance, oddIn),
  };
}

function oddBody(body: NonNullable<Operation['body']>, chance: Chance, oddIn: number): string {
  const value =
    chance.oneIn(2) && isSchema(body.example) ? spoilt(body.example, chance) : valueOf(body.schema, chance, oddIn);
  const text = textOf(value);
  if (!chance.oneIn(12)) return text;
  return chance.pick([
    text.slice(0, chance.below(text.length + 1)),
    `${text}}`,
    `\uFEFF${text}`,
    text.replaceAll('"', "'"),
    '',
  ]);
}

/** The example with one of its fields exchanged, left out or doubled. */
function spoilt(example: Schema, chance: Chance): unknown {
  const names = Object.keys(example);
  const name = names.length === 0 ? 'x' : chance.pick(names);
  return chance.pick<() => unknown>([
    () => ({ ...example, [name]: oddValue(chance) }),
    () => Object.fromEntries(Object.entries(example).filter(([each]) => each !== name)),
    () => ({ ...example, [chance.oddText()]: oddValue(chance) }),
    () => ({ ...example, stream: true }),
  ])();
}

function oddHeaders(chance: Chance): Record<string, string> {
  const name = chance.pick([
    'accept',
    'accept-encoding',
    'traceparent',
    'x-request-id',
    'idempotency-key',
    'last-event-id',
    'content-encoding',
    'origin',
    'x-revoagent-order',
  ]);
  return { [name]: headerText(chance.oddText()) };
}

function exampleOf(parameter: Parameter | undefined): string | undefined {
  const examples = parameter?.schema['examples'];
  const example: unknown = Array.isArray(examples) ? examples[0] : undefined;
  return typeof example === 'string' ? example : undefined;
}

function pathOf({ path, parameters }: Operation, value: (parameter: Parameter | undefined) => string): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encoded(value(parameters.find((parameter) => parameter.in === 'path' && parameter.name === name))),
  );
}

function typeOf(type = 'application/json'): string {
  return type === '*/*' ? 'application/octet-stream' : type;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'null');
}

/** Half a surrogate pair has no UTF-8: a client cannot send it. */
function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** What a client may put into a header at all. */
function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 4_000);
}
