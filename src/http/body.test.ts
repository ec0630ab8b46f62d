/** The type of a body is read in the time that its length takes, and as before. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { timesAsLong } from '../../tests/helpers/long-against-long.ts';
import { utf8Type } from './body.ts';

const type = utf8Type('json');

describe('the type of a body', () => {
  for (const good of [
    'application/json',
    'Application/JSON ;',
    'application/json; charset=utf-8',
    'application/json ;charset = "UTF-8" ; ',
  ])
    it(`is JSON: ${good}`, () => assert.match(good, type));

  for (const other of ['application/jsonx', 'application/json;;', 'application/json; charset=latin1', 'text/plain'])
    it(`is not JSON: ${other}`, () => assert.doesNotMatch(other, type));

  for (const before of ['application/json', 'application/json; charset=utf-8'])
    it(`takes no longer to refuse than to accept, with a header full of spaces behind ${before}`, () => {
      const spaces = ' '.repeat(16_000);
      const ratio = timesAsLong(
        () => type.test(`${before}${spaces}x`),
        () => type.test(`${before}${spaces}`),
      );
      assert.ok(ratio < 100, `${ratio} times as long`);
    });
});
