/** URLs of Redis: what they say, and what a person is told about a wrong one. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseRedisUrl } from './redis-url.ts';

it('one server: its user, its database, with and without TLS', () => {
  assert.deepEqual(parseRedisUrl('redis://127.0.0.1'), {
    tls: false,
    database: 0,
    at: { kind: 'server', host: '127.0.0.1', port: 6_379 },
  });
  assert.deepEqual(parseRedisUrl('rediss://hub:p%40ss%3A%2F@redis.example:6380/3'), {
    username: 'hub',
    password: 'p@ss:/',
    tls: true,
    database: 3,
    at: { kind: 'server', host: 'redis.example', port: 6_380 },
  });
  assert.deepEqual(parseRedisUrl('redis://:only@[::1]:7'), {
    password: 'only',
    tls: false,
    database: 0,
    at: { kind: 'server', host: '::1', port: 7 },
  });
});

it('sentinels: several, the name of the primary, and a user of their own', () => {
  const url = 'rediss-sentinel://hub:one@a:1,b,[::1]:3/main%20one/2?sentinelUsername=watcher&sentinelPassword=t%26w+o';
  assert.deepEqual(parseRedisUrl(url), {
    username: 'hub',
    password: 'one',
    tls: true,
    database: 2,
    at: {
      kind: 'sentinels',
      sentinels: [
        { host: 'a', port: 1 },
        { host: 'b', port: 26_379 },
        { host: '::1', port: 3 },
      ],
      primary: 'main one',
      user: { username: 'watcher', password: 't&w+o' },
    },
  });
});

it('a wrong one is told in words, and never with what it holds', () => {
  const told = {
    'http://hub:secret@h': /redis:\/\/user:password@host/,
    'redis-cluster://hub:secret@h': /Cluster is not supported/,
    'redis://hub:secret@a:1,b:2': /several hosts.*Cluster is not supported/,
    'redis://hub:secret@h:0': /name:port/,
    'redis://hub:secret@h:99999': /name:port/,
    'redis://hub:secret@h/x': /number of a database/,
    'redis://hub:secret@h/1/2': /number of a database/,
    'redis://hub:secret%@h': /%25/,
    'redis://hub:secret@h?tls=1': /"tls"/,
    'redis-sentinel://hub:secret@h': /name of the primary/,
    'redis-sentinel://hub:secret@h/main?user=x': /"user"; known here: sentinelUsername, sentinelPassword/,
  };
  for (const [url, expected] of Object.entries(told)) {
    assert.throws(
      () => parseRedisUrl(url),
      (error) => error instanceof TypeError && expected.test(error.message) && !error.message.includes('secret'),
      url,
    );
  }
});
