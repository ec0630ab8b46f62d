/** What one connection can have of the hub at once, however much it sends before it reads. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { limits } from '#core/limits';
import { completion, startHttpHub, summary } from '../../tests/helpers/http-hub.ts';
import { openSocket, readUntil } from '../../tests/helpers/http-calls.ts';
import { gate, until } from '../../tests/helpers/upstream.ts';

const body = '{"model":"fast","messages":[{"role":"user","content":"x"}]}';
const CHAT = `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
const HANDSHAKE =
  'GET /ws/chat HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

/** A hub whose chats are answered when the test says so. */
async function heldHub(t: Parameters<typeof startHttpHub>[0]) {
  const { opened, open } = gate();
  let asked = 0;
  const hub = await startHttpHub(t, {
    keyless: true,
    complete: async ({ runId }) => {
      asked++;
      await opened;
      return { summary: summary(runId), body: completion(), raw: undefined };
    },
  });
  const isUp = async () => (await fetch(`${hub.url}/health/live`)).status === 200;
  return { hub, open, asked: () => asked, isUp };
}

describe('requests that come before the answer to the one ahead', () => {
  it('are served one after the other, each of them', async (t) => {
    const { hub, open, asked } = await heldHub(t);
    const socket = await openSocket(t, hub.url);
    socket.write(CHAT + CHAT + CHAT);
    await until('the first is served', () => asked() === 1);
    assert.equal((await fetch(`${hub.url}/health/live`)).status, 200);
    assert.equal(asked(), 1);
    open();
    const text = await readUntil(socket, /(?:HTTP\/1\.1 200[^]*){3}\}$/);
    assert.equal(text.match(/HTTP\/1\.1 200/g)?.length, 3);
    assert.equal(asked(), 3);
  });

  it('end the connection where there are too many of them, and nobody else notices', async (t) => {
    const { hub, asked, isUp } = await heldHub(t);
    const socket = await openSocket(t, hub.url);
    const closed = once(socket, 'close');
    socket.write(CHAT.repeat(limits.requestsWaitingMax + 2));
    socket.resume();
    await closed;
    assert.equal(asked(), 1);
    await until('the one that was served is ended', () => hub.finished.length === 1);
    assert.ok(await isUp());
  });

  it('end the connection where a handshake is among them, and nobody else notices', async (t) => {
    const { hub, isUp } = await heldHub(t);
    const socket = await openSocket(t, hub.url);
    const closed = once(socket, 'close');
    socket.write(CHAT + HANDSHAKE);
    socket.resume();
    await closed;
    assert.ok(await isUp());
  });
});
