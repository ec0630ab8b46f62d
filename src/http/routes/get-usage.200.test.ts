/** `GET /api/usage` that succeeds: what it asks of the ledger, and how it tells what it got. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type { UsageQuery } from '#contract/ledger';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import { noUsage, startHttpHub } from '../../../tests/helpers/http-hub.ts';
import type { HttpHub } from '../../../tests/helpers/http-hub.ts';
import { VirtualClock } from '../../../tests/helpers/virtual-clock.ts';

async function asking(t: TestContext): Promise<{ hub: HttpHub; asked: [string, UsageQuery][] }> {
  const asked: [string, UsageQuery][] = [];
  const hub = await startHttpHub(t, {
    clock: new VirtualClock(Date.UTC(2026, 5, 30, 12)),
    usage: {
      report: async (projectId, query) => {
        asked.push([projectId, query]);
        const groups = query.groupBy === null ? [] : [{ ...noUsage, group: null, costMicroUsd: 1, attempts: 2 }];
        return { totals: { ...noUsage, costMicroUsd: 1_234_567, unknownCost: 3 }, groups };
      },
    },
  });
  return { hub, asked };
}

function get({ url, keys }: HttpHub, query: string): Promise<Response> {
  return fetch(`${url}/api/usage${query}`, { headers: { authorization: `Bearer ${keys.read}`, connection: 'close' } });
}

describe('the usage of a project', () => {
  it('is that of the last 30 days where nothing else is said, of the caller’s project', async (t) => {
    const { hub, asked } = await asking(t);
    const response = await get(hub, '');
    assert.equal(response.status, 200);
    const body: unknown = await response.json();
    const { costMicroUsd: _micro, ...counts } = noUsage;
    assert.deepEqual(body, {
      from: '2026-05-31T12:00:00.000Z',
      to: '2026-06-30T12:00:00.000Z',
      groupBy: null,
      totals: { ...counts, costUsd: 1.234567, unknownCost: 3 },
      groups: [],
    });
    const span = { fromWallMs: Date.UTC(2026, 4, 31, 12), toWallMs: Date.UTC(2026, 5, 30, 12) };
    assert.deepEqual(asked, [[DEFAULT_PROJECT_ID, { ...span, groupBy: null, groupsMax: 1_000 }]]);
  });

  it('is asked for by days or moments, up to 366 days, and by each grouping', async (t) => {
    const { hub, asked } = await asking(t);
    const response = await get(hub, '?from=2025-06-29&to=2026-06-30T00:00:00.000Z&groupBy=key');
    assert.equal(response.status, 200);
    const body: unknown = await response.json();
    assert.ok(typeof body === 'object' && body !== null && 'groups' in body && 'groupBy' in body);
    const { costMicroUsd: _micro, ...counts } = noUsage;
    assert.deepEqual(
      [body.groupBy, body.groups],
      ['key', [{ group: null, ...counts, attempts: 2, costUsd: 0.000001 }]],
    );
    assert.deepEqual(asked[0]?.[1].fromWallMs, Date.UTC(2025, 5, 29));
    for (const groupBy of ['model', 'deployment', 'provider', 'day'])
      assert.equal((await get(hub, `?groupBy=${groupBy}`)).status, 200);
  });
});
