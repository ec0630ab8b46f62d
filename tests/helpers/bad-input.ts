/**
 * What every HTTP operation must refuse, and how: made from the list of operations, so that a new one is covered by itself.
 * Runs against any server of them, the bare http room or a whole hub.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { TSchema } from 'typebox';
import { Check } from 'typebox/value';
import { limits } from '#core/limits';
import type { Scope } from '#contract/gateway';
import type { Operation } from '#http/operation';
import { operationsAt } from '#http/paths';
import { operations } from '#http/routes/index';

export interface Target {
  readonly url: string;
  readonly keys: Readonly<Record<Scope, string>>;
  readonly bodyBytesMax: number;
}

interface Case {
  readonly name: string;
  readonly status: number | readonly number[];
  readonly method?: string;
  readonly path?: string;
  /** Appended to the path. */
  readonly query?: string;
  /** Whose key is sent: an administrator's where it is not given. */
  readonly scope?: Scope;
  readonly headers?: Record<string, string | undefined>;
  readonly body?: string | Uint8Array;
  /** What the error must name. */
  readonly names?: string;
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Runs every case as a subtest; returns how many there were, so that a caller can tell that the list was not empty. */
export async function refuseBadInput(t: TestContext, target: Target): Promise<number> {
  let count = 0;
  for (const operation of operations) {
    await t.test(`${operation.method} ${operation.path}`, async (st) => {
      for (const each of casesOf(operation, target)) {
        count++;
        await st.test(each.name, () => refuse(operation, each, target));
      }
    });
  }
  return count;
}

async function refuse(operation: Operation, given: Case, { url, keys }: Target): Promise<void> {
  const hasBody = given.body !== undefined;
  const all = {
    authorization: `Bearer ${keys[given.scope ?? 'admin']}`,
    ...(hasBody ? { 'content-type': 'application/json' } : {}),
    ...given.headers,
  };
  const headers = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const path = `${given.path ?? pathOf(operation)}${given.query ?? ''}`;
  const response = await fetch(`${url}${path}`, {
    method: given.method ?? operation.method,
    headers,
    ...(hasBody ? { body: given.body } : {}),
  });
  const text = await response.text();
  const expected = typeof given.status === 'number' ? [given.status] : given.status;
  assert.ok(expected.includes(response.status), `${response.status} instead of ${expected.join(' or ')}: ${text}`);
  assertHonestError(path, response, text);
  if (given.names !== undefined) assert.ok(text.includes(given.names), `does not name ${given.names}: ${text}`);
  if (response.status === 405) assert.match(response.headers.get('allow') ?? '', new RegExp(operation.method));
  if (response.status === 401) assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer/);
}

/** In the surface's own form, with a message, without a word of the framework or a stack. */
function assertHonestError(path: string, response: Response, text: string): void {
  assert.match(response.headers.get('x-request-id') ?? '', /\S/);
  assert.doesNotMatch(text, /FST_|node_modules|\n\s+at |\.ts:\d/);
  const body: unknown = JSON.parse(text);
  assert.ok(isRecord(body));
  if (path.startsWith('/v1')) {
    assert.equal(response.headers.get('content-type'), 'application/json');
    assert.ok(isRecord(body['error']));
    assert.match(String(body['error']['message']), /\S/);
    if (path.startsWith('/v1/messages')) {
      assert.match(String(body['error']['type']), /_error$|^request_too_large$/);
      assert.deepEqual([body['type'], body['request_id']], ['error', response.headers.get('x-request-id')]);
    } else {
      assert.match(String(body['error']['type']), /_error$/);
      assert.ok('param' in body['error'] && 'code' in body['error']);
    }
  } else {
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
    assert.equal(body['status'], response.status);
    assert.match(String(body['detail']), /\S/);
    assert.match(String(body['code']), /^[a-z_]+$/);
  }
}

function* casesOf(operation: Operation, target: Target): Generator<Case> {
  const path = pathOf(operation);
  for (const method of otherMethods(operation))
    yield { name: `${method} is no method of this path`, method, status: 405 };
  yield { name: 'a path below it that is none', path: `${path.replace(/\/$/, '')}/no/such/thing`, status: [404, 405] };
  yield { name: 'a path that is no UTF-8', path: `${path.replace(/\/$/, '')}/%E0%A4`, status: 400 };
  yield* accessCases(operation);
  yield* queryCases(operation);
  if (operation.body !== undefined) {
    yield* rawBodyCases(operation, target);
    yield* fieldCases(operation, operation.body);
  }
}

function* accessCases({ access }: Operation): Generator<Case> {
  if (typeof access === 'string') return;
  yield { name: 'no key', headers: { authorization: undefined }, status: 401 };
  yield { name: 'an unknown key', headers: { authorization: 'Bearer rvk_unknown' }, status: 401 };
  yield { name: 'a key in another scheme', headers: { authorization: 'Basic cnZrOng=' }, status: 401 };
  for (const scope of ['chat', 'read', 'external'] as const) {
    if (access.includes(scope)) continue;
    yield { name: `a key with the scope ${scope} only`, scope, status: 403 };
  }
}

function* queryCases({ query, body, bodyExample }: Operation): Generator<Case> {
  if (query === undefined) return;
  const good = body === undefined ? {} : { body: JSON.stringify(bodyExample) };
  yield { name: 'an unknown query parameter', query: '?nonsense=1', ...good, status: 400, names: 'nonsense' };
  if (!('limit' in propertiesOf(query))) return;
  for (const bad of ['0', '201', 'x', '-1', '1.5', '']) {
    yield { name: `limit=${bad}`, query: `?limit=${bad}`, status: 400, names: 'limit' };
  }
  yield { name: 'limit twice', query: '?limit=1&limit=2', status: 400, names: 'limit' };
}

function* rawBodyCases(operation: Operation, { bodyBytesMax }: Target): Generator<Case> {
  const good = JSON.stringify(operation.bodyExample);
  const depth = limits.jsonDepthMax + 1;
  yield { name: 'no body', status: 400 };
  yield { name: 'an empty body', body: '', headers: { 'content-type': 'application/json' }, status: 400 };
  yield { name: 'half a body', body: good.slice(0, -1), status: 400, names: 'ends too early' };
  yield { name: 'bad JSON', body: `${good.slice(0, -1)},}`, status: 400, names: 'position' };
  yield { name: 'two bodies', body: `${good}${good}`, status: 400, names: 'position' };
  yield { name: 'no object', body: '[]', status: 400, names: 'object' };
  yield {
    name: 'bad UTF-8',
    body: Buffer.concat([Buffer.from('{"'), Buffer.from([0xc3, 0x28]), Buffer.from('":1}')]),
    status: 400,
    names: 'UTF-8',
  };
  yield {
    name: 'nesting one level over',
    body: `{"x":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`,
    status: 400,
    names: 'nested',
  };
  yield { name: 'nesting without end', body: '['.repeat(8_000), status: 400, names: 'nested' };
  yield { name: 'a key named __proto__', body: `{"__proto__":{},${good.slice(1)}`, status: 400, names: '__proto__' };
  yield {
    name: 'a key named __proto__ in escapes',
    body: `{"\\u005f_proto__":{},${good.slice(1)}`,
    status: 400,
    names: '__proto__',
  };
  yield {
    name: 'one byte over the limit',
    body: good.padEnd(bodyBytesMax + 1),
    status: 413,
    names: String(bodyBytesMax),
  };
  yield { name: 'no content type', body: Buffer.from(good), headers: { 'content-type': undefined }, status: 415 };
  yield { name: 'a form', body: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' }, status: 415 };
  yield { name: 'a content type that is none', body: good, headers: { 'content-type': 'json' }, status: 415 };
  yield {
    name: 'another charset',
    body: good,
    headers: { 'content-type': 'application/json; charset=latin1' },
    status: 415,
  };
  yield { name: 'a compressed body', body: good, headers: { 'content-encoding': 'gzip' }, status: 415 };
}

/** Each field once of a wrong type, each required one once missing, and where the operation is strict one that it does not know. */
function* fieldCases(operation: Operation, schema: TSchema): Generator<Case> {
  const good = operation.bodyExample;
  assert.ok(isRecord(good), `${operation.id} has an example of its body`);
  for (const [name, property] of Object.entries(propertiesOf(schema))) {
    const bad = [{ no: 'such' }, 'wrong', 12.5, true, [], null].find((value) => !Check(property, value));
    if (bad === undefined) continue;
    yield { name: `${name} of a wrong type`, body: JSON.stringify({ ...good, [name]: bad }), status: 400, names: name };
  }
  for (const name of 'required' in schema && Array.isArray(schema.required) ? schema.required : []) {
    const body = Object.fromEntries(Object.entries(good).filter(([key]) => key !== name));
    yield { name: `${name} missing`, body: JSON.stringify(body), status: 400, names: `${name} is required` };
  }
  if ('additionalProperties' in schema && schema.additionalProperties === false) {
    yield { name: 'an unknown field', body: JSON.stringify({ ...good, nonsense: 1 }), status: 400, names: 'nonsense' };
  }
}

/** A path with an id may stand for this one too: `/conversations/{id}` for `/conversations/export`. */
function otherMethods(operation: Operation): string[] {
  const here = new Set<string>(operationsAt(operations, pathOf(operation)).map(({ method }) => method));
  return METHODS.filter((method) => !here.has(method));
}

/** The path with the documented examples in it. */
function pathOf({ path, params }: Operation): string {
  return path.replace(/\{(\w+)\+?\}/g, (_all, name: string) => {
    const property = params === undefined ? undefined : propertiesOf(params)[name];
    const examples: unknown = property !== undefined && 'examples' in property ? property.examples : undefined;
    return Array.isArray(examples) ? String(examples[0]) : 'example';
  });
}

function propertiesOf(schema: TSchema): Record<string, TSchema> {
  return 'properties' in schema && isRecord(schema.properties) ? (schema.properties as Record<string, TSchema>) : {};
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
