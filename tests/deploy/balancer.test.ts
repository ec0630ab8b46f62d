/** Real hubs behind a real NGINX with the configuration that `revoagent nginx` makes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { connect } from 'node:http2';
import { connect as openTcp } from 'node:net';
import { before, describe, it } from 'node:test';

import { WebSocket, WebSocketServer } from 'ws';
import type { NginxInstance } from '#stack/index';
import { startHubProcess, waitFor } from '../helpers/hub-process.ts';
import type { HubProcess } from '../helpers/hub-process.ts';
import { startNginx } from '../helpers/nginx.ts';
import { freePorts } from '../helpers/ports.ts';
import { forTheSuite } from '../helpers/suite.ts';
import type { Cleanup } from '../helpers/suite.ts';

const simulator = {
  kind: 'simulator',
  firstTokenMs: { p50: 1, p95: 1 },
  tokensPerSecond: 8,
  reply: 'one two three four',
};

interface Hub extends NginxInstance {
  readonly process: HubProcess['process'];
  readonly url: string;
}

async function startHub(t: Cleanup, name: string, server: Record<string, unknown> = {}): Promise<Hub> {
  const { process, url } = await startHubProcess(t, {
    config: {
      server: { instance: name, ...server },
      providers: { simulator },
      routes: { '*': { groups: [[{ provider: 'simulator' }]] } },
    },
  });
  return { name, address: new URL(url).host, process, url };
}

function chat(url: string, init: { stream?: boolean; signal?: AbortSignal } = {}): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Well?' }], stream: init.stream === true }),
    ...(init.signal === undefined ? {} : { signal: init.signal }),
  });
}

describe('two hubs behind NGINX', () => {
  const suite = forTheSuite();
  /** Each test puts a balancer of its own before them, and one that ends a hub a third hub in the place of the first. */
  let instances: readonly Hub[] = [];
  before(async () => {
    instances = await Promise.all(['hub-1', 'hub-2'].map((name) => startHub(suite, name)));
  });

  it('share the requests, which keep their ids, and the log has a line for each, without queries', async (t) => {
    const nginx = await startNginx(t, instances);
    for (let at = 0; at < 10; at++) {
      const response = await fetch(`${nginx.url}/health/live?key=hidden`, {
        headers: { 'x-request-id': `mine-${at}` },
      });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('x-request-id'), `mine-${at}`);
      await response.arrayBuffer();
    }
    const lines = await nginx.log(10);
    assert.deepEqual(new Set(lines.map(({ upstream }) => upstream)), new Set(instances.map(({ address }) => address)));
    assert.deepEqual(
      lines.map(({ requestId, path, status }) => `${requestId} ${path} ${status}`).toSorted(),
      lines.map((_, at) => `mine-${at} /health/live 200`),
    );
    assert.ok(!JSON.stringify(lines).includes('hidden'));
    const foreign = await fetch(`${nginx.url}/health/live`, { headers: { 'x-request-id': 'a "quoted" id' } });
    assert.match(foreign.headers.get('x-request-id') ?? '', /^[0-9a-f]{32}$/, 'what could break a log is replaced');
  });

  it('lose no GET when one of them is killed under load, and serve chats on', async (t) => {
    const mortal = await startHub(t, 'hub-1');
    const nginx = await startNginx(t, [mortal, ...instances.slice(1)], { requestsPerSecond: 10_000 });
    const failures: string[] = [];
    let done = 0;
    const caller = async (): Promise<void> => {
      // Every caller has some ten requests before the kill, and ten after it: by then the balancer has met the dead one.
      while (done < 400) {
        const response = await fetch(`${nginx.url}/api/models`).catch((error: unknown) => String(error));
        if (typeof response === 'string' || response.status !== 200) {
          failures.push(typeof response === 'string' ? response : `${response.status} ${await response.text()}`);
        } else await response.arrayBuffer();
        if (++done === 200) mortal.process.kill('SIGKILL');
      }
    };
    await Promise.all(Array.from({ length: 16 }, caller));
    assert.deepEqual(failures, []);
    const answer = await chat(nginx.url);
    assert.equal(answer.status, 200, await answer.text());
  });

  it('refuse no socket while one of them ends, over connections that are kept to it', async (t) => {
    const ending = await startHub(t, 'hub-1');
    const nginx = await startNginx(t, [ending, ...instances.slice(1)]);
    await Promise.all(
      Array.from({ length: 40 }, () => fetch(`${nginx.url}/api/models`).then((answer) => answer.text())),
    );
    ending.process.kill('SIGTERM');
    await waitFor(() =>
      fetch(ending.url).then(
        () => null,
        () => true,
      ),
    );
    for (let at = 0; at < 20; at++) {
      const socket = new WebSocket(`${nginx.url.replace('http', 'ws')}/ws/chat${at % 2 === 0 ? '' : '?route=hub-1'}`);
      const [response] = (await once(socket, 'upgrade')) as [IncomingMessage];
      assert.match(response.headers['set-cookie']?.[0] ?? '', /^revoagent_route=hub-2/);
      socket.terminate();
    }
  });

  it('stream events as they come, not when they are all there', async (t) => {
    const nginx = await startNginx(t, instances);
    const response = await chat(nginx.url, { stream: true });
    assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
    let parts = 0;
    let text = '';
    for await (const part of response.body ?? []) {
      parts++;
      text += Buffer.from(part).toString();
    }
    assert.ok(parts >= 4, `${parts} parts`);
    assert.match(text, /data: \[DONE\]/);
  });

  it('are spared a flood: it gets 429 with Retry-After, and probes are never refused', async (t) => {
    const nginx = await startNginx(t, instances, { requestsPerSecond: 5 });
    const statuses = await Promise.all(
      Array.from({ length: 60 }, async () => {
        const { status, headers, body } = await from('127.0.0.2', `${nginx.url}/api/models`);
        if (status === 429) {
          assert.equal(headers['retry-after'], '1');
          assert.equal((JSON.parse(body) as { code: unknown }).code, 'rate_limited');
        }
        return status;
      }),
    );
    assert.ok(statuses.filter((status) => status === 429).length >= 40, String(statuses));
    assert.ok(statuses.filter((status) => status === 200).length >= 10, String(statuses));
    const probes = await Promise.all(Array.from({ length: 60 }, () => from('127.0.0.2', `${nginx.url}/health/ready`)));
    const own = await Promise.all(Array.from({ length: 60 }, () => fetch(`${nginx.url}/api/models`)));
    assert.deepEqual(new Set(own.map(({ status }) => status)), new Set([200]), 'this machine is no flood');
    assert.deepEqual(new Set(probes.map(({ status }) => status)), new Set([200]));
  });

  it('get a head as long as they take, and say themselves what is too long', async (t) => {
    const headerBytesMax = 65_536;
    const hub = await startHub(t, 'hub-1', { headerBytesMax });
    const nginx = await startNginx(t, [hub], { headerBytesMax });
    const answer = async (bytes: number): Promise<[number, unknown]> => {
      const response = await fetch(`${nginx.url}/health/live`, { headers: { filler: 'x'.repeat(bytes) } });
      return [response.status, await response.json()];
    };
    assert.equal((await answer(60_000))[0], 200);
    const [status, said] = await answer(headerBytesMax - 100);
    assert.equal(status, 431);
    assert.doesNotMatch(JSON.stringify(said), /balancer/);
  });

  it('hold only so many sockets of one address: one more gets 429', async (t) => {
    const nginx = await startNginx(t, instances, { connectionsMax: 3 });
    const open = (): Promise<number> =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`${nginx.url.replace('http', 'ws')}/ws/chat`, { localAddress: '127.0.0.2' });
        t.after(() => socket.terminate());
        socket.on('open', () => resolve(101));
        socket.on('unexpected-response', (_, { statusCode = 0 }) => resolve(statusCode));
        socket.on('error', reject);
      });
    const statuses: number[] = [];
    while (statuses.length < 4) statuses.push(await open());
    assert.deepEqual(statuses, [101, 101, 101, 429]);
  });

  it('get no more calls at once than they may have: the rest is told to come back, and operators come in', async (t) => {
    const nginx = await startNginx(t, instances, { requestsInFlightMax: 2 });
    const calls = Array.from({ length: 20 }, () => chat(nginx.url));
    const first = await Promise.race(calls);
    assert.deepEqual(
      [first.status, first.headers.get('retry-after'), await first.json()],
      [
        503,
        '1',
        {
          error: {
            message:
              'Every instance that answers has as many requests as it may have at once. Wait as long as Retry-After says.',
            type: 'server_error',
            param: null,
            code: 'instance_overloaded',
          },
        },
      ],
    );
    const beside = await Promise.all(['/health/ready', '/api/circuit-breakers'].map((path) => fetch(nginx.url + path)));
    assert.deepEqual(
      beside.map(({ status }) => status),
      [200, 200],
    );
    const statuses = (await Promise.all(calls)).map(({ status }) => status);
    // Two of each hub, and one more of each that stands in.
    assert.equal(statuses.filter((status) => status === 200).length, 6, String(statuses));
    assert.equal(statuses.filter((status) => status === 503).length, 14, String(statuses));
    assert.equal((await chat(nginx.url)).status, 200, 'there is room again');
  });

  it('speak TLS in HTTP/2 with HSTS; the plain address leads there and keeps the method', async (t) => {
    const nginx = await startNginx(t, instances, { secure: true });
    const session = connect(nginx.tlsUrl ?? '', { ca: nginx.certificate });
    t.after(() => session.destroy());
    const stream = session.request({ ':path': '/health/ready' });
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    stream.resume();
    assert.deepEqual([headers[':status'], headers['strict-transport-security']], [200, 'max-age=31536000']);
    const plain = await fetch(`${nginx.url}/v1/chat/completions?a=1`, {
      method: 'POST',
      body: '{}',
      redirect: 'manual',
    });
    assert.equal(plain.status, 308);
    const port = new URL(nginx.tlsUrl ?? '').port;
    assert.equal(plain.headers.get('location'), `https://127.0.0.1:${port}/v1/chat/completions?a=1`);
  });
});

describe('what the balancer says itself', () => {
  it('is that instances are gone, not busy, however often they were asked', async (t) => {
    const ports = await freePorts(2);
    const gone = ports.map((port) => ({ name: `gone-${port}`, address: `127.0.0.1:${port}` }));
    const nginx = await startNginx(t, gone);
    const answers: unknown[] = [];
    for (let times = 0; times < 8; times++) {
      const response = await chat(nginx.url);
      const { error } = (await response.json()) as { error: { code: string } };
      answers.push([response.status, error.code]);
    }
    assert.deepEqual(
      answers,
      Array.from({ length: 8 }, () => [502, 'instance_unavailable']),
    );
  });

  it('is in the form of the surface, and names the request', async (t) => {
    const [port = 0] = await freePorts(1);
    const nginx = await startNginx(t, [{ name: 'gone', address: `127.0.0.1:${port}` }], { bodyBytesMax: 10_000 });
    const bodies = await Promise.all(
      ['/v1/chat/completions', '/v1/messages', '/api/chat'].map(async (path) => {
        const response = await fetch(nginx.url + path, {
          method: 'POST',
          body: '{}',
          headers: { 'x-request-id': 'mine' },
        });
        assert.equal(response.status, 502);
        assert.equal(response.headers.get('retry-after'), '1');
        assert.equal(response.headers.get('content-type'), 'application/json');
        assert.equal(response.headers.get('x-request-id'), 'mine');
        return response.json();
      }),
    );
    const [openai, anthropic, hub] = bodies as Record<string, Record<string, unknown>>[];
    assert.deepEqual(
      [openai?.['error']?.['type'], openai?.['error']?.['code']],
      ['server_error', 'instance_unavailable'],
    );
    assert.deepEqual([anthropic?.['type'], anthropic?.['request_id']], ['error', 'mine']);
    assert.deepEqual([hub?.['status'], hub?.['requestId']], [502, 'mine']);

    const large = await fetch(`${nginx.url}/api/chat`, { method: 'POST', body: 'x'.repeat(20_000) });
    assert.deepEqual([large.status, await codeOf(large)], [413, 'body_too_large']);
    const figures = await fetch(`${nginx.url}/metrics`);
    assert.deepEqual([figures.status, await codeOf(figures)], [404, 'not_found']);
    const headers = await raw(nginx.url, `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`);
    assert.match(headers, /^HTTP\/1\.1 431 [^]*"code":"headers_too_large"/);
    const broken = await raw(nginx.url, 'GET / HTTP/1.1\r\nbad header\r\nhost: a b\r\n\r\n');
    assert.match(broken, /^HTTP\/1\.1 400 [^]*"code":"bad_request"/);
  });
});

describe('sockets', () => {
  it('come back to the instance of their route, and to another while that one is dead', async (t) => {
    const instances: NginxInstance[] = [];
    const servers = new Map<string, WebSocketServer>();
    for (const name of ['hub-1', 'hub-2', 'hub-3']) {
      const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
      await once(server, 'listening');
      server.on('connection', (socket) => socket.send(name));
      const address = server.address();
      if (typeof address !== 'object' || address === null) throw new Error('no address');
      instances.push({ name, address: `127.0.0.1:${address.port}` });
      servers.set(name, server);
      t.after(() => end(server));
    }
    const nginx = await startNginx(t, instances, { requestsPerSecond: 10_000 });
    const greeting = async (query: string, cookie: string | null): Promise<string> => {
      const url = `${nginx.url.replace('http', 'ws')}/ws/chat${query}`;
      const socket = new WebSocket(url, cookie === null ? {} : { headers: { cookie: `revoagent_route=${cookie}` } });
      const [message] = (await once(socket, 'message')) as [Buffer];
      socket.terminate();
      return message.toString();
    };
    for (let at = 0; at < 20; at++) {
      assert.equal(await greeting('', 'hub-2'), 'hub-2');
      assert.equal(await greeting('?route=hub-3', null), 'hub-3');
    }
    assert.equal(await greeting('?route=nonsense', null).then((name) => servers.has(name)), true);
    const dead = servers.get('hub-2');
    if (dead !== undefined) await end(dead);
    const met = new Map<string, number>();
    for (let at = 0; at < 40; at++) {
      const name = await greeting('', 'hub-2');
      met.set(name, (met.get(name) ?? 0) + 1);
    }
    assert.deepEqual([...met.keys()].toSorted(), ['hub-1', 'hub-3']);
    for (const count of met.values()) assert.ok(count >= 10, JSON.stringify([...met]));
  });
});

function end(server: WebSocketServer): Promise<void> {
  for (const client of server.clients) client.terminate();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** What comes for these bytes, until the connection closes. */
async function raw(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = openTcp({ host: hostname, port: Number(port) });
  let text = '';
  socket.setEncoding('utf8').on('data', (part: string) => (text += part));
  socket.on('error', () => undefined);
  socket.write(bytes);
  await waitFor(
    () => (text.endsWith('}') ? true : null),
    5_000,
    () => `no answer: ${text}`,
  );
  socket.destroy();
  return text;
}

/** A GET that comes from another address of this machine. */
function from(
  localAddress: string,
  url: string,
): Promise<{ status: number; headers: IncomingHttpHeaders; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { localAddress, headers: { host: 'localhost' } }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => (body += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.on('error', reject).end();
  });
}

async function codeOf(response: Response): Promise<unknown> {
  const { code } = (await response.json()) as { code?: unknown };
  return code;
}
