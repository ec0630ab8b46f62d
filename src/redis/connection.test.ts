import assert from 'node:assert/strict';
import { it } from 'node:test';
import { connectRedis } from './connection.ts';

it('a URL that is none is refused in a sentence that says so, without its password', () => {
  for (const [url, message] of [
    ['http://example', /^connectRedis: the url is no URL of Redis: write redis:/],
    ['redis://hub:secret@one/7777', /^connectRedis: the url must end with the number of a database/],
    ['redis-cluster://one', /^connectRedis: the url names a cluster. Redis Cluster is not supported/],
    ['redis://one,two', /^connectRedis: the url names several hosts/],
  ] as const)
    assert.throws(
      () => connectRedis({ url }),
      (thrown: unknown) =>
        thrown instanceof TypeError && message.test(thrown.message) && !thrown.message.includes('secret'),
      url,
    );
});
