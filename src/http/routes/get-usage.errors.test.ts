/** `GET /api/usage` that is refused, before the ledger is asked. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { UnavailableError } from '#core/errors';
import { startHttpHub } from '../../../tests/helpers/http-hub.ts';

it('400: a time that is none, a span that is empty, turned round or too long, a grouping that is none', async (t) => {
  const usage = { report: () => assert.fail('the ledger was asked') };
  const hub = await startHttpHub(t, { usage });
  for (const [query, named] of [
    ['from=yesterday', 'from'],
    ['from=2026-02-30', 'from'],
    ['to=2026-13-01', 'to'],
    ['to=2026-01-31T25:00:00Z', 'to'],
    ['from=2026-01-31T12:00:00%2B01:00', 'from'],
    ['from=2026-01-02&to=2026-01-02', 'from'],
    ['from=2026-01-03&to=2026-01-02', 'from'],
    ['from=2025-01-01&to=2026-01-03', 'from'],
    ['groupBy=prompt', 'groupBy'],
    ['groupBy=key&groupBy=day', 'groupBy'],
  ] as const) {
    const response = await fetch(`${hub.url}/api/usage?${query}`, {
      headers: { authorization: `Bearer ${hub.keys.read}` },
    });
    const body: unknown = await response.json();
    assert.equal(response.status, 400, query);
    assert.ok(typeof body === 'object' && body !== null && 'param' in body, query);
    assert.equal(body.param, named, query);
  }
});

it('403: a key that may only chat does not see what its project spends', async (t) => {
  const hub = await startHttpHub(t);
  const headers = { authorization: `Bearer ${hub.keys.chat}` };
  assert.equal((await fetch(`${hub.url}/api/usage`, { headers })).status, 403);
});

it('503: a ledger that cannot be asked is not an empty one', async (t) => {
  const away = new UnavailableError('database_unavailable', 'away', { retryAfterMs: 1_000 });
  const hub = await startHttpHub(t, { usage: { report: () => Promise.reject(away) } });
  const response = await fetch(`${hub.url}/api/usage`, { headers: { authorization: `Bearer ${hub.keys.read}` } });
  assert.deepEqual([response.status, response.headers.get('retry-after')], [503, '1']);
});
