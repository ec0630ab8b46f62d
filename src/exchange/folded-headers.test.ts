/** Headers that came in several lines. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { foldedHeaders } from './folded-headers.ts';

const came = (headers: Record<string, string | string[]>) => foldedHeaders(headers);

it('headers of several lines are one text, of one value the first, and cookies a list', () => {
  assert.deepEqual(
    came({
      vary: ['accept', '*'],
      'cache-control': ['max-age=60', 'no-store'],
      'content-type': ['text/plain', 'text/html'],
      location: ['/a', '/b'],
      'set-cookie': ['a=b', 'c=d'],
      etag: '"1"',
    }),
    {
      vary: 'accept, *',
      'cache-control': 'max-age=60, no-store',
      'content-type': 'text/plain',
      location: '/a',
      'set-cookie': ['a=b', 'c=d'],
      etag: '"1"',
    },
  );
});

it('headers of a line each are given as they are', () => {
  const headers = { etag: '"1"', 'set-cookie': ['a=b'] };
  assert.equal(came(headers), headers);
});
