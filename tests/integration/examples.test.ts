/**
 * Every example of a configuration works as it stands: the command accepts it, an editor's schema accepts it, and a hub that runs
 * with it serves a chat on each of its routes. What is in the folder is run; nothing is listed, so nothing can be forgotten.
 */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { Ajv } from 'ajv';
import type { ValidateFunction } from 'ajv';
import { parse } from 'yaml';
import { loadConfig } from '#config/index';
import type { Config } from '#config/index';
import { generateKey, providerKinds, startHub } from '#hub/index';
import { makeCertificates } from '../helpers/certificates.ts';
import { runCliLines, temporaryFolder } from '../helpers/hub-process.ts';
import type { CliEnd } from '../helpers/hub-process.ts';
import { post } from '../helpers/http-calls.ts';
import { startPostgres } from '../helpers/postgres.ts';
import type { TestPostgres } from '../helpers/postgres.ts';
import { readyDatabase } from '../helpers/ready-database.ts';
import { forTheSuite } from '../helpers/suite.ts';
import type { Cleanup } from '../helpers/suite.ts';
import { startUpstream } from '../helpers/upstream.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const FOLDER = path.join(ROOT, 'examples');
const files = await readdir(FOLDER, { recursive: true, withFileTypes: true });
const names = files
  .filter((file) => file.isFile())
  .map((file) => path.relative(FOLDER, path.join(file.parentPath, file.name)));
const configurations = names.filter((name) => /\.(ya?ml|json)$/.test(name));
const schema: unknown = JSON.parse(await readFile(path.join(ROOT, 'schema/config.json'), 'utf8'));

/** What the examples refer to, at an upstream of the test. */
async function environment(t: Cleanup, baseUrl: string, databaseUrl: string): Promise<Record<string, string>> {
  const dataDir = await temporaryFolder(t);
  const keyFile = path.join(dataDir, 'admin.key');
  await writeFile(keyFile, generateKey(0).text);
  return {
    OPENAI_BASE_URL: baseUrl,
    OPENAI_API_KEY: 'sk-example',
    GROQ_BASE_URL: baseUrl,
    GROQ_API_KEY: 'gsk-example',
    ANTHROPIC_BASE_URL: baseUrl,
    AZURE_OPENAI_ENDPOINT: new URL(baseUrl).origin,
    LOCAL_MODEL_URL: baseUrl,
    GITHUB_API_URL: baseUrl,
    GITHUB_TOKEN: 'ghp-example',
    SLACK_API_URL: baseUrl,
    SLACK_BOT_TOKEN: 'xoxb-example',
    JIRA_URL: baseUrl,
    JIRA_EMAIL: 'me@example.com',
    JIRA_API_TOKEN: 'jira-example',
    DATABASE_URL: databaseUrl,
    // Nobody is there: an example works without it.
    REDIS_URL: 'redis://127.0.0.1:1',
    ...redisFiles(t),
    ADMIN_KEY_FILE: keyFile,
    REVOAGENT_ADMIN_KEY_FILE: keyFile,
    REVOAGENT_DATA_DIR: dataDir,
    REVOAGENT_HOST: '127.0.0.1',
    REVOAGENT_PORT: '0',
  };
}

function redisFiles(t: Cleanup): Record<string, string> {
  const { caFile, certFile, keyFile } = makeCertificates(t);
  return { REDIS_CA_FILE: caFile, REDIS_CERT_FILE: certFile, REDIS_KEY_FILE: keyFile };
}

/** A model name that each route serves. */
function modelsOf({ routes }: Config): string[] {
  return Object.keys(routes).map((route) => route.replace('*', 'test-model'));
}

describe('each example of a configuration', () => {
  const suite = forTheSuite();
  let postgres: TestPostgres;
  let validate: ValidateFunction;
  const checked = new Map<string, CliEnd | undefined>();
  before(async () => {
    postgres = await startPostgres();
    suite.after(() => postgres.close());
    validate = new Ajv({ strict: false, allErrors: true }).compile(Object(schema));
    // What a file is checked for does not depend on who is at the addresses.
    const env = await environment(suite, 'http://127.0.0.1:1/v1', postgres.url);
    const lines = configurations.map((name) => ['config', 'check', '--config', path.join(FOLDER, name)]);
    const ended = await runCliLines(lines, { env });
    for (const [index, name] of configurations.entries()) checked.set(name, ended[index]);
  });

  for (const name of configurations) {
    const file = path.join(FOLDER, name);

    it(`${name} is accepted by the command and serves a chat on each of its routes`, async (t) => {
      const upstream = await startUpstream(t);
      const env = await environment(t, upstream.baseUrl, await postgres.createDatabase());
      assert.deepEqual([checked.get(name)?.code, checked.get(name)?.stderr], [0, '']);

      const { config } = loadConfig({ file, kinds: providerKinds, env });
      for (const { kind, settings } of Object.values(config.providers))
        assert.ok(
          kind === 'simulator' || (settings['baseUrl'] ?? `${String(settings['endpoint'])}/v1`) === upstream.baseUrl,
          'an upstream that no variable sets',
        );
      if (config.storage.url === undefined) await readyDatabase(config.storage.dataDir);
      const hub = await startHub(config, [], { logTo: { write: () => undefined } });
      t.after(() => hub.shutdown('the test is over'));
      const key = (await readFile(env['ADMIN_KEY_FILE'] ?? '', 'utf8')).trim();
      const models = modelsOf(config);
      const cached = Object.entries(config.routes).flatMap(([route, { cache }]) =>
        cache === undefined ? [] : [route],
      );
      for (const model of [...models, ...cached]) {
        const body = { model, messages: [{ role: 'user', content: 'Hello' }] };
        const headers = { authorization: `Bearer ${key}`, connection: 'close' };
        const response = await post(hub, '/v1/chat/completions', body, headers);
        assert.equal(response.status, 200, await response.clone().text());
        assert.match(await response.text(), /All is well\./);
      }
      assert.ok(models.length > 0);
      const simulated = Object.values(config.providers).every(({ kind }) => kind === 'simulator');
      assert.equal(upstream.received.length, simulated ? 0 : models.length, 'what is cached is asked once');
      for (const [api, { baseUrl, methods, paths }] of Object.entries(config.external)) {
        assert.equal(baseUrl, upstream.baseUrl, 'an external API that no variable sets');
        if (!methods.includes('GET')) continue;
        const asked = (paths[0] ?? '').replaceAll(/\*+/g, 'a');
        const response = await fetch(`${hub.url}/api/external/${api}${asked}`, {
          headers: { authorization: `Bearer ${key}` },
        });
        assert.deepEqual([response.status, response.headers.get('x-revoagent-external')], [200, api]);
      }
    });

    it(`${name} is accepted by the schema that editors use`, async () => {
      assert.ok(validate(parse(await readFile(file, 'utf8'))), JSON.stringify(validate.errors, null, 1));
    });
  }
});

it('an example is a configuration, or a program; nothing else lies there unproven', () => {
  assert.ok(configurations.length >= 5, String(configurations));
  const programs = names.filter((name) => /\.(ts|sh)$/.test(name));
  assert.deepEqual(names.toSorted(), [...configurations, ...programs].toSorted());
});

it('the reference holds every key of every section, each at its default where it has one', async (t) => {
  const file = path.join(FOLDER, 'reference.yaml');
  const missing = [...keysOf(schema, parse(await readFile(file, 'utf8')), '')];
  assert.deepEqual(missing, []);
  const env = { ADMIN_KEY_FILE: 'k', DATABASE_URL: 'postgres://h/d', OPENAI_API_KEY: 'k', ...redisFiles(t) };
  const { server, storage, resilience, logging } = loadConfig({ file, kinds: providerKinds, env }).config;
  const defaults = loadConfig({ kinds: providerKinds, env: {}, cwd: import.meta.dirname }).config;
  assert.deepEqual({ ...server, instance: undefined }, { ...defaults.server, instance: undefined });
  assert.deepEqual({ ...storage, url: undefined }, { ...defaults.storage, url: undefined });
  assert.deepEqual([resilience, logging], [defaults.resilience, defaults.logging]);
});

/** The paths of the schema's keys that the value has not; under a name of one's own, some entry must have each. */
function* keysOf(node: unknown, value: unknown, at: string): Generator<string> {
  const { properties, patternProperties, items } = recordOf(node);
  for (const [name, inner] of Object.entries(recordOf(properties))) {
    if (name === '$schema') continue;
    const child = recordOf(value)[name];
    if (child === undefined) yield `${at}/${name}`;
    else yield* keysOf(inner, child, `${at}/${name}`);
  }
  const entries = Object.values(recordOf(value));
  for (const inner of Object.values(recordOf(patternProperties))) {
    const branches: unknown[] = Array.isArray(recordOf(inner)['anyOf'])
      ? Object.values(recordOf(recordOf(inner)['anyOf']))
      : [inner];
    for (const branch of branches) yield* missingInAll(entries.map((entry) => [...keysOf(branch, entry, `${at}/*`)]));
  }
  if (Array.isArray(value) && items !== undefined)
    yield* missingInAll(value.map((item) => [...keysOf(items, item, `${at}/-`)]));
}

/** Not every entry can have every key: some exclude each other. */
function missingInAll([first = [], ...others]: readonly (readonly string[])[]): readonly string[] {
  return first.filter((at) => others.every((missing) => missing.includes(at)));
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
