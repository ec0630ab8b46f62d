/** What a caller may wish by headers, on a surface that asks a model: each wish reaches the gateway as itself, and none is read half. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CallPreferences } from '#contract/gateway';
import { limits } from '#core/limits';
import { startHttpHub } from '../../tests/helpers/http-hub.ts';
import { post } from '../../tests/helpers/http-calls.ts';
import { preferenceHeaders } from './preferences.ts';

const messages = [{ role: 'user', content: 'Well?' }];
const SURFACES: Readonly<Record<string, object>> = {
  '/v1/chat/completions': { model: 'fast', messages },
  '/v1/messages': { model: 'fast', messages, max_tokens: 9 },
  '/v1/messages/count_tokens': { model: 'fast', messages },
  '/v1/responses': { model: 'fast', input: 'Well?' },
  '/v1/embeddings': { model: 'fast', input: 'Well?' },
  '/api/chat': { model: 'fast', messages },
};

const WISHES: readonly (readonly [header: string, value: string, wish: CallPreferences])[] = [
  ['x-revoagent-order', 'b/large, a,,', { order: ['b/large', 'a'] }],
  ['x-revoagent-only', 'a', { only: ['a'] }],
  ['x-revoagent-fallback', 'on', { fallback: true }],
  ['x-revoagent-fallback', 'off', { fallback: false }],
  ['x-revoagent-continue', 'on', { continueCut: true }],
  ['x-revoagent-continue', 'off', { continueCut: false }],
  ['x-revoagent-cache', 'off', { cache: { use: false } }],
  ['x-revoagent-timeout-ms', '7', { timeouts: { totalMs: 7 } }],
  ['x-revoagent-connect-timeout-ms', '7', { timeouts: { connectMs: 7 } }],
  ['x-revoagent-first-token-timeout-ms', '7', { timeouts: { firstTokenMs: 7 } }],
  [
    'x-revoagent-idle-timeout-ms',
    String(limits.callerTimeoutMsMax),
    { timeouts: { idleMs: limits.callerTimeoutMsMax } },
  ],
];

const REFUSED: readonly (readonly [header: string, value: string])[] = [
  ['x-revoagent-order', ' , '],
  ['x-revoagent-only', Array.from({ length: 21 }, (_, number) => `p${number}`).join(',')],
  ['x-revoagent-fallback', 'no'],
  ['x-revoagent-continue', 'ON'],
  ['x-revoagent-cache', '1'],
  ['x-revoagent-timeout-ms', '0'],
  ['x-revoagent-connect-timeout-ms', '1.5'],
  ['x-revoagent-first-token-timeout-ms', '1s'],
  ['x-revoagent-idle-timeout-ms', String(limits.callerTimeoutMsMax + 1)],
  ['x-revoagent-timeout', '7'],
];

describe('a wish by a header', () => {
  it('is known for each that the documentation names', () => {
    const wished = new Set(WISHES.map(([header]) => header));
    assert.deepEqual([...wished].toSorted(), Object.keys(preferenceHeaders).toSorted());
  });

  it('reaches the gateway as what it says, on every surface, alone and beside the others', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    for (const [path, body] of Object.entries(SURFACES)) {
      for (const [header, value, wish] of WISHES) {
        assert.equal((await post(hub, path, body, { [header]: value })).status, 200, path);
        assert.deepEqual(hub.calls.at(-1)?.preferences, wish, `${path} ${header}`);
      }
      const all = Object.fromEntries(WISHES.map(([header, value]) => [header, value]));
      assert.equal((await post(hub, path, body, all)).status, 200, path);
      assert.deepEqual(hub.calls.at(-1)?.preferences, {
        order: ['b/large', 'a'],
        only: ['a'],
        fallback: false,
        continueCut: false,
        cache: { use: false },
        timeouts: { totalMs: 7, connectMs: 7, firstTokenMs: 7, idleMs: limits.callerTimeoutMsMax },
      });
      assert.equal((await post(hub, path, body)).status, 200);
      assert.equal(hub.calls.at(-1)?.preferences, undefined);
    }
  });

  it('to go on with a cut stream comes with whether the surface has a word for a restart', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    for (const [path, body] of Object.entries(SURFACES)) {
      if (/embeddings|count_tokens/.test(path)) continue;
      await (await post(hub, path, { ...body, stream: true }, { 'x-revoagent-continue': 'on' })).text();
      const call = hub.calls.at(-1);
      assert.ok(call !== undefined);
      const told = 'restarts' in call ? call.restarts : undefined;
      assert.equal(told, /messages|responses/.test(path) ? false : undefined, path);
    }
  });

  it('that cannot be read is refused by its name, and the gateway hears nothing', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    for (const [path, body] of Object.entries(SURFACES))
      for (const [header, value] of REFUSED) {
        const response = await post(hub, path, body, { [header]: value });
        assert.equal(response.status, 400, `${path} ${header}`);
        assert.ok((await response.text()).includes(header), `${path} ${header}`);
      }
    assert.equal(hub.calls.length, 0);
  });
});
