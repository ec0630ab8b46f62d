/** An external API's answer on its way to the caller, over real sockets: what becomes of a reader who stops reading at its very end. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ServerResponse } from 'node:http';
import { it } from 'node:test';
import { openSocket } from '../../tests/helpers/http-calls.ts';
import { startHttpHub } from '../../tests/helpers/http-hub.ts';
import { until } from '../../tests/helpers/upstream.ts';
import { settle, VirtualClock } from '../../tests/helpers/virtual-clock.ts';

/** Less than Node buffers before it says that the reader is slow. */
const PART = Buffer.alloc(8 * 1024, 'x');
const STUCK_TURNS = 5_000;

it('the last part of an answer is not kept for a caller who takes nothing for a minute', async (t) => {
  const clock = new VirtualClock();
  const responses: ServerResponse[] = [];
  const onRequest = (message: unknown): void => void responses.push(Object(message).response);
  subscribe('http.server.request.start', onRequest);
  t.after(() => unsubscribe('http.server.request.start', onRequest));

  /** Whether what was written stays in the process: the systems' buffers on the way are full. */
  async function isStuck(): Promise<boolean> {
    for (let turns = 0; turns < STUCK_TURNS; turns++) {
      if (responses[0]?.writableLength === 0) return false;
      await settle();
    }
    return true;
  }
  /** Ends just when a part of it can go no further, before the hub is told that its reader is slow. */
  async function* body(): AsyncGenerator<Uint8Array, undefined> {
    do yield PART;
    while (!(await isStuck()));
    return undefined;
  }
  const hub = await startHttpHub(t, {
    keyless: true,
    clock,
    deps: {
      external: {
        list: () => [],
        call: async () => ({ status: 200, headers: {}, attempts: 1, breaker: 'closed', body: body() }),
      },
    },
  });
  const reported = hub.nextFinished();
  const socket = await openSocket(t, hub.url);
  socket.pause();
  socket.write('GET /api/external/api/x HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await until('the answer is whole', () => responses[0]?.writableEnded === true);
  assert.equal(clock.pending, 1, 'its reader has a minute');
  await clock.advance(60_000);
  assert.equal((await reported).status, 499);
  assert.equal(responses[0]?.destroyed, true);
  assert.equal(clock.pending, 0);
});
