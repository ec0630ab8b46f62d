/** Event streams to real callers: silence, slowness, leaving and failing. Time is the test's. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import type { ChatCall } from '#contract/gateway';
import { callerGone } from '#contract/gateway';
import { UpstreamError } from '#core/errors';
import { chunk, startHttpHub, streamOf, summary } from '../../tests/helpers/http-hub.ts';
import { openSocket, post, readUntil, sseEvents } from '../../tests/helpers/http-calls.ts';
import { waitFor } from '../../tests/helpers/hub-process.ts';
import { settle, VirtualClock } from '../../tests/helpers/virtual-clock.ts';

const PATH = '/v1/chat/completions';
const body = JSON.stringify({ model: 'fast', messages: [{ role: 'user', content: 'x' }], stream: true });
const RAW = `POST ${PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

/** A promise in the test's hands. */
function held<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (reason: unknown) => void } {
  return Promise.withResolvers<T>();
}

/** Rejects as the gateway does, when the caller's signal aborts. */
function untilAborted({ signal }: ChatCall): Promise<never> {
  return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}

describe('an event stream', () => {
  it('sends a comment after 10 s without an event, before the commit point and after it', async (t) => {
    const clock = new VirtualClock();
    const opening = held<void>();
    const ending = held<void>();
    async function* slow(): AsyncGenerator<string> {
      yield chunk('Hello.', 'stop');
      await ending.promise;
    }
    const hub = await startHttpHub(t, {
      keyless: true,
      clock,
      async stream({ runId }) {
        await opening.promise;
        return streamOf(runId, slow());
      },
    });
    const socket = await openSocket(t, hub.url);
    socket.write(RAW);
    await waitFor(() => hub.calls[0]);
    await clock.advance(9_999);
    assert.equal(socket.bytesRead, 0, 'nothing is committed before it must be');
    const first = readUntil(socket, /: keep-alive/);
    await clock.advance(1);
    assert.match(await first, /^HTTP\/1\.1 200 /);
    assert.match(await first, new RegExp(`x-revoagent-run: ${hub.calls[0]?.runId}`));

    const event = readUntil(socket, /Hello/);
    opening.resolve();
    await event;
    const second = readUntil(socket, /: keep-alive/);
    await clock.advance(10_000);
    await second;
    const end = readUntil(socket, /\r\n0\r\n\r\n/);
    ending.resolve();
    assert.match(await end, /data: \[DONE\]/);
    assert.equal(clock.pending, 0, 'no timer is left behind');
  });

  it('holds back no event of fifty streams that speak in the same turn', async (t) => {
    const speaking = held<void>();
    const ending = held<void>();
    async function* together(): AsyncGenerator<string> {
      await speaking.promise;
      yield chunk('Hello.', 'stop');
      await ending.promise;
    }
    const hub = await startHttpHub(t, {
      keyless: true,
      clock: new VirtualClock(),
      stream: async ({ runId }) => streamOf(runId, together()),
    });
    const sockets = await Promise.all(Array.from({ length: 50 }, () => openSocket(t, hub.url)));
    for (const socket of sockets) socket.write(RAW);
    await waitFor(() => hub.calls[49]);
    const heard = Promise.all(sockets.map((socket) => readUntil(socket, /Hello/)));
    speaking.resolve();
    await heard;
    ending.resolve();
  });

  it('tells a failure after a keep-alive as an event, because 200 is already sent', async (t) => {
    const clock = new VirtualClock();
    const opening = held<never>();
    const hub = await startHttpHub(t, { keyless: true, clock, stream: () => opening.promise });
    const socket = await openSocket(t, hub.url);
    socket.write(RAW);
    await waitFor(() => hub.calls[0]);
    const alive = readUntil(socket, /: keep-alive/);
    await clock.advance(10_000);
    await alive;
    const end = readUntil(socket, /\r\n0\r\n\r\n/);
    opening.reject(new UpstreamError('upstream_timeout', 'Too slow.'));
    const text = await end;
    assert.match(text, /"code":"upstream_timeout"/);
    assert.doesNotMatch(text, /\[DONE\]/);
  });

  it('aborts the call when the caller leaves before the first event', async (t) => {
    const hub = await startHttpHub(t, { keyless: true, stream: untilAborted });
    const reported = hub.nextFinished();
    const socket = await openSocket(t, hub.url);
    socket.write(RAW);
    const call = await waitFor(() => hub.calls[0]);
    socket.destroy();
    const { status, errorCode } = await reported;
    assert.equal(call.signal.reason, callerGone);
    assert.deepEqual({ status, errorCode }, { status: 499, errorCode: 'cancelled' });
  });

  it('aborts the call and closes the events when the caller leaves in the middle', async (t) => {
    let closed = false;
    const hub = await startHttpHub(t, {
      keyless: true,
      async stream(call) {
        async function* endless(): AsyncGenerator<string> {
          try {
            yield chunk('Hel');
            await untilAborted(call);
          } finally {
            closed = true;
          }
        }
        return streamOf(call.runId, endless());
      },
    });
    const reported = hub.nextFinished();
    const socket = await openSocket(t, hub.url);
    const begun = readUntil(socket, /Hel/);
    socket.write(RAW);
    await begun;
    socket.destroy();
    assert.equal((await reported).status, 499);
    assert.equal(hub.calls[0]?.signal.reason, callerGone);
    await waitFor(() => closed || null);
    assert.deepEqual(hub.log, [], 'a caller who leaves is no fault of the hub');
  });

  it('aborts a plain call when the caller leaves', async (t) => {
    const hub = await startHttpHub(t, { keyless: true, complete: untilAborted });
    const reported = hub.nextFinished();
    const leaving = new AbortController();
    const answer = post(hub, PATH, { model: 'fast', messages: [{ role: 'user', content: 'x' }] }, {}, leaving.signal);
    const call = await waitFor(() => hub.calls[0]);
    leaving.abort();
    await assert.rejects(answer);
    assert.equal((await reported).status, 499);
    assert.equal(call.signal.reason, callerGone);
  });

  it('pulls no faster than the caller reads, and gives a caller up who reads nothing for a minute', async (t) => {
    const clock = new VirtualClock();
    const text = 'x'.repeat(64 * 1024);
    let pulled = 0;
    let closed = false;
    function* flood(): Generator<string> {
      try {
        for (; pulled < 10_000; pulled++) yield chunk(text);
      } finally {
        closed = true;
      }
    }
    const hub = await startHttpHub(t, { keyless: true, clock, stream: async ({ runId }) => streamOf(runId, flood()) });
    const reported = hub.nextFinished();
    const socket = await openSocket(t, hub.url);
    socket.pause();
    socket.write(RAW);
    await waitFor(() => pulled || null);
    let before = -1;
    await waitFor(async () => {
      const same = before === pulled;
      before = pulled;
      for (let turn = 0; turn < 20; turn++) await settle();
      return same || null;
    });
    assert.ok(pulled < 1_000, `${pulled} events of 64 KiB were pulled for a caller who reads nothing`);
    await clock.advance(60_000);
    assert.equal((await reported).status, 499);
    await waitFor(() => closed || null);
    assert.equal(clock.pending, 0);
  });

  it('keeps one event on one line, whatever white space it came with', async (t) => {
    const hub = await startHttpHub(t, {
      keyless: true,
      stream: async ({ runId }) => streamOf(runId, ['{\r\n  "a":\n 1\r}']),
    });
    const response = await post(hub, PATH, JSON.parse(body));
    const [event, done] = sseEvents(await response.text());
    assert.deepEqual(JSON.parse(event?.data ?? ''), { a: 1 });
    assert.equal(done?.data, '[DONE]');
  });

  it('counts waiting for the upstream out of the hub’s time', async (t) => {
    const clock = new VirtualClock();
    async function* thinking(): AsyncGenerator<string> {
      await settle();
      clock.jump(5_000);
      yield chunk('a');
      await settle();
      clock.jump(7_000);
      yield chunk('', 'stop');
    }
    const hub = await startHttpHub(t, {
      keyless: true,
      clock,
      async stream({ runId }) {
        await settle();
        clock.jump(1_000);
        return { ...streamOf(runId, thinking()), summary: summary(runId, { overheadMs: 2 }) };
      },
    });
    const reported = hub.nextFinished();
    await (await post(hub, PATH, JSON.parse(body))).text();
    const { durationMs, hubMs } = await reported;
    assert.deepEqual({ durationMs, hubMs }, { durationMs: 13_000, hubMs: 2 });
  });

  it('speaks the hub’s own form on /api/chat', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const response = await post(hub, '/api/chat', { prompt: 'Hello?', stream: true });
    const events = sseEvents(await response.text()).map(({ data }) => data);
    assert.equal(events.pop(), '[DONE]');
    const { runId } = hub.calls[0] ?? {};
    assert.deepEqual(
      events.map((data): unknown => JSON.parse(data)),
      [
        { type: 'start', runId, provider: 'openai', model: 'gpt-4o-mini', degraded: false, simulated: false },
        { type: 'delta', text: 'Hel' },
        { type: 'delta', text: 'lo.' },
        { type: 'end', finishReason: 'stop', usage: null },
      ],
    );
    assert.deepEqual(hub.calls[0]?.request, {
      model: 'fast',
      messages: [{ role: 'user', content: 'Hello?' }],
      stream: true,
      stream_options: { include_usage: true },
    });
  });

  it('tells a failure on /api/chat as an event of its own kind', async (t) => {
    async function* cut(): AsyncGenerator<string> {
      yield chunk('Hel');
      throw new UpstreamError('upstream_cut', 'The provider cut the answer.');
    }
    const hub = await startHttpHub(t, { keyless: true, stream: async ({ runId }) => streamOf(runId, cut()) });
    const events = sseEvents(await (await post(hub, '/api/chat', { prompt: 'x', stream: true })).text());
    const last = events.at(-1);
    assert.equal(last?.event, 'error');
    const told: unknown = JSON.parse(last?.data ?? '');
    assert.ok(typeof told === 'object' && told !== null && 'error' in told);
    assert.match(JSON.stringify(told.error), /"code":"upstream_cut".*"runId":"run_/);
    assert.ok(events.every(({ data }) => data !== '[DONE]'));
  });

  it('ends its connection’s request only when the response is whole', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const socket = await openSocket(t, hub.url);
    const first = readUntil(socket, /\r\n0\r\n\r\n/);
    socket.write(RAW);
    await first;
    const second = readUntil(socket, /\r\n0\r\n\r\n/);
    socket.write(RAW);
    assert.match(await second, /\[DONE\]/, 'the connection serves the next request');
    socket.end();
    await once(socket, 'close');
  });
});
