/** Handshakes of `/ws/chat` that are refused: always in the hub's own form, and never too late. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SCOPES } from '#contract/gateway';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import { startHttpHub } from '../helpers/http-hub.ts';
import { keysOf } from '../helpers/http-keys.ts';
import { connect, refusal, WEB_SOCKET } from '../helpers/socket-client.ts';
import { gate, until } from '../helpers/upstream.ts';

describe('a handshake', () => {
  it('whose subprotocols are none, come twice or are others is refused in HTTP, whatever else tells the key', async (t) => {
    const hub = await startHttpHub(t);
    for (const protocols of ['revoagent.v1, revoagent.v1', 'revoagent.v1, (x)', 'revoagent.v1,', 'graphql-ws']) {
      const headers = { authorization: `Bearer ${hub.keys.chat}`, 'sec-websocket-protocol': protocols };
      assert.deepEqual(await refusal(connect(t, hub, { headers })), { status: 400, code: 'bad_request' }, protocols);
    }
    await until('every refusal is counted', () => hub.finished.length === 4);
    assert.deepEqual(new Set(hub.finished.map(({ status }) => status)), new Set([400]));
  });

  it('gets no place beyond the last one, however many wait for the look at their keys at once', async (t) => {
    const { opened: looked, open } = gate();
    let asked = 0;
    const authenticate = async () => {
      asked++;
      await looked;
      return { keyId: 'key_1', projectId: DEFAULT_PROJECT_ID, scopes: new Set(SCOPES) };
    };
    const hub = await startHttpHub(t, {
      settings: { webSocket: { ...WEB_SOCKET, socketsMax: 1 } },
      deps: { keys: { ...keysOf({ chat: '', read: '', external: '', admin: '' }), authenticate } },
    });
    const clients = [1, 2, 3].map(() => connect(t, hub, { headers: { authorization: 'Bearer rvk_any' } }));
    const refusals = clients.map((client) => refusal(client).catch(() => 'accepted'));
    await until('every key is looked at', () => asked === 3);
    open();
    const ends = await Promise.all(refusals);
    assert.equal(ends.filter((end) => end === 'accepted').length, 1, JSON.stringify(ends));
  });
});
