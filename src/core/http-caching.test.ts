/** What headers say of keeping an answer. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { directivesOf, freshMsOf, httpDateMs, isUnchanged, namesEtag, staleWord } from './http-caching.ts';

const NOW = Date.UTC(2026, 0, 1);
const fresh = (headers: Record<string, string>): number | undefined =>
  freshMsOf(directivesOf(headers['cache-control']), (name) => headers[name], NOW);

const date = 'Thu, 01 Jan 2026 10:00:00 GMT';
const expires = 'Thu, 01 Jan 2026 10:00:20 GMT';

describe('an answer’s own word', () => {
  it('is how long it is fresh: Expires from its own Date, where Cache-Control says nothing', () => {
    assert.equal(fresh({ date }), undefined);
    assert.equal(fresh({ date, expires }), 20_000);
    assert.equal(fresh({ date, expires, age: '5' }), 15_000);
    assert.equal(fresh({ date, expires, age: '30' }), 0);
    assert.equal(fresh({ date: expires, expires: date }), 0);
    assert.equal(fresh({ date, expires, 'cache-control': 'max-age=50' }), 50_000);
    assert.equal(fresh({ date, expires, 'cache-control': 'public, s-maxage=0, max-age=50' }), 0);
    assert.equal(fresh({ date, expires, 'cache-control': 'public' }), 20_000);
    assert.equal(fresh({ expires: 'Thu, 01 Jan 2026 00:01:00 GMT' }), 60_000, 'without a Date, from now');
  });

  it('says that it is old where it cannot be read', () => {
    for (const unread of ['0', '-1', '9999', '2099-01-01', 'Thu, 01 Foo 2099 00:00:00 GMT', 'tomorrow', ''])
      assert.equal(fresh({ date, expires: unread }), 0, unread);
    assert.equal(fresh({ 'cache-control': 'max-age=soon', date, expires }), 0);
  });

  it('is no end where it says more seconds than can be counted', () => {
    assert.equal(fresh({ 'cache-control': 'max-age=31536000000' }), 2 ** 31 * 1_000);
    assert.equal(fresh({ 'cache-control': 'max-age=9', age: '31536000000' }), 0);
  });

  it('ends at a comma, but for one in a quoted text', () => {
    const said = directivesOf(
      'Private="set-cookie, max-age=9", no-cache="a\\", no-store", S-MAXAGE="7" ,,immutable, s-maxage=8',
    );
    assert.deepEqual(
      [...said],
      [
        ['private', 'set-cookie, max-age=9'],
        ['no-cache', 'a\\, no-store'],
        ['s-maxage', '7'],
        ['immutable', ''],
      ],
    );
    assert.equal(directivesOf('private="a, no-store').has('no-store'), true, 'one that does not end is no text');
  });

  it('is how long past its time it may be given, and never where it forbids that or cannot be read', () => {
    const word = (control: string) => Object.values(staleWord(directivesOf(control)));
    assert.deepEqual(word('max-age=5'), [null, null]);
    assert.deepEqual(word('max-age=5, stale-while-revalidate=7'), [7_000, null]);
    assert.deepEqual(word('stale-if-error="9", stale-if-error=1, stale-while-revalidate=0'), [0, 9_000]);
    assert.deepEqual(word('stale-while-revalidate, stale-if-error=soon'), [0, 0]);
    assert.deepEqual(word('s-maxage=5'), [0, 0]);
    assert.deepEqual(word('s-maxage=5, stale-while-revalidate=7'), [7_000, 0]);
    for (const forbids of ['must-revalidate', 'proxy-revalidate', 'no-cache'])
      assert.deepEqual(word(`${forbids}, stale-while-revalidate=7, stale-if-error=9`), [0, 0], forbids);
  });
});

describe('a version', () => {
  it('is known to who names it, and none is where there is no ETag', () => {
    for (const header of ['"a"', 'W/"a"', '"x", W/"a"', '*', '"x,y","a"'])
      assert.equal(namesEtag(header, '"a"'), true, header);
    assert.equal(namesEtag('"x,y"', 'W/"x,y"'), true);
    assert.equal(namesEtag('abc', 'abc'), true, 'as some servers write them');
    for (const header of ['', '"x",', '"x,a,y"', 'a']) assert.equal(namesEtag(header, '"a"'), false, header);
    for (const header of ['', '"x",', ' , ']) assert.equal(namesEtag(header, undefined), false, header);
    assert.equal(namesEtag('*', undefined), true);
  });
});

describe('a date of HTTP', () => {
  it('is read in its three forms and in no other', () => {
    const ms = Date.UTC(1994, 10, 6, 8, 49, 37);
    for (const text of ['Sun, 06 Nov 1994 08:49:37 GMT', 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994'])
      assert.equal(httpDateMs(text), ms, text);
    for (const text of ['1994', 'Sun, 06 Nov 1994 08:49:37 +0100', '1994-11-06T08:49:37Z', null, undefined])
      assert.equal(httpDateMs(text), undefined, String(text));
  });

  it('that is none shows nobody to have a version', () => {
    const version = { etag: undefined, lastModified: date };
    const asked = (ifModifiedSince: string) => isUnchanged({ ifNoneMatch: null, ifModifiedSince }, version);
    assert.deepEqual([date, expires, '9999', '2099-01-01'].map(asked), [true, true, false, false]);
  });
});
