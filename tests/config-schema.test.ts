/** `schema/config.json` as an editor uses it: it explains every key, and accepts and refuses what the hub does. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import { Ajv } from 'ajv';

const schema: unknown = JSON.parse(await readFile(new URL('../schema/config.json', import.meta.url), 'utf8'));
const validate = new Ajv({ strict: true, strictTypes: false, allErrors: true }).compile(Object(schema));

it('every key has a description, and every secret says that it is one', () => {
  const undescribed: string[] = [];
  const secrets: string[] = [];
  walk(schema, '', (path, { description, writeOnly }) => {
    if (typeof description !== 'string' || description.length < 5) undescribed.push(path);
    if (writeOnly === true) secrets.push(path);
    assert.equal(writeOnly === true, /A secret: better a reference/.test(String(description)), path);
  });
  assert.deepEqual(undescribed, []);
  // Several provider kinds have a key.
  assert.deepEqual(
    [...new Set(secrets)],
    [
      '/storage/url',
      '/redis/cacheUrl',
      '/redis/stateUrl',
      '/telemetry/traces/headers/*',
      '/providers/*/apiKey',
      '/providers/*/headers/*',
      '/providers/*/bearerToken',
      '/external/*/credentials/bearer',
      '/external/*/credentials/basic/password',
      '/external/*/credentials/headers/*',
    ],
  );
});

it('an empty file and empty sections are accepted, since everything has a default', () => {
  for (const value of [{}, { server: {}, storage: { pool: {} }, resilience: { breaker: {} } }])
    assert.ok(validate(value), JSON.stringify(validate.errors));
});

it('a reference is accepted wherever a number, a word or an address of some form is', () => {
  const value = {
    server: { port: '${PORT}', bodyBytesMax: '${MAX:-2048}' },
    storage: { url: '${DATABASE_URL}' },
    logging: { level: '${LEVEL:-info}' },
    providers: { a: { kind: 'openai-compatible', baseUrl: '${URL}', apiKey: '${KEY}' } },
    routes: { m: { groups: [[{ provider: 'a', model: 'm', weight: '${WEIGHT}' }]] } },
    external: {
      a: { baseUrl: '${URL}', timeoutMs: '${MS}', allowPrivate: '${PRIVATE}', credentials: { bearer: '${KEY}' } },
    },
  };
  assert.ok(validate(value), JSON.stringify(validate.errors));
});

it('what the hub refuses is refused: unknown keys, wrong types, bounds, forms, what is missing', () => {
  for (const value of [
    { sever: {} },
    { server: { prot: 1 } },
    { server: { port: '80' } },
    { server: { port: 70_000 } },
    { storage: { url: 'mysql://h/d' } },
    { logging: { level: 'loud' } },
    { providers: { a: { kind: 'openai-compatible' } } },
    { providers: { a: { kind: 'nonsense' } } },
    { routes: { m: {} } },
    { external: { a: {} } },
    { external: { a: { baseUrl: 'https://me@a' } } },
    { external: { a: { baseUrl: 'https://a', method: ['GET'] } } },
    { external: { a: { baseUrl: 'https://a', requestHeaders: ['cookie'] } } },
    { routes: { m: { groups: [[]] } } },
    { routes: { m: { groups: [[{ model: 'm' }]] } } },
  ])
    assert.ok(!validate(value), JSON.stringify(value));
});

/** Visits each property, and each value under a name of one's own. */
function walk(node: unknown, path: string, visit: (path: string, schema: Record<string, unknown>) => void): void {
  const { properties, patternProperties, items, anyOf } = recordOf(node);
  for (const [name, inner] of Object.entries(recordOf(properties))) {
    visit(`${path}/${name}`, recordOf(inner));
    walk(inner, `${path}/${name}`, visit);
  }
  for (const inner of Object.values(recordOf(patternProperties))) {
    if (recordOf(inner)['anyOf'] === undefined) visit(`${path}/*`, recordOf(inner));
    walk(inner, `${path}/*`, visit);
  }
  for (const inner of Array.isArray(anyOf) ? anyOf : []) walk(inner, path, visit);
  if (items !== undefined) walk(items, path, visit);
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
