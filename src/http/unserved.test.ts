/** What a client of a vendor is told that asks for what the hub does not serve: a 404 in the vendor's form, with what to use instead. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { startHttpHub } from '../../tests/helpers/http-hub.ts';
import { operations } from './routes/index.ts';
import { UNSERVED, unservedWords } from './unserved.ts';

it('a path of a vendor that is not served says so, and what to use, in the form of its surface', async (t) => {
  const hub = await startHttpHub(t);
  const ask = async (method: string, path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(hub.url + path, { method, headers });
    return { status: response.status, body: JSON.parse(await response.text()) };
  };
  const openai = await ask('POST', '/v1/completions');
  assert.equal(openai.status, 404);
  assert.partialDeepStrictEqual(openai.body.error, {
    message: '/v1/completions is not served here; use /v1/chat/completions.',
    code: 'not_found',
  });
  const anthropic = await ask('POST', '/v1/messages/batches?beta=true');
  assert.equal(anthropic.status, 404);
  assert.partialDeepStrictEqual(anthropic.body, { type: 'error', error: { type: 'not_found_error' } });
  assert.match(anthropic.body.error.message, /^\/v1\/messages\/batches is not served here; /);
  for (const path of ['/v1/responses/resp_1', '/v1/responses/resp_1/cancel', '/v1/responses/resp_1/input_items'])
    for (const method of ['GET', 'POST', 'DELETE'])
      assert.match(
        (await ask(method, path)).body.error.message,
        / is not served here; the hub keeps no responses/,
        path,
      );
  for (const path of ['/v1/audio/speech', '/v1/images/generations', '/v1/files/file-1/content', '/v1/batches'])
    assert.match((await ask('POST', path)).body.error.message, / is not served here; /, path);
  const files = await ask('GET', '/v1/files', { 'anthropic-version': '2023-06-01' });
  assert.equal(files.body.type, 'error');
});

it('a path that no vendor has is told as ever, and none that is served is in the list', () => {
  for (const path of ['/v1/none', '/v1/responsesx', '/v1/responses/', '/v1/completions/more', '/v1/filesystem'])
    assert.equal(unservedWords(path), undefined, path);
  const served = new Set(operations.map(({ path }) => path));
  for (const { path } of UNSERVED) assert.ok(!served.has(path.replace('/*', '')), path);
});

it('models are in Anthropic’s form for who sends its version, in OpenAI’s for everybody else, and caches keep them apart', async (t) => {
  const hub = await startHttpHub(t);
  const ask = async (path: string, more: Record<string, string> = {}) => {
    const response = await fetch(hub.url + path, { headers: { authorization: `Bearer ${hub.keys.chat}`, ...more } });
    assert.match(response.headers.get('vary') ?? '', /anthropic-version/);
    return { body: JSON.parse(await response.text()), etag: response.headers.get('etag') };
  };
  const version = { 'anthropic-version': '2023-06-01' };
  const [theirs, ours] = [await ask('/v1/models', version), await ask('/v1/models')];
  assert.equal(ours.body.object, 'list');
  const ids = ours.body.data.map(({ id }: { id: string }) => id);
  assert.deepEqual(
    theirs.body.data.map(({ id }: { id: string }) => id),
    ids,
  );
  assert.deepEqual([theirs.body.has_more, theirs.body.first_id, theirs.body.last_id], [false, ids[0], ids.at(-1)]);
  assert.notEqual(theirs.etag, ours.etag);
  const [first] = ours.body.data;
  assert.deepEqual((await ask(`/v1/models/${first.id}`, version)).body, {
    type: 'model',
    id: first.id,
    display_name: first.id,
    created_at: new Date(first.created * 1_000).toISOString(),
  });
  assert.deepEqual((await ask(`/v1/models/${first.id}`)).body, first);
  const nobody = await fetch(`${hub.url}/v1/models`, { headers: version });
  assert.deepEqual([nobody.status, JSON.parse(await nobody.text()).error.type], [401, 'authentication_error']);
});
