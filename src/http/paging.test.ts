/** The query of every list: what is no id is refused before a database sees it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { startHttpHub } from '../../tests/helpers/http-hub.ts';

it('a page that is to begin at what is no id is refused by name, whatever the characters', async (t) => {
  const hub = await startHttpHub(t);
  const headers = { authorization: `Bearer ${hub.keys.admin}` };
  for (const list of ['/api/runs', '/api/keys', '/api/audit']) {
    for (const before of ['%00', '', 'run_', '%F0%9F%98%80', "'%20or%201=1"]) {
      const response = await fetch(`${hub.url}${list}?before=${before}`, { headers });
      assert.equal(response.status, 400, `${list} ${before}`);
      assert.match(await response.text(), /before/);
    }
    assert.equal((await fetch(`${hub.url}${list}?before=run_01k3v9zq6x8m2f4t7w1c5r9hjd`, { headers })).status, 200);
  }
});
