/** `POST /v1/embeddings` that fails: refused by the hub, or by everybody it asked. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CallerError, InvariantError, UnavailableError, UpstreamError } from '#core/errors';
import type { HubError } from '#core/errors';
import { SECRET_PROMPT, startHttpHub } from '../../../tests/helpers/http-hub.ts';
import { post } from '../../../tests/helpers/http-calls.ts';

const PATH = '/v1/embeddings';
const request = { model: 'fast', input: SECRET_PROMPT };

const REFUSED: readonly (readonly [param: string, body: unknown])[] = [
  ['model', { input: 'one' }],
  ['input', { model: 'fast' }],
  ['input', { model: 'fast', input: '' }],
  ['input', { model: 'fast', input: [] }],
  ['input', { model: 'fast', input: { text: 'one' } }],
  ['dimensions', { ...request, dimensions: 0 }],
  ['encoding_format', { ...request, encoding_format: 'int8' }],
];

const FAILED: readonly (readonly [HubError, number, string])[] = [
  [new CallerError('bad_request', 'No embeddings.', { param: 'model' }), 400, 'bad_request'],
  [new CallerError('unsupported_field', 'No tokens.', { param: 'input[0]' }), 400, 'unsupported_parameter'],
  [new CallerError('model_not_found', 'No such model.', { param: 'model' }), 404, 'model_not_found'],
  [new UpstreamError('upstream_failed', 'It failed.'), 502, 'upstream_failed'],
  [new UnavailableError('no_deployment_available', 'All open.', { retryAfterMs: 1 }), 503, 'no_deployment_available'],
  [new InvariantError('secret internal text'), 500, 'internal'],
];

describe('failed embeddings', () => {
  for (const [param, body] of REFUSED) {
    it(`are 400 for ${param} in ${JSON.stringify(body)}, and nobody is asked`, async (t) => {
      const hub = await startHttpHub(t, { keyless: true });
      const response = await post(hub, PATH, body);
      assert.equal(response.status, 400);
      const { error } = (await response.json()) as { error: { param: string } };
      assert.equal(error.param.split(/[.[]/)[0], param);
      assert.deepEqual(hub.calls, []);
    });
  }

  for (const [error, status, code] of FAILED) {
    it(`are ${status} ${code}, with the run to look at and nothing of the text`, async (t) => {
      const hub = await startHttpHub(t, { keyless: true, embed: () => Promise.reject(error) });
      const response = await post(hub, PATH, request);
      assert.equal(response.status, status);
      assert.equal(response.headers.get('x-revoagent-run'), hub.calls[0]?.runId);
      const text = await response.text();
      assert.equal(JSON.parse(text).error.code, code);
      assert.doesNotMatch(`${text} ${hub.log.join()}`, new RegExp(SECRET_PROMPT));
    });
  }

  it('are 401 without a key and 403 with one that may only read', async (t) => {
    const hub = await startHttpHub(t);
    assert.equal((await post(hub, PATH, request)).status, 401);
    const read = { authorization: `Bearer ${hub.keys.read}` };
    assert.equal((await post(hub, PATH, request, read)).status, 403);
    assert.deepEqual(hub.calls, []);
  });
});
