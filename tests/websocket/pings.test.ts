/** Pings of either side: a client's are answered, and one that answers none of the hub's is gone. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startHttpHub } from '../helpers/http-hub.ts';
import { WEB_SOCKET, opened } from '../helpers/socket-client.ts';
import { until } from '../helpers/upstream.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';

const bearer = (key: string): { headers: Record<string, string> } => ({ headers: { authorization: `Bearer ${key}` } });

describe('a socket', () => {
  it('answers pings, of a burst at least the last one, and closes nobody for it', async (t) => {
    const hub = await startHttpHub(t);
    const client = await opened(t, hub, bearer(hub.keys.chat));
    const answered: string[] = [];
    client.socket.on('pong', (data) => answered.push(data.toString()));
    client.socket.ping('alone');
    await until('a ping is answered', () => answered.includes('alone'));
    for (let at = 1; at <= 20_000; at++) client.socket.ping(`${at} of 20000`);
    await until('the last ping is answered', () => answered.includes('20000 of 20000'));
    assert.deepEqual(
      answered.slice(1).map((text) => Number.parseInt(text, 10)),
      answered
        .slice(1)
        .map((text) => Number.parseInt(text, 10))
        .toSorted((one, other) => one - other),
      'in their order',
    );
    client.send({ type: 'ping' });
    await client.next(({ type }) => type === 'pong');
  });

  it('keeps a socket that answers pings and ends one that does not', async (t) => {
    const clock = new VirtualClock();
    const hub = await startHttpHub(t, { settings: { webSocket: { ...WEB_SOCKET, pingMs: 1_000 } }, clock });
    const alive = await opened(t, hub, bearer(hub.keys.chat));
    const dead = await opened(t, hub, { ...bearer(hub.keys.chat), autoPong: false });
    for (let count = 1; count <= 3; count++) {
      const pinged = new Promise<void>((resolve) => alive.socket.once('ping', () => resolve()));
      await clock.advance(1_000);
      await pinged;
      alive.send({ type: 'ping' });
      await until('the hub heard it', () => alive.told.filter(({ type }) => type === 'pong').length === count);
    }
    assert.equal((await dead.closed).code, 4408);
    assert.equal(alive.socket.readyState, alive.socket.OPEN);
  });
});
