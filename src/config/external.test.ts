import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { Secret } from '#core/secret';
import { loadText } from '../../tests/helpers/config-text.ts';
import { changesBetween } from './changes.ts';
import { printedValues } from './print.ts';
import { ConfigError } from './problem.ts';

const load = (t: TestContext, entry: unknown, name = 'github') =>
  loadText(t, JSON.stringify({ external: { [name]: entry } }));

function problemsOf(t: TestContext, entry: unknown, name?: string): string[] {
  try {
    load(t, entry, name);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ path, message }) => `${path} ${message}`);
  }
}

const good = { baseUrl: 'https://api.github.com' };

describe('external', () => {
  it('needs an address only, and then reads alone, at public addresses alone', (t) => {
    assert.deepEqual(load(t, good).config.external, {
      github: {
        baseUrl: 'https://api.github.com',
        methods: ['GET'],
        paths: ['/**'],
        requestHeaders: [],
        responseHeaders: [],
        allowPrivate: false,
        timeoutMs: 10_000,
        deadlineMs: 60_000,
        concurrentMax: 50,
        requestBytesMax: 1_048_576,
        responseBytesMax: 67_108_864,
        retry: { retries: 2, baseMs: 100, maxMs: 2_000 },
      },
    });
    assert.deepEqual(loadText(t, '{}').config.external, {});
  });

  it('keeps every credential secret, in what is loaded and in what is printed', (t) => {
    const credentials = { basic: { username: 'me', password: 'pw-secret' }, headers: { 'X-Key': 'key-secret' } };
    const loaded = load(t, { ...good, credentials });
    const { basic, headers } = loaded.config.external['github']?.credentials ?? {};
    assert.ok(basic?.password instanceof Secret && headers?.['X-Key'] instanceof Secret);
    assert.equal(basic.password.reveal(), 'pw-secret');
    assert.doesNotMatch(JSON.stringify(printedValues(loaded)), /-secret/);
  });

  it('refuses an address that holds more than one', (t) => {
    for (const baseUrl of [
      'ftp://a',
      'https://user@a',
      'https://a?key=1',
      'https://a#b',
      'https://a b',
      'https://',
      'a',
    ])
      assert.equal(problemsOf(t, { baseUrl }).length, 1, baseUrl);
  });

  it('refuses unknown keys and methods, and names that could not stand in a path', (t) => {
    assert.match(problemsOf(t, { ...good, method: ['GET'] }).join(), /github\.method .*did you mean "methods"/);
    assert.match(problemsOf(t, { ...good, methods: ['TRACE'] }).join(), /must be one of GET, POST, PUT, PATCH, DELETE/);
    assert.match(problemsOf(t, good, 'Git/Hub').join(), /must be named with small letters/);
  });

  it('refuses to pass on a header that is the hub’s to say', (t) => {
    for (const name of [
      'host',
      'cookie',
      'authorization',
      'x-forwarded-for',
      'transfer-encoding',
      'set-cookie',
      'X-A',
      'a b',
    ])
      for (const list of ['requestHeaders', 'responseHeaders'])
        assert.equal(problemsOf(t, { ...good, [list]: [name] }).length, 1, `${list}: ${name}`);
    assert.deepEqual(problemsOf(t, { ...good, requestHeaders: ['x-github-api-version'] }), []);
  });

  it('refuses path patterns that mean something else than they say', (t) => {
    for (const path of ['repos', '/a**', '/a/**/b', '/*x', '/a//b', '/a%2fb', '/a?b', ''])
      assert.equal(problemsOf(t, { ...good, paths: [path] }).length, 1, path);
    assert.deepEqual(problemsOf(t, { ...good, paths: ['/', '/**', '/repos/*/*/issues', '/a/**', '/a/'] }), []);
  });

  it('refuses two authorizations, and a credential with a line end in it', (t) => {
    const refused = (credentials: unknown) => problemsOf(t, { ...good, credentials }).join();
    assert.match(refused({ bearer: 'a', basic: { username: 'a', password: 'b' } }), /more than one authorization/);
    assert.match(refused({ bearer: 'a', headers: { Authorization: 'b' } }), /more than one authorization/);
    assert.match(refused({ bearer: 'token\n' }), /credentials\.bearer holds a line end/);
    assert.match(refused({ headers: { 'x-key': 'a\r\nhost: evil.example' } }), /holds a line end/);
    assert.match(refused({ headers: { Host: 'evil.example' } }), /is no name of a header/);
  });

  it('refuses a secret among the headers that are printed, and says where it belongs', (t) => {
    for (const name of ['Authorization', 'cookie', 'X-Api-Key'])
      assert.deepEqual(problemsOf(t, { ...good, headers: { [name]: 'secret', 'x-version': '1' } }), [
        `external.github.headers.${name} is a secret, and what stands here is shown: give it under credentials.headers`,
      ]);
  });

  it('is taken up at a reload, but for the settings of a breaker that is at work', (t) => {
    const before = load(t, { ...good, breaker: { failures: 3 } }).config;
    const after = load(t, { ...good, methods: ['GET', 'POST'], breaker: { failures: 9 } }).config;
    const { changed, needRestart } = changesBetween(before, after);
    assert.deepEqual(changed.toSorted(), ['external.github.breaker.failures', 'external.github.methods']);
    assert.deepEqual(needRestart, ['external.github.breaker.failures']);
  });
});
