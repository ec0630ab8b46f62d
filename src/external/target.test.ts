import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CallerError } from '#core/errors';
import { checkedTarget, pathMatcher } from './target.ts';

const all = pathMatcher(['/**']);
const codeOf = (target: string, allows = all): string => {
  try {
    assert.equal(checkedTarget(target, allows), target);
    return 'passed';
  } catch (error) {
    assert.ok(error instanceof CallerError);
    return error.code;
  }
};

describe('a target', () => {
  it('passes as it is written where it can mean one thing only', () => {
    const good = [
      '/',
      '/repos/a/b/issues?state=open&labels=a,b',
      '/@scope/package',
      '/a%20b/%C3%A9',
      '/100%25',
      '/file.tar.gz/',
      '/...',
      '/a:b;c=d',
      '/q?url=https://evil.example/..//&x=%0d%0a%2f[]|\\',
    ];
    for (const target of good) assert.equal(codeOf(target), 'passed', target);
  });

  it('is refused where another reader could take it for another path', () => {
    const bad = [
      '',
      'repos',
      '//evil.example/',
      '/a//b',
      '/..',
      '/../a',
      '/a/..',
      '/a/./b',
      '/.',
      '/%2e%2e/a',
      '/.%2E/a',
      '/%2e/a',
      '/..;/a',
      '/..;x=1/a',
      '/%2e%2e%3b/a',
      '/a%2fb',
      '/a%2Fb',
      '/a%5cb',
      '/a\\..\\b',
      '/%252e%252e/a',
      '/%25%32%65/a',
      '/a%00',
      '/a%0d%0ahost:%20evil.example',
      '/a%7f',
      '/a%',
      '/a%zz',
      '/%c0%ae%c0%ae/',
      '/a#b',
      '/a b',
      '/a\tb',
      '/a\u00e9',
      '/a<b>',
      '/a?b#c',
      '/a?b c',
      '/a?\u00e9',
    ];
    for (const target of bad) assert.equal(codeOf(target), 'bad_request', JSON.stringify(target));
  });

  it('reaches the paths on the list, part by part, and no other', () => {
    const allows = pathMatcher(['/user', '/repos/*/*/issues', '/search/**', '/v1.0/a+b']);
    for (const target of ['/user', '/user?x=/admin', '/repos/a/b/issues', '/search/', '/search/code/all', '/v1.0/a+b'])
      assert.equal(codeOf(target, allows), 'passed', target);
    const others = [
      '/',
      '/users',
      '/user/',
      '/USER',
      '/repos/a/issues',
      '/repos/a/b/c/issues',
      '/repos/a/b/issues/1',
      '/search',
      '/searching/a',
      '/v1x0/a+b',
      '/v1.0/aab',
      '/us%65r',
    ];
    for (const target of others) assert.equal(codeOf(target, allows), 'not_found', target);
  });
});
