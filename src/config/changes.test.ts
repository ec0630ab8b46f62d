/** What a reload reports: every path that differs, as the file names it, and those among them that wait for a restart. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Secret } from '#core/secret';
import { kinds } from '../../tests/helpers/config-text.ts';
import { changesBetween, loadConfig } from './index.ts';
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
    resilience: { ...resilience, retryBudget: 1, breaker: { ...resilience.breaker, failures: 1 } },
    logging: { ...logging, format: 'json' },
  };
  const { changed, needRestart } = changesBetween(config, after);
  assert.deepEqual(needRestart.toSorted(), [
    'logging.format',
    'resilience.breaker.failures',
    'resilience.retryBudget',
    'security.adminKeyFile',
    'server.port',
    'storage.pool.max',
    'storage.url',
  ]);
  assert.deepEqual(changed.toSorted(), needRestart.toSorted());
});
