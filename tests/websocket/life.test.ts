/** How sockets of `/ws/chat` are opened, bounded and ended, seen from the client and from the upstream. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { WebSocket } from 'ws';
import type { ChatCall, ChatStream } from '#contract/gateway';
import { callerGone } from '#contract/gateway';
import type { HttpSettings } from '#http/server';
import { chunk, startHttpHub, streamOf } from '../helpers/http-hub.ts';
import type { HttpHub, Script } from '../helpers/http-hub.ts';
import { WEB_SOCKET, connect, ended, opened, refusal } from '../helpers/socket-client.ts';
import { gate, until } from '../helpers/upstream.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';

const bearer = (key: string): { headers: Record<string, string> } => ({ headers: { authorization: `Bearer ${key}` } });
const chat = (id: string): object => ({ type: 'chat', id, request: { prompt: 'Hi.' } });

function bounded(webSocket: Partial<HttpSettings['webSocket']>): Script {
  return { settings: { webSocket: { ...WEB_SOCKET, ...webSocket } } };
}

/** Streams of one word that go on when the test says so, or end as the gateway's do when their signal aborts. */
function held(): { stream: (call: ChatCall) => Promise<ChatStream>; finish: () => void; readonly reasons: unknown[] } {
  const { opened: finished, open } = gate();
  const reasons: unknown[] = [];
  return {
    reasons,
    finish: open,
    stream: async ({ runId, signal }) => {
      async function* words(): AsyncGenerator<string> {
        yield chunk('one');
        await new Promise<void>((resolve, reject) => {
          void finished.then(resolve);
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason);
            reject(signal.reason);
          });
        });
        yield chunk('two', 'stop');
      }
      return streamOf(runId, words());
    },
  };
}

describe('where a socket comes back to', () => {
  it('is told by a cookie for balancers, and over TLS only where it came by TLS', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const cookieOf = async (headers: Record<string, string>): Promise<string | undefined> => {
      const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/ws/chat`, { headers });
      const [response] = (await once(socket, 'upgrade')) as [IncomingMessage];
      socket.terminate();
      return response.headers['set-cookie']?.[0];
    };
    const cookie = 'revoagent_route=hub-1; Path=/ws; HttpOnly; SameSite=Lax';
    assert.equal(await cookieOf({}), cookie);
    assert.equal(await cookieOf({ 'x-forwarded-proto': 'https' }), `${cookie}; Secure`);
    const odd = await startHttpHub(t, { keyless: true, settings: { instance: 'a; b' } });
    const socket = new WebSocket(`${odd.url.replace('http', 'ws')}/ws/chat`);
    const [response] = (await once(socket, 'upgrade')) as [IncomingMessage];
    socket.terminate();
    assert.equal(response.headers['set-cookie'], undefined, 'a name that a cookie cannot hold');
  });
});

describe('who may open a socket', () => {
  it('is let in with a key in the header, beside the subprotocol, or in the first message', async (t) => {
    const hub = await startHttpHub(t);
    const key = hub.keys.chat;
    const byHeader = await opened(t, hub, bearer(key));
    const bySubprotocol = await opened(t, hub, { protocols: ['revoagent.v1', `bearer.${key}`] });
    const byMessage = await opened(t, hub);
    assert.equal(bySubprotocol.socket.protocol, 'revoagent.v1');
    assert.deepEqual(
      [byHeader, bySubprotocol, byMessage].map(({ told }) => told[0]?.['authenticated']),
      [true, true, false],
    );
    byMessage.send({ type: 'auth', token: key });
    await byMessage.next(({ type, authenticated }) => type === 'hello' && authenticated === true);
    for (const client of [byHeader, bySubprotocol, byMessage]) {
      client.send(chat('a'));
      assert.equal((await ended(client, 'a')).type, 'end');
    }
    assert.deepEqual(
      hub.calls.map(({ caller }) => caller.keyId),
      ['key_chat', 'key_chat', 'key_chat'],
    );
  });

  it('is refused in HTTP with a wrong key, without the scope, or without our subprotocol', async (t) => {
    const hub = await startHttpHub(t);
    const refused = async (options: Parameters<typeof connect>[2]): Promise<unknown> =>
      refusal(connect(t, hub, options));
    assert.deepEqual(await refused(bearer('rvk_no')), { status: 401, code: 'unauthenticated' });
    assert.deepEqual(await refused({ protocols: ['revoagent.v1', 'bearer.rvk_no'] }), {
      status: 401,
      code: 'unauthenticated',
    });
    assert.deepEqual(await refused(bearer(hub.keys.read)), { status: 403, code: 'forbidden' });
    assert.deepEqual(await refused({ protocols: ['graphql-ws'] }), { status: 400, code: 'bad_request' });
    await until('every refusal is counted', () => hub.finished.length === 4);
    assert.deepEqual(new Set(hub.finished.map(({ route }) => route)), new Set(['/ws/chat']));
  });

  it('is closed with 4401 for a wrong key or none in its first message, 4403 without the scope; nothing is asked', async (t) => {
    const hub = await startHttpHub(t);
    const cases: readonly [number, object][] = [
      [4401, { type: 'auth', token: 'rvk_no' }],
      [4401, chat('a')],
      [4403, { type: 'auth', token: hub.keys.read }],
    ];
    for (const [code, message] of cases) {
      const client = await opened(t, hub);
      client.send(message);
      assert.equal((await client.closed).code, code);
    }
    assert.equal(hub.calls.length, 0);
  });

  it('is closed with 4401 when no key came in time', async (t) => {
    const clock = new VirtualClock();
    const hub = await startHttpHub(t, { clock });
    const late = await opened(t, hub);
    await clock.advance(WEB_SOCKET.authenticateMs);
    assert.equal((await late.closed).code, 4401);
  });

  it('is closed with 4401 at the next message after its key was revoked, and its runs are cancelled', async (t) => {
    const streams = held();
    const hub = await startHttpHub(t, {
      stream: streams.stream,
      deps: {
        keys: {
          authenticate: async () =>
            revoked ? null : { keyId: 'key_1', projectId: 'prj_1', scopes: new Set(['chat'] as const) },
          create: () => Promise.reject(new Error('not here')),
          list: async () => [],
          revoke: async () => false,
          find: async () => null,
          setLimits: async () => false,
          setProjectLimits: async () => undefined,
          projectLimits: async () => ({}),
        },
      },
    });
    let revoked = false;
    const client = await opened(t, hub, bearer('rvk_any'));
    client.send(chat('a'));
    await client.next(({ type }) => type === 'delta');
    revoked = true;
    client.send({ type: 'ping' });
    assert.equal((await client.closed).code, 4401);
    await until('the run is cancelled', () => streams.reasons.length === 1);
  });

  it('needs no key on a hub without keys, but then comes from this machine and from no foreign page', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const client = await opened(t, hub);
    client.send(chat('a'));
    assert.equal((await ended(client, 'a')).type, 'end');
    for (const headers of [{ host: 'evil.example' }, { origin: 'https://evil.example' }]) {
      assert.deepEqual(await refusal(connect(t, hub, { headers })), { status: 403, code: 'forbidden_origin' });
    }
  });
});

describe('the bounds of sockets', () => {
  it('refuses one more socket than there may be, and takes one when another is gone', async (t) => {
    const hub = await startHttpHub(t, bounded({ socketsMax: 1 }));
    const first = await opened(t, hub, bearer(hub.keys.chat));
    const second = connect(t, hub, bearer(hub.keys.chat));
    assert.deepEqual(await refusal(second), { status: 503, code: 'too_many_requests_in_flight' });
    first.socket.close();
    await first.closed;
    await opened(t, hub, bearer(hub.keys.chat));
  });

  for (const bound of ['runsMax', 'runsInFlightMax'] as const) {
    it(`refuses one more run than ${bound}, and takes one when another has ended`, async (t) => {
      const streams = held();
      const hub = await startHttpHub(t, { ...bounded({ [bound]: 2 }), stream: streams.stream });
      const client = await opened(t, hub, bearer(hub.keys.chat));
      for (const id of ['a', 'b', 'c']) client.send(chat(id));
      assert.match(JSON.stringify(await ended(client, 'c')), /too_many_requests_in_flight.*"retryable":true/);
      assert.equal(hub.calls.length, 2);
      streams.finish();
      await ended(client, 'a');
      await ended(client, 'b');
      client.send(chat('d'));
      assert.equal((await ended(client, 'd')).type, 'end');
    });
  }

  it('cancels one run at its upstream, says so once, and leaves the other alone', async (t) => {
    const streams = held();
    const hub = await startHttpHub(t, { stream: streams.stream });
    const client = await opened(t, hub, bearer(hub.keys.chat));
    client.send(chat('a'));
    client.send(chat('b'));
    await client.next(({ type, id }) => type === 'delta' && id === 'b');
    client.send({ type: 'cancel', id: 'a' });
    assert.match(JSON.stringify(await ended(client, 'a')), /"code":"cancelled"/);
    assert.deepEqual(streams.reasons, [callerGone]);
    streams.finish();
    assert.equal((await ended(client, 'b')).type, 'end');
    assert.equal(client.of('a').filter(({ type }) => type === 'error').length, 1);
  });

  it('cancels every run of a caller who is gone', async (t) => {
    const streams = held();
    const hub = await startHttpHub(t, { stream: streams.stream });
    const client = await opened(t, hub, bearer(hub.keys.chat));
    client.send(chat('a'));
    client.send(chat('b'));
    await client.next(({ type, id }) => type === 'delta' && id === 'b');
    client.socket.terminate();
    await until('both are cancelled', () => streams.reasons.length === 2);
    assert.deepEqual(streams.reasons, [callerGone, callerGone]);
  });

  it('ends a run whose stream is cut in an error that can be tried again, never in an end', async (t) => {
    const { UpstreamError } = await import('#core/errors');
    const hub = await startHttpHub(t, {
      stream: async ({ runId }) =>
        streamOf(
          runId,
          (async function* cut() {
            yield chunk('one');
            throw new UpstreamError('upstream_cut', 'The provider ended the stream.');
          })(),
        ),
    });
    const client = await opened(t, hub, bearer(hub.keys.chat));
    client.send(chat('a'));
    const error = await ended(client, 'a');
    assert.match(JSON.stringify(error), /"code":"upstream_cut".*"retryable":true/);
    assert.match(JSON.stringify(error), new RegExp(`"runId":"${hub.calls[0]?.runId}"`));
    client.send({ type: 'ping' });
    await client.next(({ type }) => type === 'pong');
    assert.deepEqual(
      client.of('a').map(({ type }) => type),
      ['start', 'delta', 'error'],
    );
  });

  it('pulls nothing more for a slow reader, and goes on when he reads', async (t) => {
    const { hub, pulled, total } = await floodedHub(t);
    const client = await opened(t, hub, bearer(hub.keys.chat));
    client.socket.pause();
    client.send(chat('a'));
    await untilStill(pulled);
    assert.ok(pulled() < total / 2, `${pulled()} of ${total} events were pulled`);
    const before = pulled();
    client.socket.resume();
    await until('it goes on', () => pulled() > before);
    assert.equal(
      client.of('a').some(({ type }) => type === 'error'),
      false,
    );
  });

  it('closes a reader who takes nothing for too long, and cancels his run', async (t) => {
    const clock = new VirtualClock();
    const { hub, pulled, returned } = await floodedHub(t, clock);
    const client = await opened(t, hub, bearer(hub.keys.chat));
    client.socket.pause();
    client.send(chat('a'));
    await untilStill(pulled);
    await clock.advance(WEB_SOCKET.stalledMs + 5_000);
    await until('the run is over', returned);
    await until('the socket is counted as closed', () => hub.log.some((line) => line.includes('"code":4429')));
  });

  it('closes a socket that nobody uses with 4408, but none on which something runs', async (t) => {
    const clock = new VirtualClock();
    const streams = held();
    const webSocket = { idleMs: 1_000, pingMs: 1_000_000 };
    const hub = await startHttpHub(t, { ...bounded(webSocket), stream: streams.stream, clock });
    const idle = await opened(t, hub, bearer(hub.keys.chat));
    const busy = await opened(t, hub, bearer(hub.keys.chat));
    busy.send(chat('a'));
    await busy.next(({ type }) => type === 'delta');
    await clock.advance(1_000);
    assert.equal((await idle.closed).code, 4408);
    await clock.advance(5_000);
    streams.finish();
    assert.equal((await ended(busy, 'a')).type, 'end');
  });
});

describe('sockets of a hub that ends', () => {
  it('tells every socket, lets runs end, takes no new ones, and closes each with 1012', async (t) => {
    const streams = held();
    const hub = await startHttpHub(t, { stream: streams.stream });
    const idle = await opened(t, hub, bearer(hub.keys.chat));
    const busy = await opened(t, hub, bearer(hub.keys.chat));
    busy.send(chat('a'));
    await busy.next(({ type }) => type === 'delta');
    const closing = hub.server.close(60_000);
    assert.deepEqual((await idle.next(({ type }) => type === 'draining'))['runs'], []);
    assert.equal((await idle.closed).code, 1012);
    assert.deepEqual((await busy.next(({ type }) => type === 'draining'))['runs'], ['a']);
    busy.send(chat('b'));
    assert.match(JSON.stringify(await ended(busy, 'b')), /"code":"draining".*"retryable":true/);
    streams.finish();
    assert.equal((await ended(busy, 'a')).type, 'end');
    assert.deepEqual(await busy.closed, { code: 1012, reason: 'draining: reconnect after 100 ms' });
    await closing;
  });

  it('sends them away one after the other within a second, and one whose turn has not come still takes runs', async (t) => {
    const clock = new VirtualClock();
    const hub = await startHttpHub(t, { clock, stream: async ({ runId }) => streamOf(runId, [chunk('one', 'stop')]) });
    const clients = [];
    for (let at = 0; at < 4; at++) clients.push(await opened(t, hub, bearer(hub.keys.chat)));
    const closing = hub.server.close(60_000);
    for (const [at, client] of clients.entries()) {
      const told: boolean[] = clients.map(({ told: messages }) => messages.some(({ type }) => type === 'draining'));
      assert.deepEqual(
        told.slice(at + 1),
        Array.from({ length: 3 - at }, () => false),
        `after ${at} were told`,
      );
      assert.equal((await client.closed).code, 1012);
      const last = clients.at(-1);
      if (last !== undefined && last !== client) {
        last.send(chat(String(at)));
        assert.equal((await ended(last, String(at))).type, 'end');
      }
      await clock.advance(250);
    }
    await closing;
  });

  it('ends what still runs after the grace with an honest error and 1012', async (t) => {
    const streams = held();
    const hub = await startHttpHub(t, { stream: streams.stream });
    const client = await opened(t, hub, bearer(hub.keys.chat));
    client.send(chat('a'));
    await client.next(({ type }) => type === 'delta');
    await hub.server.close(0);
    assert.match(JSON.stringify(await ended(client, 'a')), /"code":"draining"/);
    assert.equal((await client.closed).code, 1012);
    assert.equal(streams.reasons.length, 1);
  });
});

/** Answers far more than a socket's buffers and the system's hold. */
async function floodedHub(t: TestContext, clock?: VirtualClock) {
  const total = 400;
  let pulled = 0;
  const word = 'x'.repeat(64 * 1024);
  let stream: (ChatStream & { returned: boolean }) | undefined;
  const script: Script = {
    stream: async ({ runId }) => {
      async function* words(): AsyncGenerator<string> {
        for (pulled = 0; pulled < total; pulled++) yield chunk(word);
      }
      return (stream = streamOf(runId, words()));
    },
    ...(clock === undefined ? {} : { clock }),
  };
  const hub: HttpHub = await startHttpHub(t, script);
  return { hub, total, pulled: () => pulled, returned: () => stream?.returned === true };
}

/** Resolves when the figure is above zero and has stood still over many turns of the event loop. */
async function untilStill(figure: () => number): Promise<void> {
  let last = -1;
  let turns = 0;
  await until('the figure stands still', () => {
    turns = figure() === last && last > 0 ? turns + 1 : 0;
    last = figure();
    return turns > 2_000;
  });
}
