/**
 * Conversations with agents on a real hub and a real PostgreSQL: killed in the middle of a turn, and with the database away. What was
 * acknowledged is whole, what was not is broken, and neither is ever the other.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import pg from 'pg';
import { callsTool, callsWeather, startAgentHub, weatherTool } from '../helpers/agent-hub.ts';
import type { AgentHub } from '../helpers/agent-hub.ts';
import { waitFor } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';
import type { TestPostgres } from '../helpers/postgres.ts';
import { forTheSuite } from '../helpers/suite.ts';
import { answers, streams, until } from '../helpers/upstream.ts';

const HANG_BOUND_MS = 15_000;

interface Turn {
  readonly number: number;
  readonly state: string;
  readonly errorCode: string | null;
  readonly output: readonly { readonly content: unknown }[];
}

/** The newest first. */
async function turnsOf({ ask }: AgentHub, conversationId: unknown): Promise<Turn[]> {
  const { status, text } = await ask('GET', `/api/conversations/${String(conversationId)}/turns`);
  assert.equal(status, 200, text);
  return JSON.parse(text).data;
}

describe('an agent of a started hub', () => {
  const suite = forTheSuite();
  let postgres: TestPostgres;
  /** Of the tests that leave the hub as they found it. */
  let shared: AgentHub;
  before(async () => {
    postgres = await startPostgres();
    suite.after(() => postgres.close());
    shared = await startAgentHub(suite, { url: await postgres.createDatabase() });
    suite.after(async () => assert.equal(await shared.hub.end('SIGTERM'), 0, shared.hub.output()));
  });

  it('talks in a conversation whose every step is a run that is explained, and told to stop marks the turn under way', async (t) => {
    const hub = await startAgentHub(t, { url: await postgres.createDatabase() });
    const id = await hub.create({ tools: [weatherTool] });
    hub.upstream.script(callsWeather('Berlin'), answers('It is clear.'), answers('You are welcome.'));
    const first = await hub.ask('POST', `/api/agents/${id}/chat`, { prompt: 'The weather?', conversationId: 'new' });
    assert.equal(first.status, 200, first.text);
    const { conversationId, runIds, costMicroUsd, text } = first.body;
    // Seven tokens for a millionth of a dollar each and three for two, twice.
    assert.deepEqual([text, costMicroUsd], ['It is clear.', 26]);
    assert.ok(Array.isArray(runIds));
    for (const run of runIds)
      assert.equal((await hub.ask('GET', `/api/runs/${String(run)}`)).body['status'], 'succeeded');
    const second = await hub.ask('POST', `/api/agents/${id}/chat`, { prompt: 'Thanks.', conversationId });
    assert.equal(second.body['text'], 'You are welcome.');
    const messages = hub.upstream.received.at(-1)?.body['messages'];
    assert.ok(Array.isArray(messages));
    assert.deepEqual(
      messages.map(({ role }) => role),
      ['system', 'user', 'assistant', 'tool', 'assistant', 'user'],
    );
    assert.deepEqual(
      (await turnsOf(hub, conversationId)).map(({ state }) => state),
      ['whole', 'whole'],
    );

    // It is told to stop in the middle of a turn: that one is marked before it ends.
    hub.upstream.script(streams(['Half'], { ending: 'stall' }));
    const cut = hub.ask('POST', `/api/agents/${id}/chat`, { prompt: 'One more.', conversationId });
    await until('the third turn runs', () => hub.upstream.received.length === 4);
    assert.equal(await hub.hub.end('SIGTERM'), 0, hub.hub.output());
    const told = await cut.then(({ body }) => body['code']).catch(() => 'no answer');
    const again = await hub.again();
    const [last] = await turnsOf(again, conversationId);
    assert.deepEqual([told, last?.number, last?.state, last?.errorCode], ['draining', 3, 'broken', 'draining']);
    assert.equal(await again.hub.end('SIGTERM'), 0, again.hub.output());
  });

  it('remembers, answers without its memory while that is out of order, says so, and uses it again afterwards', async () => {
    const hub = shared;
    const id = await hub.create({
      name: 'remembering',
      memory: { scope: 'agent', recall: 5 },
      tools: [{ kind: 'memory' }],
    });
    const chat = async (prompt: string) => (await hub.ask('POST', `/api/agents/${id}/chat`, { prompt })).body;
    const toldFirst = () => {
      const messages = hub.upstream.received.at(-1)?.body['messages'];
      return Array.isArray(messages) ? String(messages[0].content) : '';
    };
    hub.upstream.script(callsTool('remember', { fact: 'Ada drinks tea.' }));
    const kept = await chat('I am Ada, and I drink tea.');
    assert.partialDeepStrictEqual(kept, { text: 'All is well.', memory: 'used', tools: [{ outcome: 'succeeded' }] });
    assert.equal((await chat('What does Ada drink?'))['memory'], 'used');
    assert.match(toldFirst(), /- Ada drinks tea\.$/);

    const circuit = '/api/circuit-breakers/memory';
    const forced = await hub.ask('POST', `${circuit}/force-open`, { reason: 'a test', forMs: 60_000 });
    assert.equal(forced.status, 200, forced.text);
    hub.upstream.script(callsTool('recall', { about: 'Ada' }));
    const without = await chat('What does Ada drink?');
    assert.partialDeepStrictEqual(without, {
      text: 'All is well.',
      memory: 'unavailable',
      tools: [{ outcome: 'failed' }],
    });
    assert.match(toldFirst(), /Your memory cannot be reached just now/);

    assert.equal((await hub.ask('POST', `${circuit}/reset`, { reason: 'a test' })).status, 200);
    assert.equal((await chat('What does Ada drink?'))['memory'], 'used');
    assert.match(toldFirst(), /- Ada drinks tea\.$/);
  });

  it('killed in the middle of a turn keeps every acknowledged one, and the other is broken and never told again', async (t) => {
    const url = await postgres.createDatabase();
    const hub = await startAgentHub(t, { url });
    const id = await hub.create();
    const chat = `/api/agents/${id}/chat`;
    hub.upstream.script(answers('One.'), answers('Two.'), streams(['Half'], { ending: 'stall' }));
    const { conversationId } = (await hub.ask('POST', chat, { prompt: '1?', conversationId: 'new' })).body;
    assert.equal((await hub.ask('POST', chat, { prompt: '2?', conversationId })).body['text'], 'Two.');
    const cut = hub.ask('POST', chat, { prompt: '3?', conversationId }).catch((error: unknown) => error);
    await until('the third turn runs', () => hub.upstream.received.length === 3);
    await hub.hub.end('SIGKILL');
    assert.ok((await cut) instanceof Error, 'nobody was told that the third turn ended');

    const again = await hub.again();
    // Half a minute later, as far as the database can tell: nobody says any more that he works on it.
    await withClient(url, (client) =>
      client.query('update conversations set lease_ms = 1 where running_turn is not null'),
    );
    const turns = await turnsOf(again, conversationId);
    assert.deepEqual(
      turns.map(({ number, state, output }) => [number, state, output.map(({ content }) => content)]),
      [
        [3, 'broken', []],
        [2, 'whole', ['Two.']],
        [1, 'whole', ['One.']],
      ],
    );
    again.upstream.script(answers('Four.'));
    const next = await again.ask('POST', chat, { prompt: '4?', conversationId });
    assert.equal(next.body['text'], 'Four.', next.text);
    const told = again.upstream.received.at(-1)?.body['messages'];
    assert.ok(Array.isArray(told));
    assert.deepEqual(
      told.map(({ content }) => content),
      ['Be of help.', '1?', 'One.', '2?', 'Two.', '4?'],
    );
    assert.equal(await again.hub.end('SIGTERM'), 0, again.hub.output());
  });

  for (const [name, away, back] of [
    ['killed', () => postgres.kill(), () => postgres.restart()],
    ['hung', () => postgres.stop(), () => postgres.cont()],
  ] as const) {
    it(`with a database that is ${name} says 503 in time, while plain chat goes on, and talks again afterwards`, async () => {
      const hub = shared;
      const id = await hub.create({ name });
      const chat = `/api/agents/${id}/chat`;
      const { conversationId } = (await hub.ask('POST', chat, { prompt: '1?', conversationId: 'new' })).body;

      await away();
      const refused = await timely(hub.ask('POST', chat, { prompt: '2?', conversationId }));
      assert.deepEqual([refused.status, refused.body['code']], [503, 'database_unavailable']);
      const asked = hub.upstream.received.length;
      const messages = [{ role: 'user', content: 'Are you there?' }];
      const plain = await timely(hub.ask('POST', '/v1/chat/completions', { model: 'test/test-model', messages }));
      assert.equal(plain.status, 200, plain.text);
      assert.equal(hub.upstream.received.length, asked + 1, 'the refused turn asked no model');
      assert.match((await timely(hub.ask('GET', '/v1/models'))).text, /"test\/test-model"/);

      await back();
      const again = await waitFor(async () => {
        const answer = await hub.ask('POST', chat, { prompt: '3?', conversationId });
        return answer.status === 200 ? answer : null;
      }, 60_000);
      assert.equal(again.body['text'], 'All is well.');
      assert.equal((await turnsOf(hub, conversationId)).at(-1)?.state, 'whole');
    });
  }
});

function timely<T>(work: Promise<T>): Promise<T> {
  const late = AbortSignal.timeout(HANG_BOUND_MS);
  return Promise.race([
    work,
    new Promise<never>((_resolve, reject) => late.addEventListener('abort', () => reject(late.reason), { once: true })),
  ]);
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
