/** Every message of `/ws/chat`, both ways, over a real socket; each that the hub sends is held against `schema/asyncapi.json`. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { WebSocket } from 'ws';
import type { Agents } from '#contract/agents';
import { clientMessages } from '#http/websocket/messages';
import { chunk, startHttpHub, streamOf } from '../helpers/http-hub.ts';
import { WEB_SOCKET, ended, nameOf, opened, refusal, connect } from '../helpers/socket-client.ts';
import { gate } from '../helpers/upstream.ts';

const bearer = (key: string): { headers: Record<string, string> } => ({ headers: { authorization: `Bearer ${key}` } });

const result = {
  end: 'stop',
  text: 'Paris.',
  toolCalls: [],
  tools: [{ id: 'call_1', name: 'atlas', outcome: 'succeeded', tookMs: 3 }],
  runIds: ['run_1'],
  provider: 'openai',
  model: 'm',
  promptTokens: 1,
  completionTokens: 2,
  costMicroUsd: null,
  memory: 'unavailable',
  simulated: false,
} as const;

const agents: Agents = {
  async *turn({ agentId, conversationId, messages }) {
    yield { type: 'start', turnId: 'trn_1', conversationId, memory: 'unavailable' };
    yield { type: 'step', number: 1, runId: 'run_1' };
    yield { type: 'tool', use: result.tools[0] };
    yield { type: 'delta', text: `${agentId}: ${JSON.stringify(messages[0]?.content)}` };
    yield { type: 'restart' };
    yield { type: 'end', result };
  },
};

const EXAMPLES = {
  chat: {
    type: 'chat',
    id: 'a',
    request: { prompt: 'Hi.' },
    preferences: {
      order: ['openai'],
      timeouts: { totalMs: 9 },
      cache: { use: true, anew: false, ageMsMax: 60_000 },
    },
  },
  openaiChat: {
    type: 'chat',
    id: 'a',
    form: 'openai',
    request: { model: 'fast', messages: [{ role: 'user', content: 'Hi.' }], vendor: 1 },
  },
  agent: {
    type: 'agent',
    id: 'a',
    agentId: 'agt_1',
    conversationId: 'cnv_1',
    messages: [{ role: 'user', content: 'Hi.' }],
  },
  cancel: { type: 'cancel', id: 'a' },
  ping: { type: 'ping' },
  auth: { type: 'auth', token: 'rvk_chat' },
};

describe('messages of /ws/chat', () => {
  it('takes each type of client message, as the checked-in schema describes it, and refuses none', async (t) => {
    assert.deepEqual(Object.keys(EXAMPLES), Object.keys(clientMessages));
    const hub = await startHttpHub(t, { deps: { agents } });
    for (const [name, message] of Object.entries(EXAMPLES)) {
      assert.equal(nameOf('client', message), `client.${name}`);
      const client = await opened(t, hub, bearer(hub.keys.chat));
      client.send(message);
      client.send({ type: 'ping' });
      if ('messages' in message || 'request' in message) await ended(client, 'a');
      await client.next(({ type }) => type === 'pong');
      assert.deepEqual(
        client.told.filter(({ type }) => type === 'error'),
        [],
      );
    }
  });

  it('streams a chat as start, deltas and one end, with what the gateway was asked', async (t) => {
    const hub = await startHttpHub(t);
    const client = await opened(t, hub, bearer(hub.keys.chat));
    client.send(EXAMPLES.chat);
    await ended(client, 'a');
    assert.deepEqual(
      client.of('a').map(({ type, text, finishReason }) => [type, text ?? finishReason]),
      [
        ['start', undefined],
        ['delta', 'Hel'],
        ['delta', 'lo.'],
        ['end', 'stop'],
      ],
    );
    const [call] = hub.calls;
    assert.deepEqual(
      [call?.caller.keyId, call?.preferences, call?.request.model],
      ['key_chat', EXAMPLES.chat.preferences, 'fast'],
    );
    assert.equal(client.of('a')[0]?.['runId'], call?.runId);
  });

  it('gives chunks of OpenAI’s form to who asks in it, and passes unknown fields on', async (t) => {
    const hub = await startHttpHub(t);
    const client = await opened(t, hub, bearer(hub.keys.chat));
    client.send(EXAMPLES.openaiChat);
    const end = await ended(client, 'a');
    const chunks = client.of('a').flatMap(({ chunk: given }) => given ?? []);
    assert.deepEqual(
      chunks,
      [chunk('Hel'), chunk('lo.'), chunk('', 'stop')].map((text) => JSON.parse(text)),
    );
    assert.equal(end['finishReason'], 'stop');
    assert.equal(hub.calls[0]?.request['vendor'], 1);
  });

  it('tells that the text so far is void', async (t) => {
    const restart = JSON.stringify({ ...JSON.parse(chunk('')), choices: [], revoagent: { event: 'restart' } });
    const hub = await startHttpHub(t, {
      stream: async ({ runId }) => streamOf(runId, [chunk('a'), restart, chunk('b')]),
    });
    const client = await opened(t, hub, bearer(hub.keys.chat));
    for (const form of ['hub', 'openai']) {
      const request = form === 'hub' ? { prompt: 'Hi.' } : EXAMPLES.openaiChat.request;
      client.send({ type: 'chat', id: form, form, request });
      await ended(client, form);
      assert.equal(client.of(form).filter(({ type }) => type === 'restart').length, 1);
    }
  });

  it('words an agent’s turn: start, steps, tools, text and what it came to', async (t) => {
    const hub = await startHttpHub(t, { deps: { agents } });
    const client = await opened(t, hub, bearer(hub.keys.chat));
    client.send(EXAMPLES.agent);
    const end = await ended(client, 'a');
    assert.deepEqual(
      client.of('a').map(({ type }) => type),
      ['start', 'step', 'tool', 'delta', 'restart', 'end'],
    );
    assert.deepEqual(end['turn'], result);
    assert.equal(client.of('a')[3]?.['text'], 'agt_1: "Hi."');
  });

  it('says not_found for an agent that there is not', async (t) => {
    const hub = await startHttpHub(t);
    const client = await opened(t, hub, bearer(hub.keys.chat));
    client.send(EXAMPLES.agent);
    assert.match(JSON.stringify(await ended(client, 'a')), /"code":"not_found".*"retryable":false/);
  });

  it('answers what is no message with an error that names the place, and goes on', async (t) => {
    const hub = await startHttpHub(t);
    const client = await opened(t, hub, bearer(hub.keys.chat));
    const bad: readonly [string, string | null, RegExp][] = [
      ['{"type":', null, /invalid_body.*ends too early/],
      ['[]', null, /invalid_body/],
      ['null', null, /invalid_body/],
      ['{"type":"shout"}', null, /invalid_body.*chat, agent, cancel, ping, auth/],
      ['{"type":"chat","id":"x"}', 'x', /invalid_body.*request/],
      ['{"type":"chat","id":"x","request":{"prompt":"Hi.","top_k":1}}', 'x', /unsupported_field.*top_k/],
      [`{"type":"chat","id":"${'x'.repeat(65)}","request":{"prompt":"Hi."}}`, null, /invalid_body/],
      ['{"type":"cancel"}', null, /invalid_body/],
    ];
    for (const [position, [text, id, expected]] of bad.entries()) {
      client.socket.send(text);
      await client.next(() => client.told.length > position + 1);
      assert.equal(client.told[position + 1]?.id, id, text);
      assert.match(JSON.stringify(client.told[position + 1]), expected);
    }
    client.send({ type: 'chat', id: 'good', request: { prompt: 'Hi.' } });
    assert.equal((await ended(client, 'good')).type, 'end');
    assert.equal(hub.calls.length, 1);
  });

  it('closes with 1008 after ten refused messages in a row, and not before', async (t) => {
    const hub = await startHttpHub(t);
    const client = await opened(t, hub, bearer(hub.keys.chat));
    for (let count = 0; count < 9; count++) client.socket.send('no');
    client.send({ type: 'ping' });
    for (let count = 0; count < 10; count++) client.socket.send('no');
    assert.deepEqual(await client.closed, { code: 1008, reason: 'refused' });
    assert.equal(client.told.filter(({ type }) => type === 'error').length, 19);
  });

  it('closes a binary message with 1003, one that is too large with 1009, bytes that are no UTF-8 with 1007', async (t) => {
    const hub = await startHttpHub(t, { settings: { webSocket: { ...WEB_SOCKET, messageBytesMax: 1_024 } } });
    const cases: readonly [number, (socket: WebSocket) => void][] = [
      [1003, (socket) => socket.send(Buffer.from('{"type":"ping"}'))],
      [1009, (socket) => socket.send(JSON.stringify({ type: 'auth', token: 'x'.repeat(1_025) }))],
      [1007, (socket) => socket.send(Buffer.from([0xff, 0xfe]), { binary: false })],
    ];
    for (const [code, send] of cases) {
      const client = await opened(t, hub, bearer(hub.keys.chat));
      send(client.socket);
      assert.equal((await client.closed).code, code);
    }
    assert.equal(hub.calls.length, 0);
  });

  it('closes with 1008 a message of more tiny frames than one may have', async (t) => {
    const client = await opened(t, await startHttpHub(t), bearer('rvk_chat'));
    for (let count = 0; count < 1_000; count++) client.socket.send(' ', { fin: false });
    assert.equal((await client.closed).code, 1008);
  });

  it('closes with 4401 where much is sent before a key, and takes it behind one', async (t) => {
    const hub = await startHttpHub(t, { settings: { webSocket: { ...WEB_SOCKET, messageBytesMax: 1_048_576 } } });
    const piece = ' '.repeat(32 * 1024);
    const nobody = await opened(t, hub, {});
    for (let count = 0; count < 8; count++) nobody.socket.send(piece, { fin: false });
    assert.equal((await nobody.closed).code, 4401);
    const known = await opened(t, hub, {});
    known.send({ type: 'auth', token: hub.keys.chat });
    for (let count = 0; count < 16; count++) known.socket.send(piece, { fin: false });
    known.socket.send('{"type":"ping"}');
    await known.next(({ type }) => type === 'pong');
  });

  it('refuses an id that is in use without touching its run', async (t) => {
    const held = gate();
    const hub = await startHttpHub(t, {
      stream: async ({ runId }) => {
        await held.opened;
        return streamOf(runId, [chunk('Hi.', 'stop')]);
      },
    });
    const client = await opened(t, hub, bearer(hub.keys.chat));
    client.send(EXAMPLES.chat);
    client.send(EXAMPLES.chat);
    const error = await client.next(({ type }) => type === 'error');
    assert.equal(error.id, null);
    assert.match(JSON.stringify(error), /"conflict"/);
    held.open();
    assert.equal((await ended(client, 'a')).type, 'end');
  });

  it('runs 20 chats on one socket at once, each ended once', async (t) => {
    const held = gate();
    const hub = await startHttpHub(t, {
      stream: async ({ runId, request }) => {
        await held.opened;
        return streamOf(runId, [chunk(`to ${JSON.stringify(request.messages)}`), chunk('', 'stop')]);
      },
    });
    const client = await opened(t, hub, bearer(hub.keys.chat));
    const ids = Array.from({ length: 20 }, (_, number) => `run-${number}`);
    for (const id of ids) client.send({ type: 'chat', id, request: { prompt: `I am ${id}.` } });
    client.send({ type: 'ping' });
    await client.next(({ type }) => type === 'pong');
    assert.equal(hub.calls.length, 20);
    held.open();
    for (const id of ids) {
      assert.equal((await ended(client, id)).type, 'end');
      assert.match(String(client.of(id)[1]?.['text']), new RegExp(`I am ${id}\\.`));
      assert.equal(client.of(id).length, 3);
    }
  });

  it('does not serve another path, and says so in HTTP', async (t) => {
    const hub = await startHttpHub(t);
    const client = connect(t, hub, { path: '/ws/other' });
    assert.deepEqual(await refusal(client), { status: 404, code: 'not_found' });
  });
});
