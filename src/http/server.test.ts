/** The server at its edges: what is too much, too slow, too broken, or from elsewhere. */
import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { METHODS, request } from 'node:http';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { limits } from '#core/limits';
import { completion, runRecord, startHttpHub, summary } from '../../tests/helpers/http-hub.ts';
import { openSocket, post, readUntil } from '../../tests/helpers/http-calls.ts';
import { temporaryFolder, waitFor } from '../../tests/helpers/hub-process.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';

const LIVE = '/health/live';

describe('a whole answer', () => {
  const big = Buffer.alloc(32 * 1024 * 1024, ' ');
  const body = '{"model":"fast","messages":[{"role":"user","content":"x"}]}';
  const ask = `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

  async function askedForMuch(t: TestContext) {
    const clock = new VirtualClock();
    const hub = await startHttpHub(t, {
      keyless: true,
      clock,
      complete: async ({ runId }) => ({ summary: summary(runId), body: completion(), raw: big }),
    });
    const reported = hub.nextFinished();
    const socket = await openSocket(t, hub.url);
    socket.pause();
    socket.write(ask);
    // Until the systems' buffers on the way are full, and the hub waits for the reader.
    await waitFor(() => (clock.pending > 0 ? true : null));
    return { clock, reported, socket };
  }

  it('is given up when its caller takes nothing of it for a minute', async (t) => {
    const { clock, reported } = await askedForMuch(t);
    await clock.advance(60_000);
    assert.equal((await reported).status, 499);
    assert.equal(clock.pending, 0);
  });

  it('reaches a caller who takes a little now and then', async (t) => {
    const { clock, reported, socket } = await askedForMuch(t);
    let bytes = 0;
    socket.on('data', (data: Buffer) => {
      bytes += data.byteLength;
      socket.pause();
      void clock.advance(1_000).then(() => socket.resume());
    });
    socket.resume();
    assert.equal((await reported).status, 200);
    await waitFor(() => (bytes > big.byteLength ? true : null));
    assert.equal(clock.pending, 0);
  });
});

describe('a request', () => {
  it('may have a body of exactly the limit', async (t) => {
    const bodyBytesMax = 4_096;
    const hub = await startHttpHub(t, { keyless: true, settings: { bodyBytesMax } });
    const text = JSON.stringify({ model: 'fast', messages: [{ role: 'user', content: 'x' }] });
    const send = (body: string | ReadableStream<Uint8Array>): Promise<Response> =>
      fetch(`${hub.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        duplex: 'half',
      });
    assert.equal((await send(text.padEnd(bodyBytesMax))).status, 200);
    assert.equal((await send(new Blob([text.padEnd(bodyBytesMax)]).stream())).status, 200, 'in chunks, too');
    assert.equal((await send(new Blob([text.padEnd(bodyBytesMax + 1)]).stream())).status, 413);
    assert.equal(hub.calls.length, 2);
  });

  it('may be nested as deep as the limit', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const levels = limits.jsonDepthMax - 1;
    const deep = `{"model":"fast","messages":[{"role":"user"}],"x":${'['.repeat(levels)}"[\\"["${']'.repeat(levels)}}`;
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${hub.url}/v1/chat/completions`, { method: 'POST', headers, body: deep });
    assert.equal(response.status, 200, await response.text());
  });

  it('with too long headers is 431, and one that is no HTTP is 400, in words', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const long = await openSocket(t, hub.url);
    const refused = readUntil(long, /\}$/);
    long.write(`GET ${LIVE} HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(limits.headerBytesMax + 1)}\r\n\r\n`);
    assert.match(await refused, /^HTTP\/1\.1 431 [^]*problem\+json[^]*"code":"headers_too_large"/);

    const broken = await openSocket(t, hub.url);
    const answer = readUntil(broken, /\}$/);
    broken.write('HELLO\r\n\r\n');
    const text = await answer;
    assert.match(text, /^HTTP\/1\.1 400 [^]*"code":"bad_request"/);
    const [, id] = /^x-request-id: (req_\w+)\r$/m.exec(text) ?? [];
    assert.ok(id !== undefined && text.includes(`"requestId":"${id}"`), text);
    assert.ok(
      hub.log.some((line) => line.includes(id)),
      'the log knows the request by it',
    );
  });

  it('without a Host header is 400', async (t) => {
    const hub = await startHttpHub(t);
    const socket = await openSocket(t, hub.url);
    const answer = readUntil(socket, /\}$/);
    socket.write(`GET ${LIVE} HTTP/1.1\r\n\r\n`);
    assert.match(await answer, /^HTTP\/1\.1 400 [^]*Host/);
  });

  it('with two Host headers is 400: what stands before the hub may have gone by the other', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const socket = await openSocket(t, hub.url);
    const answer = readUntil(socket, /\}$/);
    socket.write(`GET ${LIVE} HTTP/1.1\r\nhost: localhost\r\nHost: elsewhere.example\r\n\r\n`);
    assert.match(await answer, /^HTTP\/1\.1 400 [^]*more than one Host/);
  });

  it('that expects what HTTP does not know is served as if it did not', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const socket = await openSocket(t, hub.url);
    const answer = readUntil(socket, /\}$/);
    socket.write(`GET ${LIVE} HTTP/1.1\r\nhost: localhost\r\nexpect: the-unexpected\r\n\r\n`);
    assert.match(await answer, /^HTTP\/1\.1 200 /);
  });

  it('that waits with its body is asked for it only where it is wanted', async (t) => {
    const hub = await startHttpHub(t, { settings: { bodyBytesMax: 4_096 } });
    const body = '{"model":"fast","messages":[{"role":"user","content":"x"}]}';
    const head = (key: string, length = body.length): string =>
      `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${key}\r\n` +
      `content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: ${length}\r\n\r\n`;
    const wanted = await openSocket(t, hub.url);
    const asked = readUntil(wanted, /\r\n\r\n$/);
    wanted.write(head(hub.keys.chat));
    assert.equal(await asked, 'HTTP/1.1 100 Continue\r\n\r\n');
    const answer = readUntil(wanted, /\}$/);
    wanted.write(body);
    assert.match(await answer, /^HTTP\/1\.1 200 /);
    for (const [key, length, status] of [
      ['rvk_unknown', 9, 401],
      [hub.keys.chat, 4_097, 413],
    ] as const) {
      const refused = await openSocket(t, hub.url);
      const said = readUntil(refused, /\}$/);
      refused.write(head(key, length));
      // The connection ends: nobody knows whether what comes next is a body.
      assert.match(await said, new RegExp(`^HTTP/1\\.1 ${status} [^]*\r\nconnection: close\r\n`, 'i'));
    }
  });

  it('of any method that the runtime reads is served or refused in words', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    for (const method of METHODS.filter((each) => each !== 'CONNECT'))
      for (const where of [LIVE, '/nowhere', '/v1/models/one']) {
        const socket = await openSocket(t, hub.url);
        const answer = readUntil(socket, /\r\n\r\n[^]*$/);
        socket.write(`${method} ${where} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
        assert.match(await answer, /^HTTP\/1\.1 [24]\d\d /, `${method} ${where}`);
      }
  });

  it('whose headers or body do not come in time is 408, in the surface’s form', async (t) => {
    const hub = await startHttpHub(t, { keyless: true, settings: { requestReceiveMs: 50 } });
    const headers = await openSocket(t, hub.url);
    const slowHeaders = readUntil(headers, /\}$/);
    headers.write(`GET ${LIVE} HTTP/1.1\r\nhost: localhost\r\nx: `);
    assert.match(await slowHeaders, /^HTTP\/1\.1 408 [^]*"code":"request_timeout"/);

    const body = await openSocket(t, hub.url);
    const slowBody = readUntil(body, /\}$/);
    body.write(
      'POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{',
    );
    assert.match(await slowBody, /^HTTP\/1\.1 408 [^]*connection: close[^]*"error":\{[^]*"code":"request_timeout"/i);
    assert.equal(hub.calls.length, 0);
  });

  it('beyond the places of the instance is told to come back, health and metrics excepted', async (t) => {
    const { promise, resolve } = Promise.withResolvers<never>();
    const hub = await startHttpHub(t, {
      keyless: true,
      settings: { requestsInFlightMax: 1 },
      complete: () => promise,
    });
    const chat = { model: 'fast', messages: [{ role: 'user', content: 'x' }] };
    const first = post(hub, '/v1/chat/completions', chat);
    await waitFor(() => hub.calls[0]);
    const second = await post(hub, '/v1/chat/completions', chat);
    assert.equal(second.status, 503);
    assert.equal(second.headers.get('retry-after'), '1');
    assert.match(await second.text(), /too_many_requests_in_flight/);
    for (const open of [LIVE, '/health/ready', '/health', '/metrics']) {
      assert.equal((await fetch(`${hub.url}${open}`)).status, 200, open);
    }
    resolve(Promise.reject(new Error('over')) as never);
    assert.equal((await first).status, 500);
    assert.equal((await fetch(`${hub.url}/api/runs`)).status, 200, 'the place is free again');
  });
});

describe('a hub without keys', () => {
  const statusWith = (url: string, headers: Record<string, string>): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const outgoing = request(`${url}/api/runs`, { headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      outgoing.on('error', reject).end();
    });

  it('refuses a foreign Host and a foreign Origin, and takes those that are listed', async (t) => {
    const settings = { allowedHosts: ['hub.internal'], corsOrigins: ['https://app.example'] };
    const { url } = await startHttpHub(t, { keyless: true, settings });
    const { host } = new URL(url);
    for (const good of ['localhost', 'LOCALHOST:99', 'a.localhost', '127.9.9.9:1', '[::1]:1', 'hub.internal:12001']) {
      assert.equal(await statusWith(url, { host: good }), 200, good);
    }
    for (const bad of ['evil.example', '128.0.0.1', 'localhost.evil.example', '127.0.0.1.evil.example', '[::2]']) {
      assert.equal(await statusWith(url, { host: bad }), 403, bad);
    }
    for (const good of [`http://${host}`, 'https://app.example'])
      assert.equal(await statusWith(url, { origin: good }), 200);
    for (const bad of ['http://localhost:1', 'https://evil.example', 'null', `http://${host}.evil.example`]) {
      assert.equal(await statusWith(url, { origin: bad }), 403, bad);
    }
  });

  it('refuses what a page of another origin only embeds or leads to, but for what is open to all', async (t) => {
    const { url } = await startHttpHub(t, { keyless: true });
    for (const site of ['cross-site', 'same-site']) {
      assert.equal(await statusWith(url, { 'sec-fetch-site': site }), 403, site);
      for (const open of ['/', '/docs', LIVE, '/health'])
        assert.equal((await fetch(url + open, { headers: { 'sec-fetch-site': site } })).status, 200, open);
    }
    for (const site of ['none', 'same-origin']) assert.equal(await statusWith(url, { 'sec-fetch-site': site }), 200);
  });

  it('asks for a key as soon as there is one', async (t) => {
    let keyless = true;
    const { url } = await startHttpHub(t, { deps: { keyless: () => keyless } });
    assert.equal(await statusWith(url, {}), 200);
    keyless = false;
    assert.equal(await statusWith(url, {}), 401);
    assert.equal(await statusWith(url, { 'x-api-key': 'rvk_chat', host: 'hub.example' }), 200);
  });
});

describe('what a page of another origin may do', () => {
  const preflight = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' };
  const ask = (url: string, origin: string): Promise<Response> =>
    fetch(`${url}/v1/chat/completions`, { method: 'OPTIONS', headers: { origin, ...preflight } });

  it('is nothing by default', async (t) => {
    const { url } = await startHttpHub(t);
    const response = await ask(url, 'https://app.example');
    assert.equal(response.status, 405);
    assert.equal(response.headers.get('access-control-allow-origin'), null);
  });

  it('is what the configuration lists', async (t) => {
    const hub = await startHttpHub(t, { settings: { corsOrigins: ['https://app.example'] } });
    const asked = await ask(hub.url, 'https://app.example');
    assert.equal(asked.status, 204);
    assert.equal(asked.headers.get('access-control-allow-origin'), 'https://app.example');
    assert.equal(asked.headers.get('access-control-allow-methods'), 'POST');
    assert.equal((await ask(hub.url, 'https://evil.example')).headers.get('access-control-allow-origin'), null);
    const headers = { origin: 'https://app.example', 'x-api-key': hub.keys.chat };
    const answer = await fetch(`${hub.url}/v1/models`, { headers });
    assert.equal(answer.headers.get('access-control-allow-origin'), 'https://app.example');
    const exposed = answer.headers.get('access-control-expose-headers')?.split(', ') ?? [];
    for (const name of ['x-revoagent-run', 'x-revoagent-cache', 'etag', 'idempotent-replayed'])
      assert.ok(exposed.includes(name), `a page cannot read ${name}`);
  });
});

describe('the local socket', () => {
  it('serves its user with every scope and without a key, and nobody else may open it', async (t) => {
    const hub = await startHttpHub(t, { runs: [runRecord({ keyId: 'key_somebody' })] });
    const socketPath = path.join(await temporaryFolder(t), 'hub.sock');
    await hub.server.listenSocket(socketPath);
    assert.equal((await stat(socketPath)).mode & 0o777, 0o600);
    const get = (at: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const outgoing = request({ socketPath, path: at }, (response) => {
          let text = `${response.statusCode} `;
          response.setEncoding('utf8').on('data', (part: string) => (text += part));
          response.on('end', () => resolve(text));
        });
        outgoing.on('error', reject).end();
      });
    assert.match(await get('/api/keys'), /^200 /);
    assert.match(await get('/api/runs'), /^200 .*key_somebody/);
    assert.equal((await fetch(`${hub.url}/api/keys`)).status, 401, 'the network still needs a key');
  });

  it('takes the place of a dead hub’s socket, and of no other file', async (t) => {
    const hub = await startHttpHub(t);
    const folder = await temporaryFolder(t);
    const { listenSocket } = (await startHttpHub(t)).server;
    const socketPath = path.join(folder, 'hub.sock');
    await hub.server.listenSocket(socketPath);
    await listenSocket(socketPath);
    await assert.rejects(hub.server.listenSocket(folder), /is no socket/);
  });
});
