/** The type of a body is read in the time that its length takes, and as before; of its values there may be so many. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { timesAsLong } from '../../tests/helpers/long-against-long.ts';
import { limits } from '#core/limits';
import { parseJson, utf8Type } from './body.ts';

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

describe('the values of a body', () => {
  const max = limits.jsonValuesMax;
  const list = (count: number, item: string): string => `[${`${item},`.repeat(count - 1)}${item}]`;
  const object = (count: number): string =>
    `{${Array.from({ length: count }, (_, at) => `"${at.toString(36)}" : ",[{"`).join(' , ')} }`;
  for (const [name, json] of [
    ['numbers', list(max - 1, '1')],
    ['of an object', object(max - 1)],
    ['that are empty', list(max - 1, '{ }')],
    ['that hold one each', list((max - 2) / 2, '[1]')],
    ['that are keys, texts and commas in them', list((max - 2) / 3, '{"a":"[1,2],{,","\\",":1}')],
  ] as const) {
    it(`may be ${max}, ${name}`, () => assert.doesNotThrow(() => parseJson(Buffer.from(json))));
    it(`are refused beyond that, ${name}`, () =>
      assert.throws(() => parseJson(Buffer.from(`[${json},[[ 1 ]] ]`)), /The body holds more than 500000 values\.$/));
  }
});
