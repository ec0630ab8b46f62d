/** What a reload reports: every path that differs, as the file names it, and those among them that wait for a restart. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Secret } from '#core/secret';
import { kinds } from '../../tests/helpers/config-text.ts';
import { changesBetween, configJson, loadConfig } from './index.ts';
import type { Config } from './index.ts';

const { config } = loadConfig({ kinds, env: {}, cwd: import.meta.dirname });

function withProvider(apiKey: string, name = 'openai'): Config {
  return { ...config, providers: { [name]: { kind: 'openai-compatible', settings: { apiKey: new Secret(apiKey) } } } };
}

it('nothing differs between a configuration and its copy', () => {
  assert.deepEqual(changesBetween(withProvider('k'), withProvider('k')), { changed: [], needRestart: [] });
});

it('a secret that is another one has changed, and is not told', () => {
  const changes = changesBetween(withProvider('key-one'), withProvider('key-two'));
  assert.deepEqual(changes, { changed: ['providers.openai.apiKey'], needRestart: [] });
});

it('a provider that came or went has changed, without a restart', () => {
  const { changed, needRestart } = changesBetween(withProvider('k'), withProvider('k', 'groq'));
  assert.deepEqual(changed, ['providers.openai', 'providers.groq']);
  assert.deepEqual(needRestart, []);
});

it('routes and the log level are taken up at once', () => {
  const after: Config = {
    ...config,
    routes: { fast: { groups: [[{ provider: 'simulator', model: 'chat' }]] } },
    logging: { ...config.logging, level: 'debug' },
  };
  const { changed, needRestart } = changesBetween(config, after);
  assert.ok(changed.includes('routes.fast') && changed.includes('logging.level'));
  assert.deepEqual(needRestart, []);
});

it('what is built when the process starts needs a restart', () => {
  const { server, storage, resilience, logging } = config;
  const after: Config = {
    ...config,
    server: { ...server, port: 1 },
    storage: { ...storage, url: new Secret('postgres://h/d'), pool: { ...storage.pool, max: 1 } },
    security: { adminKeyFile: 'admin.key' },
    resilience: { ...resilience, sharedEvidence: 'off', breaker: { ...resilience.breaker, failures: 1 } },
    logging: { ...logging, format: 'json' },
  };
  const { changed, needRestart } = changesBetween(config, after);
  assert.deepEqual(needRestart.toSorted(), [
    'logging.format',
    'resilience.breaker.failures',
    'resilience.sharedEvidence',
    'security.adminKeyFile',
    'server.port',
    'storage.pool.max',
    'storage.url',
  ]);
  assert.deepEqual(changed.toSorted(), needRestart.toSorted());
});

/** Handed whole to what is built anew at a reload: the gateway, the external APIs, the rules of limits. */
const BUILT_ANEW = /^(?:providers|routes|prices|limits|external)\./;
/** But a breaker keeps its settings with its state. */
const KEPT = /^external\.\*\.breaker\./;

/** By section, what is read again at a reload, or when it is needed. */
const AT_ONCE: Readonly<Record<string, string>> = {
  server: 'shutdownGraceMs',
  cache: 'ttlMs staleOnErrorMs',
  resilience: 'retryBudget concurrentMax',
  'resilience.retry': 'retries baseMs maxMs',
  'resilience.timeouts': 'connectMs firstTokenMs idleMs totalMs',
  logging: 'level',
};

/** What is read once, when the process starts. */
const AT_START: Readonly<Record<string, string>> = {
  server:
    'host port instance corsOrigins allowedHosts bodyBytesMax headerBytesMax requestReceiveMs requestsInFlightMax compressBytesMin',
  'server.loadShedding': 'enabled queueMs loopDelayMs memoryShareMax',
  'server.webSocket':
    'socketsMax runsMax runsInFlightMax messageBytesMax queueBytesMax authenticateMs pingMs idleMs stalledMs',
  security: 'adminKeyFile',
  storage:
    'url dataDir slowQueryMs auditRetentionDays runRetentionDays usageRetentionDays contentRetentionDays usageMonthRetentionDays conversationRetentionDays memoryRetentionDays revokedKeyRetentionDays',
  'storage.pool': 'max waitMs idleMs statementTimeoutMs mode',
  redis: 'cacheUrl stateUrl',
  'redis.tls': 'caFile certFile keyFile',
  cache: 'memoryBytesMax database waitMs',
  memory: 'embeddingModel timeoutMs',
  resilience: 'sharedEvidence',
  'resilience.breaker': 'failures windowMs minFailureRate minCalls openMs openMsMax',
  logging: 'format',
  'telemetry.traces': 'endpoint ratio headers serviceName timeoutMs',
};

it('every key of the schema is known to be taken up at once or to need a restart: a new one is to be put into a list here', () => {
  const keys = keysOf(JSON.parse(configJson(kinds)), '').filter((key) => key !== '$schema');
  assert.ok(keys.some((key) => BUILT_ANEW.test(key)) && keys.some((key) => KEPT.test(key)));
  const atOnce = namesOf(AT_ONCE);
  const atStart = namesOf(AT_START);
  const decided = keys.filter((key) => !BUILT_ANEW.test(key));
  assert.deepEqual(decided.toSorted(), [...atOnce, ...atStart].toSorted());
  assert.deepEqual(
    keys.filter((key) => changesBetween(withKey(key, 1), withKey(key, 2)).needRestart.length > 0).toSorted(),
    [...atStart, ...keys.filter((key) => KEPT.test(key))].toSorted(),
  );
});

function namesOf(lists: Readonly<Record<string, string>>): string[] {
  return Object.entries(lists).flatMap(([section, names]) => names.split(' ').map((name) => `${section}.${name}`));
}

/** Of a JSON schema, each once; `*` stands for a name of one's own, and what holds nothing else is a key itself. */
function keysOf(schema: unknown, path: string): string[] {
  const { properties, patternProperties, anyOf } = recordOf(schema);
  const entries = Object.values(recordOf(patternProperties)).filter(hasKeys);
  const below = [...Object.entries(recordOf(properties)), ...entries.map((entry) => ['*', entry] as const)];
  const choices = Array.isArray(anyOf) ? anyOf.filter(hasKeys) : [];
  const inner = [
    ...below.flatMap(([name, each]) => keysOf(each, path === '' ? name : `${path}.${name}`)),
    ...choices.flatMap((each) => keysOf(each, path)),
  ];
  return inner.length === 0 ? [path] : [...new Set(inner)];
}

function hasKeys(schema: unknown): boolean {
  const { properties, anyOf } = recordOf(schema);
  return properties !== undefined || (Array.isArray(anyOf) && anyOf.some(hasKeys));
}

/** A configuration of this key alone. */
function withKey(key: string, value: number): Config {
  const names = key.replace(/^providers\.\*\.(?!kind$)/, 'providers.*.settings.').split('.');
  const made: unknown = names.reduceRight<unknown>((below, name) => ({ [name]: below }), value);
  const read: Config = JSON.parse(JSON.stringify({ providers: {}, ...recordOf(made) }));
  return read;
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
