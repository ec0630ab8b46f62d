/**
 * Everything that goes wrong at an upstream, seen from a socket of `/ws/chat` and from the upstream: an honest error and never an end,
 * one request, the socket lives on; a run that is cancelled, and a client who goes, are gone for the upstream too.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { startHttpHub } from '../helpers/http-hub.ts';
import { ended, opened, WEB_SOCKET } from '../helpers/socket-client.ts';
import type { SocketClient } from '../helpers/socket-client.ts';
import { neverAnswers, startUpstream, streams, until } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';
import { FAULTS, WORDS } from './faults.ts';
import { startBench } from './harness.ts';
import type { Bench } from './harness.ts';

interface Scene {
  readonly bench: Bench;
  readonly upstream: Upstream;
  readonly client: SocketClient;
}

async function startScene(t: TestContext): Promise<Scene> {
  const upstream = await startUpstream(t);
  const bench = startBench(t, {
    providers: { one: upstream.baseUrl },
    settings: { retry: { retries: 0, baseMs: 1, maxMs: 1 } },
  });
  // The fault's own time runs out, not the socket's.
  const patient = 86_400_000;
  const webSocket = { ...WEB_SOCKET, pingMs: patient, idleMs: patient, stalledMs: patient };
  const hub = await startHttpHub(t, {
    keyless: true,
    clock: bench.clock,
    stream: (call) => bench.gateway.stream(call),
    settings: { webSocket },
  });
  return { bench, upstream, client: await opened(t, hub) };
}

const chat = (id: string): object => ({ type: 'chat', id, request: { model: 'm', prompt: 'Well?' } });

function textOf(client: SocketClient, id: string): string {
  return client
    .of(id)
    .map((message) => (message.type === 'delta' ? String(message['text']) : ''))
    .join('');
}

describe('an upstream that fails under a socket: an honest error, one request, and the next run is served on it', () => {
  for (const fault of FAULTS.filter(({ on }) => on !== 'plain')) {
    it(fault.name, async (t) => {
      const { bench, upstream, client } = await startScene(t);
      upstream.script(fault.behaviour);
      client.send(chat('a'));
      if (fault.waitMs !== undefined) {
        await until('the upstream has the request', () => upstream.received.length === 1);
        if (fault.text !== undefined) await until('it speaks', () => textOf(client, 'a') === fault.text);
        for (let turn = 0; turn < 50; turn++) await bench.clock.advance(0);
        await bench.clock.advance(fault.waitMs);
      }
      const last = await ended(client, 'a');
      const error = last['error'] as { code?: unknown } | undefined;
      assert.deepEqual([last.type, error?.code], ['error', fault.code], JSON.stringify(last));
      assert.equal(textOf(client, 'a'), fault.text ?? '');
      assert.equal(upstream.received.length, 1);

      await bench.clock.advance(60_000);
      upstream.script(streams(WORDS));
      client.send(chat('b'));
      assert.equal((await ended(client, 'b')).type, 'end');
      assert.equal(textOf(client, 'b'), WORDS.join(''));
      assert.equal(bench.running.list().length, 0);
    });
  }
});

describe('a run on a socket', () => {
  it('that is cancelled leaves the upstream, before its first token and in its stream; others go on', async (t) => {
    const { upstream, client } = await startScene(t);
    upstream.script(neverAnswers, streams(WORDS, { ending: 'stall' }), streams(WORDS));
    client.send(chat('silent'));
    await until('it is asked', () => upstream.received.length === 1);
    client.send(chat('speaking'));
    await until('it speaks', () => textOf(client, 'speaking') === WORDS.join(''));
    for (const id of ['silent', 'speaking']) client.send({ type: 'cancel', id });
    await until('both were left', () => upstream.received.every(({ aborted }) => aborted));
    for (const id of ['silent', 'speaking']) {
      const last = await ended(client, id);
      assert.deepEqual([last.type, (last['error'] as { code: unknown }).code], ['error', 'cancelled']);
    }
    client.send(chat('other'));
    assert.equal((await ended(client, 'other')).type, 'end');
  });

  it('ends at the upstream when its client is gone, with all that it began', async (t) => {
    const { bench, upstream, client } = await startScene(t);
    upstream.script(neverAnswers, streams(WORDS, { ending: 'stall' }));
    for (const id of ['a', 'b']) client.send(chat(id));
    await until('both are asked', () => upstream.received.length === 2);
    client.socket.terminate();
    await until('both were left', () => upstream.received.every(({ aborted }) => aborted));
    await until('nothing runs', () => bench.running.list().length === 0);
    assert.deepEqual(
      bench.runs.map(({ status }) => status),
      ['cancelled', 'cancelled'],
    );
  });
});
