/** The redis section: roles, where their values may come from, and what is refused before anything connects. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { loadText } from '../../tests/helpers/config-text.ts';
import { ConfigError } from './index.ts';

describe('the redis section', () => {
  it('gives each role a URL: in the file, in the environment, in a file that a variable names', (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-redis-'));
    t.after(() => rmSync(folder, { recursive: true }));
    writeFileSync(path.join(folder, 'url'), 'rediss-sentinel://hub:secret@a,b/main\n');
    writeFileSync(path.join(folder, 'ca.pem'), '');
    const { config } = loadText(t, 'redis: { cacheUrl: "redis://cache", tls: { caFile: "ca.pem" } }', {
      env: {
        REVOAGENT_REDIS_STATE_URL_FILE: path.join(folder, 'url'),
        REVOAGENT_REDIS_CA_FILE: path.join(folder, 'ca.pem'),
      },
    });
    assert.equal(config.redis.cacheUrl?.reveal(), 'redis://cache');
    assert.equal(config.redis.stateUrl?.reveal(), 'rediss-sentinel://hub:secret@a,b/main');
    assert.equal(config.redis.tls?.caFile, path.join(folder, 'ca.pem'));
  });

  it('refuses a cluster, a file that is not there, and half a certificate, each with its place and no secret', (t) => {
    const text = `redis:
  cacheUrl: redis://hub:secret@a:1,b:2
  stateUrl: rediss://hub:secret@h
  tls: { caFile: none.pem, keyFile: none.key }
`;
    assert.throws(
      () => loadText(t, text),
      (error) => {
        assert.ok(error instanceof ConfigError);
        assert.deepEqual(
          error.problems.map(({ origin, path: at }) => `${origin} ${at}`),
          [
            'revoagent.yaml:2 redis.cacheUrl',
            'revoagent.yaml:4 redis.tls',
            'revoagent.yaml:4 redis.tls.caFile',
            'revoagent.yaml:4 redis.tls.keyFile',
          ],
        );
        assert.match(error.message, /Cluster is not supported/);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
  });

  it('refuses TLS settings that nothing would use', (t) => {
    assert.throws(() => loadText(t, 'redis: { cacheUrl: "redis://h", tls: {} }'), /redis\.tls.*no URL here begins so/s);
  });
});
