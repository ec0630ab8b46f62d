/** `GET` and `DELETE /api/runs/{id}/content` that succeed: by the run's own key, and by an admin key of its project. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { contentOf } from '../../../tests/conformance/records.ts';
import { runRecord, startHttpHub } from '../../../tests/helpers/http-hub.ts';
import type { HttpHub } from '../../../tests/helpers/http-hub.ts';

const run = runRecord({ keyId: 'key_chat', content: 'redacted' });
const content = contentOf(run.projectId, { id: run.id, policy: 'redacted', partial: true });

function ask(hub: HttpHub, method: string, key: 'chat' | 'admin'): Promise<Response> {
  const headers = { authorization: `Bearer ${hub.keys[key]}` };
  return fetch(`${hub.url}/api/runs/${run.id}/content`, { method, headers });
}

for (const key of ['chat', 'admin'] as const) {
  it(`shows what was said, and erases it for good: ${key}`, async (t) => {
    const hub = await startHttpHub(t, { runs: [run], contents: [content] });
    const shown = await ask(hub, 'GET', key);
    const body: unknown = await shown.json();
    assert.deepEqual([shown.status, shown.headers.get('cache-control')], [200, 'no-store']);
    assert.deepEqual(body, {
      runId: run.id,
      policy: 'redacted',
      startedAt: new Date(content.startedWallMs).toISOString(),
      partial: true,
      truncated: false,
      messages: [{ role: 'user', content: 'Are you well?' }],
      choices: [{ index: 0, message: { role: 'assistant', content: 'I am.' }, finish_reason: 'stop' }],
    });

    for (const _ of ['once', 'again']) {
      const erased = await ask(hub, 'DELETE', key);
      const answer: unknown = await erased.json();
      assert.deepEqual([erased.status, answer], [200, { runId: run.id, erased: true }]);
    }
    assert.equal((await ask(hub, 'GET', key)).status, 404);
    assert.deepEqual(
      hub.audit.map(({ actor, action, subject }) => [actor, action, subject]),
      [1, 2].map(() => [`key_${key}`, 'content-erased', run.id]),
    );
  });
}
