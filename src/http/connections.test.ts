/** How a server leaves, seen from clients with open connections. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { ChatCall } from '#contract/gateway';
import { chunk, startHttpHub, streamOf } from '../../tests/helpers/http-hub.ts';
import { openSocket, readUntil } from '../../tests/helpers/http-calls.ts';
import { waitFor } from '../../tests/helpers/hub-process.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';

const LIVE = 'GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n';
const body = JSON.stringify({ model: 'fast', messages: [{ role: 'user', content: 'x' }], stream: true });
const STREAM = `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
const WHOLE = /"uptimeSeconds":\d+\}$/;

/** A stream that goes on when the test says so, or ends with the reason the call is aborted for. */
function heldStream(): { stream: (call: ChatCall) => Promise<ReturnType<typeof streamOf>>; finish: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  async function* events({ signal }: ChatCall): AsyncGenerator<string> {
    yield chunk('one');
    const aborted = Promise.withResolvers<never>();
    signal.addEventListener('abort', () => aborted.reject(signal.reason));
    await Promise.race([promise, aborted.promise]);
    yield chunk('two', 'stop');
  }
  return { stream: async (call) => streamOf(call.runId, events(call)), finish: resolve };
}

/** Soon, not at once: what the system has queued is served first. */
function refused(url: string): Promise<true> {
  return waitFor(() =>
    fetch(`${url}/health/live`).then(
      () => null,
      () => true,
    ),
  );
}

const QUEUED = 200;
const CALLED_MS = 30_000;

describe('a server that drains', () => {
  it('serves what was queued while it was busy, and only then refuses', async (t) => {
    const hub = await startHttpHub(t, { keyless: true, settings: { requestsInFlightMax: QUEUED } });
    const sent = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(new URL('../../tests/helpers/queued-callers-worker.ts', import.meta.url), {
      workerData: { port: Number(new URL(hub.url).port), count: QUEUED, request: LIVE, sent },
    });
    t.after(() => worker.terminate());
    const answers = once(worker, 'message');
    await once(worker, 'online');
    // No turn of the event loop passes here, so that nothing is accepted.
    const end = performance.now() + CALLED_MS;
    while (Atomics.load(sent, 0) < QUEUED) assert.ok(performance.now() < end, 'the callers did not call');
    hub.server.beginDrain();
    const [lines] = (await answers) as [string[]];
    assert.deepEqual(new Set(lines), new Set(['HTTP/1.1 200 OK']));
    await refused(hub.url);
  });

  it('refuses new connections, serves open ones and tells them to close', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const socket = await openSocket(t, hub.url);
    const before = readUntil(socket, WHOLE);
    socket.write(LIVE);
    assert.match(await before, /connection: keep-alive/i);

    hub.server.beginDrain();
    await refused(hub.url);
    const after = readUntil(socket, WHOLE);
    const closed = once(socket, 'close');
    socket.write(LIVE);
    assert.match(await after, /^HTTP\/1\.1 200 [^]*connection: close/i);
    await closed;
    await hub.server.close(60_000);
  });

  it('says close also on the answer to a request that began before', async (t) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const hub = await startHttpHub(t, {
      keyless: true,
      deps: { metrics: () => promise.then(() => ({ contentType: 'text/plain', body: 'up 1' })) },
    });
    const socket = await openSocket(t, hub.url);
    const answer = readUntil(socket, /up 1$/);
    socket.write('GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await waitFor(() => socket.bytesWritten || null);
    await openSocket(t, hub.url);
    hub.server.beginDrain();
    resolve();
    assert.match(await answer, /connection: close/i);
  });

  it('closes idle connections after 5 s, not at once, and lets streams finish', async (t) => {
    const clock = new VirtualClock();
    const { stream, finish } = heldStream();
    const hub = await startHttpHub(t, { keyless: true, clock, stream });
    const idle = await openSocket(t, hub.url);
    const served = readUntil(idle, WHOLE);
    idle.write(LIVE);
    await served;
    const [busy, used] = [await openSocket(t, hub.url), await openSocket(t, hub.url)];
    for (const socket of [busy, used]) {
      const begun = readUntil(socket, /one/);
      socket.write(STREAM);
      await begun;
    }

    const closing = hub.server.close(600_000);
    await clock.advance(4_900);
    const late = readUntil(idle, WHOLE);
    idle.write(LIVE);
    assert.match(await late, /^HTTP\/1\.1 200/, 'a request that was on its way is served');

    await clock.advance(20_000);
    const ends = [busy, used].map((socket) => readUntil(socket, /\r\n0\r\n\r\n/));
    finish();
    for (const end of ends) assert.match(await end, /two[^]*\[DONE\]/);
    await clock.advance(4_000);
    const more = readUntil(used, WHOLE);
    used.write(LIVE);
    assert.match(await more, /^HTTP\/1\.1 200/, 'it is idle from the end of its stream on');
    const gone = once(busy, 'close');
    await clock.advance(2_000);
    await gone;
    await closing;
  });

  it('closes a connection on which nothing ever came', async (t) => {
    const clock = new VirtualClock();
    const hub = await startHttpHub(t, { keyless: true, clock });
    const silent = await openSocket(t, hub.url);
    silent.resume();
    await fetch(`${hub.url}/health/live`).then((response) => response.text());
    const closing = hub.server.close(600_000);
    const gone = once(silent, 'close');
    await clock.advance(6_000);
    await gone;
    await closing;
  });

  it('ends at the deadline what did not finish, with an honest error', async (t) => {
    const clock = new VirtualClock();
    const hub = await startHttpHub(t, { keyless: true, clock, stream: heldStream().stream });
    const reported = hub.nextFinished();
    const socket = await openSocket(t, hub.url);
    const begun = readUntil(socket, /one/);
    socket.write(STREAM);
    await begun;
    const end = readUntil(socket, /\r\n0\r\n\r\n/);
    const closing = hub.server.close(30_000);
    await clock.advance(30_000);
    const text = await end;
    assert.match(text, /"code":"draining"/);
    assert.doesNotMatch(text, /\[DONE\]/);
    await closing;
    const { streamFailed, errorCode } = await reported;
    assert.deepEqual({ streamFailed, errorCode }, { streamFailed: true, errorCode: 'draining' });
  });

  it('does not wait for a caller who reads nothing beyond the deadline', async (t) => {
    const clock = new VirtualClock();
    function* flood(): Generator<string> {
      for (let sent = 0; sent < 10_000; sent++) yield chunk('x'.repeat(64 * 1024));
    }
    const hub = await startHttpHub(t, { keyless: true, clock, stream: async ({ runId }) => streamOf(runId, flood()) });
    const socket = await openSocket(t, hub.url);
    socket.pause();
    socket.write(STREAM);
    await waitFor(() => hub.calls[0]);
    const closing = hub.server.close(1_000);
    await clock.advance(1_000);
    await clock.advance(1_000);
    await clock.advance(1_000);
    await closing;
  });
});
