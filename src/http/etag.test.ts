/** What is told to every caller alike, and may be kept by him if he asks after it each time. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { startHttpHub } from '../../tests/helpers/http-hub.ts';
import { noAgents } from '../../tests/helpers/stores-away.ts';

const OWN = ['/v1/models', '/v1/models/fast', '/api/agents'];
const PUBLIC = ['/openapi.json', '/asyncapi.json'];

it('200, 304: lists and descriptions have an ETag, and are not sent again to who has them', async (t) => {
  const hub = await startHttpHub(t, { deps: { agentStore: { ...noAgents, list: async () => [] } } });
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(hub.url + path, { headers: { authorization: `Bearer ${hub.keys.admin}`, ...headers } });
  for (const path of [...OWN, ...PUBLIC]) {
    const first = await get(path);
    const etag = first.headers.get('etag') ?? assert.fail(path);
    assert.match(etag, /^W\/"[\w-]{22}"$/);
    assert.equal(first.status, 200);
    assert.ok((await first.text()).length > 0);
    const said = first.headers.get('cache-control');
    assert.equal(said, OWN.includes(path) ? 'private, no-cache' : 'no-cache', path);
    if (OWN.includes(path)) assert.match(first.headers.get('vary') ?? '', /authorization/);
    for (const known of [etag, etag.slice(2), `"other", ${etag}`, '*']) {
      const again = await get(path, { 'if-none-match': known });
      assert.deepEqual(
        [again.status, await again.text(), again.headers.get('etag')],
        [304, '', etag],
        `${path} ${known}`,
      );
    }
    assert.equal((await get(path, { 'if-none-match': '"other"' })).status, 200);
  }
});
