import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { verdictOfError, verdictOfStatus } from './verdict.ts';

describe('verdictOfStatus', () => {
  it('takes 5xx for a failure, 408 and 429 for a wish for quiet, everything else for health', () => {
    const kinds = [200, 204, 301, 400, 401, 404, 408, 409, 422, 429, 500, 502, 503, 529].map((status) => [
      status,
      verdictOfStatus(status).kind,
    ]);
    assert.deepEqual(kinds, [
      [200, 'success'],
      [204, 'success'],
      [301, 'success'],
      [400, 'success'],
      [401, 'success'],
      [404, 'success'],
      [408, 'throttled'],
      [409, 'success'],
      [422, 'success'],
      [429, 'throttled'],
      [500, 'failure'],
      [502, 'failure'],
      [503, 'failure'],
      [529, 'failure'],
    ]);
  });

  it('keeps the upstream’s own wait', () => {
    assert.equal(verdictOfStatus(503, 2_000).retryAfterMs, 2_000);
    assert.equal(verdictOfStatus(429, 60_000).retryAfterMs, 60_000);
  });
});

describe('verdictOfError', () => {
  it('judges an error that carries a status by it, at any depth', () => {
    assert.equal(verdictOfError(Object.assign(new Error('no'), { status: 404 })).kind, 'success');
    assert.equal(verdictOfError(Object.assign(new Error('no'), { statusCode: 500 })).kind, 'failure');
    const early = Object.assign(new Error('later'), { status: 429, retryAfterMs: '700' });
    assert.equal(verdictOfError(early).retryAfterMs, 0, 'what is no number is no wait');
    const inner = Object.assign(new Error('later'), { status: 429, retryAfterMs: 700 });
    assert.deepEqual(verdictOfError(new Error('wrapped', { cause: inner })), {
      kind: 'throttled',
      retryAfterMs: 700,
      unsent: false,
    });
  });

  it('knows the errors of a connection that was never made', () => {
    const codes = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'];
    for (const code of codes) {
      const cause = Object.assign(new Error('connect'), { code });
      assert.equal(verdictOfError(new TypeError('fetch failed', { cause })).unsent, true, code);
    }
    assert.equal(verdictOfError(Object.assign(new Error('read'), { code: 'ECONNRESET' })).unsent, false);
  });

  it('takes anything else for a failure, an AbortError that nobody here caused included', () => {
    for (const thrown of [new DOMException('aborted', 'AbortError'), 'text', null, undefined, 7, { status: 'odd' }]) {
      assert.equal(verdictOfError(thrown).kind, 'failure');
    }
  });

  it('is not caught by a circle of causes', () => {
    const circle = new Error('a');
    circle.cause = circle;
    assert.equal(verdictOfError(circle).kind, 'failure');
  });
});
