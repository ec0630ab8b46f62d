/**
 * How a hub leaves: the order that loses no request, seen from a client with open connections. The upstream is held by the
 * test, so that a stream is in the middle when the signal comes.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { before, describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { startHubProcess, waitFor } from '../helpers/hub-process.ts';
import type { HubProcess } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';
import type { TestPostgres } from '../helpers/postgres.ts';
import { forTheSuite } from '../helpers/suite.ts';

interface HeldUpstream {
  readonly baseUrl: string;
  /** Streams that have begun and wait for the test to go on. */
  readonly streams: ServerResponse[];
}

async function heldUpstream(t: TestContext): Promise<HeldUpstream> {
  const streams: ServerResponse[] = [];
  const server = createServer((incoming, response) => {
    incoming.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(event({ role: 'assistant', content: 'one ' }, null));
    streams.push(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { baseUrl: `http://127.0.0.1:${address.port}/v1`, streams };
}

function event(delta: Record<string, unknown>, finishReason: string | null): string {
  const chunk = {
    id: 'c',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta, finish_reason: finishReason }],
  };
  return `data: ${JSON.stringify(chunk)}\n\n`;
}

function finish(stream: ServerResponse): void {
  stream.end(`${event({ content: 'two' }, null)}${event({}, 'stop')}data: [DONE]\n\n`);
}

async function startHub(
  t: TestContext,
  upstream: HeldUpstream,
  server: Record<string, unknown> = {},
  storage: Record<string, unknown> = {},
): Promise<HubProcess> {
  const providers = { held: { kind: 'openai-compatible', baseUrl: upstream.baseUrl } };
  return startHubProcess(t, { config: { providers, server, storage } });
}

function openStream(hub: HubProcess): Promise<Response> {
  return fetch(`${hub.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'held/m', stream: true, messages: [{ role: 'user', content: 'count' }] }),
  });
}

function get(url: string, agent: Agent): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(url, { agent }, (response) => {
      response.resume();
      response.on('end', () => resolve(response));
    })
      .on('error', reject)
      .end();
  });
}

describe('a hub that is told to stop', () => {
  const suite = forTheSuite();
  // Of those that are about the stream and the signal; the first one closes an embedded database too.
  let postgres: TestPostgres;
  before(async () => {
    postgres = await startPostgres();
    suite.after(() => postgres.close());
  });

  it('turns readiness red, refuses new connections, serves open ones, finishes its streams and exits 0', async (t) => {
    const upstream = await heldUpstream(t);
    const hub = await startHub(t, upstream);
    const kept = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => kept.destroy());
    const first = await get(`${hub.url}/health/ready`, kept);
    assert.equal(first.statusCode, 200);
    const stream = await openStream(hub);
    assert.equal(stream.status, 200);
    await waitFor(() => upstream.streams[0]);

    const ended = hub.end('SIGTERM');
    await waitFor(async () => (await refused(hub.url)) || null);
    const ready = await get(`${hub.url}/health/ready`, kept);
    assert.equal(ready.statusCode, 503, 'an open connection is served, and told that the hub is leaving');
    assert.equal(ready.headers.connection, 'close');

    for (const held of upstream.streams) finish(held);
    const text = await stream.text();
    assert.match(text, /one /);
    assert.match(text, /two/);
    assert.match(text, /\[DONE\]/);
    assert.equal(await ended, 0, hub.output());
  });

  it('ends a stream that outlasts the grace with an honest error and still exits 0', async (t) => {
    const upstream = await heldUpstream(t);
    const hub = await startHub(t, upstream, { shutdownGraceMs: 300 }, { url: await postgres.createDatabase() });
    const stream = await openStream(hub);
    await waitFor(() => upstream.streams[0]);
    const ended = hub.end('SIGTERM');
    const text = await stream.text().catch(() => 'reset');
    assert.doesNotMatch(text, /\[DONE\]/);
    assert.equal(await ended, 0, hub.output());
  });

  it('ends at once at the second signal', async (t) => {
    const upstream = await heldUpstream(t);
    const hub = await startHub(t, upstream, {}, { url: await postgres.createDatabase() });
    const stream = await openStream(hub);
    await waitFor(() => upstream.streams[0]);
    const ended = hub.end('SIGTERM');
    await waitFor(async () => (await refused(hub.url)) || null);
    // What comes at once is the first one, told twice.
    await waitFor(() => hub.process.kill('SIGTERM') && hub.process.exitCode);
    assert.notEqual(await ended, 0);
    await assert.rejects(stream.text());
  });

  it('takes a signal that comes twice at once, from the terminal and from who started it, for one', async (t) => {
    const upstream = await heldUpstream(t);
    const hub = await startHub(t, upstream, {}, { url: await postgres.createDatabase() });
    const stream = await openStream(hub);
    const held = await waitFor(() => upstream.streams[0]);
    const ended = hub.end('SIGINT');
    // Another one: of two that are the same the system may make one.
    hub.process.kill('SIGTERM');
    await waitFor(async () => (await refused(hub.url)) || null);
    finish(held);
    assert.match(await stream.text(), /two/);
    assert.equal(await ended, 0, hub.output());
  });
});

function refused(url: string): Promise<boolean> {
  return fetch(`${url}/health/live`).then(
    () => false,
    () => true,
  );
}
