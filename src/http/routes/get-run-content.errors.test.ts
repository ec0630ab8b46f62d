/** `GET` and `DELETE /api/runs/{id}/content` that are refused: another key's run is none, and nothing kept says why. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { contentOf } from '../../../tests/conformance/records.ts';
import { runRecord, startHttpHub } from '../../../tests/helpers/http-hub.ts';

const others = runRecord({ keyId: 'key_of_somebody', content: 'full' });
const foreign = runRecord({ projectId: 'prj_of_others', keyId: 'key_chat', content: 'full' });
const off = runRecord({ keyId: 'key_chat' });
const running = runRecord({ keyId: 'key_chat', content: 'full', status: 'running' });
const lost = runRecord({ keyId: 'key_chat', content: 'full' });
const contents = [others, foreign, off].map(({ id, projectId }) => contentOf(projectId, { id }));

for (const [what, id, method, key, code] of [
  ['a run of another key', others.id, 'GET', 'chat', 'not_found'],
  ['a run of another key', others.id, 'DELETE', 'chat', 'not_found'],
  ['a run of another project', foreign.id, 'GET', 'admin', 'not_found'],
  ['a run of another project', foreign.id, 'DELETE', 'admin', 'not_found'],
  ['no run at all', lost.id.replace(/.$/, '7'), 'GET', 'admin', 'not_found'],
  ['no id of a run', 'key_1', 'DELETE', 'admin', 'not_found'],
  ['a run that goes on', running.id, 'GET', 'chat', 'not_found'],
  ['a run of which nothing is there', lost.id, 'GET', 'chat', 'not_found'],
  ['a run of a route that keeps nothing', off.id, 'GET', 'chat', 'content_off'],
  ['a run of a route that keeps nothing', off.id, 'DELETE', 'admin', 'content_off'],
] as const) {
  it(`404 ${code}: ${method} by ${key} of ${what}`, async (t) => {
    const hub = await startHttpHub(t, { runs: [others, foreign, off, running, lost], contents });
    const headers = { authorization: `Bearer ${hub.keys[key]}` };
    const response = await fetch(`${hub.url}/api/runs/${id}/content`, { method, headers });
    const text = await response.text();
    assert.equal(response.status, 404);
    assert.match(text, new RegExp(`"${code}"`));
    assert.doesNotMatch(text, /Are you well|I am/);
    assert.deepEqual(hub.audit, []);
  });
}

it('403: a key that may only read erases nothing', async (t) => {
  const own = runRecord({ keyId: 'key_read', content: 'full' });
  const hub = await startHttpHub(t, { runs: [own], contents: [contentOf(own.projectId, { id: own.id })] });
  const headers = { authorization: `Bearer ${hub.keys.read}` };
  const path = `${hub.url}/api/runs/${own.id}/content`;
  assert.equal((await fetch(path, { method: 'DELETE', headers })).status, 403);
  assert.equal((await fetch(path, { headers })).status, 200);
});
