/** `config print`: every value under the name its file gives it, with its origin; a secret nowhere, in no way of showing it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { inspect } from 'node:util';
import { loadText as load } from '../../tests/helpers/config-text.ts';
import { ConfigError, printedValues } from './index.ts';

const SECRETS = ['pass-in-url', 'key-of-provider', 'value-of-header', 'value-of-odd-header'];
const TEXT = `
storage: { url: "postgres://me:pass-in-url@host/name" }
providers:
  a.b:
    kind: openai-compatible
    baseUrl: http://127.0.0.1:1/v1
    apiKey: key-of-provider
    headers: { x.y: value-of-header, "z/~w": value-of-odd-header }
routes:
  gpt-4o.mini: { groups: [[{ provider: a.b, model: m }]] }
`;

it('shows no secret, however deep it stands and however it is turned into text', (t) => {
  const loaded = load(t, TEXT);
  const values = printedValues(loaded);
  const redacted = values.filter(({ value }) => value === '[redacted]').map(({ path: at }) => at);
  assert.deepEqual(redacted, [
    'storage.url',
    'providers.a.b.apiKey',
    'providers.a.b.headers.x.y',
    'providers.a.b.headers.z/~w',
  ]);
  for (const text of [JSON.stringify(values), JSON.stringify(loaded.config), inspect(loaded, { depth: 20 })])
    for (const secret of SECRETS) assert.ok(!text.includes(secret), `${secret} in ${text}`);
});

it('names each value as the file does, with the line it came from or the default', (t) => {
  const origins = new Map(printedValues(load(t, TEXT)).map(({ path: at, value, origin }) => [at, [value, origin]]));
  assert.deepEqual(origins.get('storage.url'), ['[redacted]', 'revoagent.yaml:2']);
  assert.deepEqual(origins.get('providers.a.b.baseUrl'), ['http://127.0.0.1:1/v1', 'revoagent.yaml:6']);
  assert.deepEqual(origins.get('providers.a.b.headers.x.y'), ['[redacted]', 'revoagent.yaml:8']);
  assert.deepEqual(origins.get('providers.a.b.maxConnections'), [512, 'default']);
  assert.deepEqual(origins.get('routes.gpt-4o.mini.groups[0][0].model'), ['m', 'revoagent.yaml:10']);
  assert.deepEqual(origins.get('routes.gpt-4o.mini.groups[0][0].weight'), [1, 'default']);
  assert.deepEqual(origins.get('server.port'), [12_001, 'default']);
});

it('stands in the order of the schema, wherever a value came from', (t) => {
  const paths = printedValues(load(t, `${TEXT}server: { port: 1 }\n`)).map(({ path: at }) => at);
  assert.deepEqual(paths.slice(0, 2), ['server.host', 'server.port']);
});

it('says of what was found in the environment where it was found', (t) => {
  const values = printedValues(load(t, '', { env: { OPENAI_API_KEY: 'key-of-provider' } }));
  const key = values.find(({ path: at }) => at === 'providers.openai.apiKey');
  assert.deepEqual(key, { path: 'providers.openai.apiKey', value: '[redacted]', origin: 'OPENAI_API_KEY' });
});

it('errors repeat no secret, whatever is wrong with it or beside it', (t) => {
  const wrong = TEXT.replace('postgres://me', 'mysql://me')
    .replace('http://127', 'http://key-of-provider@127')
    .replace('value-of-header', '[value-of-header]')
    .replace('apiKey: key-of-provider', 'apikey: key-of-provider');
  assert.throws(
    () => load(t, wrong),
    (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.problems.length, 4, error.message);
      const text = JSON.stringify(error.problems) + inspect(error, { depth: 20 });
      for (const secret of SECRETS) assert.ok(!text.includes(secret), `${secret} in ${text}`);
      return true;
    },
  );
});
