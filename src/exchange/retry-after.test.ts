import assert from 'node:assert/strict';
import { it } from 'node:test';
import { retryAfterMs } from './retry-after.ts';

const WALL_MS = Date.UTC(2026, 0, 1, 12);

it('reads seconds, a date and the vendors’ milliseconds, which go first', () => {
  const read = (headers: Record<string, string | string[]>) => retryAfterMs(headers, WALL_MS);
  assert.equal(read({ 'retry-after': '7' }), 7_000);
  assert.equal(read({ 'retry-after': ' 0.5 ' }), 500);
  assert.equal(read({ 'retry-after': ['3', '9'] }), 3_000);
  assert.equal(read({ 'retry-after': 'Thu, 01 Jan 2026 12:01:00 GMT' }), 60_000);
  assert.equal(read({ 'retry-after': 'Thu, 01 Jan 2026 11:00:00 GMT' }), 0, 'a date that is past asks for no wait');
  assert.equal(read({ 'retry-after-ms': '250', 'retry-after': '9' }), 250);
  assert.equal(read({ 'retry-after-ms': 'soon', 'retry-after': '9' }), 9_000);
});

it('takes nothing for a wait that is none, or that nobody can mean', () => {
  for (const said of ['', ' ', 'soon', '-1', 'Infinity', '1e999', '1e300', 'NaN', '1767268800000']) {
    assert.equal(retryAfterMs({ 'retry-after': said }, WALL_MS), undefined, said);
    assert.equal(
      retryAfterMs({ 'retry-after-ms': said === '1767268800000' ? '1e13' : said }, WALL_MS),
      undefined,
      said,
    );
  }
  assert.equal(retryAfterMs({}, WALL_MS), undefined);
});
