/** Every operation refuses what is wrong with a clear error in its surface's own form, never a 5xx. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refuseBadInput } from '../helpers/bad-input.ts';
import { startHttpHub } from '../helpers/http-hub.ts';

const bodyBytesMax = 16 * 1024;

test('every operation of the http room refuses bad input', async (t) => {
  const hub = await startHttpHub(t, { settings: { bodyBytesMax } });
  const count = await refuseBadInput(t, { url: hub.url, keys: hub.keys, bodyBytesMax });
  assert.ok(count > 200, `only ${count} cases`);
  assert.deepEqual(hub.calls, [], 'no bad request reached the gateway');
  assert.deepEqual(hub.audit, [], 'no bad request changed anything');
});
