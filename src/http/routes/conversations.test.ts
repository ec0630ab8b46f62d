/** `/api/conversations` over a real database: kept, found, renamed, exported, imported, and gone when they are deleted. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sql } from 'kysely';
import { newId } from '#core/ids';
import { limits } from '#core/limits';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import { conversationOf, START_MS, turnOf } from '../../../tests/conformance/records.ts';
import { startHttpHub } from '../../../tests/helpers/http-hub.ts';
import { storedHub } from '../../../tests/helpers/stored-hub.ts';
import type { StoredHub } from '../../../tests/helpers/stored-hub.ts';
import { conversationExample, turnExample } from '../wire/conversation.ts';

const AT = '/api/conversations';
const NONE = 'cnv_00000000000000000000000000';

/** A conversation with as many whole turns. */
async function talk(
  { storage }: StoredHub,
  turns: number,
  fields: Parameters<typeof conversationOf>[1] = {},
): Promise<string> {
  const conversation = conversationOf(DEFAULT_PROJECT_ID, { turns, ...fields });
  const all = Array.from({ length: turns }, (_, index) =>
    turnOf(conversation, { number: index + 1, input: [{ role: 'user', content: `question ${index + 1}`, name: 'x' }] }),
  );
  assert.ok(await storage.stores.conversations.importMany([{ conversation, turns: all }]));
  return conversation.id;
}

/** Of a page: the ids or numbers of its rows, and where the next one begins. */
function rows({ data, nextBefore }: Record<string, unknown>): [unknown[], unknown] {
  return [(data as { id: string; number?: number }[]).map(({ id, number }) => number ?? id), nextBefore];
}

const lines = (...values: object[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('');

const stored = storedHub();

describe('conversations', () => {
  it('201, 200: begun with an agent of the project, read, renamed, listed, and without it when it is gone', async () => {
    const hub = stored();
    const agent = await hub.ask('POST', '/api/agents', { name: 'a', instructions: '', model: 'm' });
    const agentId = String(agent.body['id']);
    const made = await hub.ask('POST', AT, { agentId, title: 'one' });
    assert.deepEqual([made.status, made.body['agentId'], made.body['turns']], [201, agentId, 0], made.text);
    const at = `${AT}/${String(made.body['id'])}`;
    assert.deepEqual((await hub.ask('GET', at)).body, made.body);
    assert.equal((await hub.ask('PATCH', at, { title: null })).body['title'], null);
    await hub.ask('POST', AT, {});
    assert.deepEqual(rows((await hub.ask('GET', `${AT}?agentId=${agentId}`)).body), [[made.body['id']], null]);
    await hub.ask('DELETE', `/api/agents/${agentId}`);
    assert.equal((await hub.ask('GET', at)).body['agentId'], null);
  });

  it('201: the same Idempotency-Key begins one conversation', async () => {
    const hub = stored();
    const key = { 'idempotency-key': newId('req', START_MS) };
    const [first, again] = [await hub.ask('POST', AT, {}, key), await hub.ask('POST', AT, {}, key)];
    assert.equal(first.body['id'], again.body['id']);
    assert.equal(rows((await hub.ask('GET', AT)).body)[0].length, 1);
  });

  it('200: turns are read newest first by the page, to the first one', async () => {
    const hub = stored();
    const at = `${AT}/${await talk(hub, 5)}/turns`;
    assert.deepEqual(rows((await hub.ask('GET', `${at}?limit=2`)).body), [[5, 4], 4]);
    assert.deepEqual(rows((await hub.ask('GET', `${at}?limit=2&before=4`)).body), [[3, 2], 2]);
    assert.deepEqual(rows((await hub.ask('GET', `${at}?limit=2&before=2`)).body), [[1], null]);
    assert.deepEqual(rows((await hub.ask('GET', `${at}?limit=5`)).body), [[5, 4, 3, 2, 1], null]);
    assert.deepEqual(rows((await hub.ask('GET', `${AT}/${await talk(hub, 0)}/turns`)).body), [[], null]);
  });

  it('200: a search finds by all words, page by page', async () => {
    const hub = stored();
    const [old, recent] = [await talk(hub, 2), await talk(hub, 3, { createdWallMs: START_MS + 1 })];
    const search = async (query: string) => rows((await hub.ask('GET', `${AT}?${query}`)).body);
    assert.deepEqual(await search('search=QUESTION%202'), [[recent, old], null]);
    assert.deepEqual(await search('search=question%203'), [[recent], null]);
    assert.deepEqual(await search('search=question&limit=1'), [[recent], recent]);
    assert.deepEqual(await search(`search=question&limit=1&before=${recent}`), [[old], old]);
    assert.deepEqual(await search('search=%00%3F'), [[], null]);
  });

  it('200: what is deleted is in no table any more, nor what was said in it', async () => {
    const hub = stored();
    const canary = 'canary-of-the-deletion';
    const made = await hub.ask('POST', AT, { title: canary });
    const id = String(made.body['id']);
    const turn = turnOf({ id, projectId: DEFAULT_PROJECT_ID }, { input: [{ role: 'user', content: canary }] });
    const { conversations } = hub.storage.stores;
    await conversations.beginTurn(turn, START_MS + 1_000);
    const output = [{ role: 'assistant', content: canary }] as const;
    const outcome = { state: 'whole', output, end: 'stop', errorCode: null, tools: [], runIds: [] } as const;
    await conversations.endTurn(DEFAULT_PROJECT_ID, turn.id, { ...outcome, endedWallMs: START_MS });
    await conversations.saveSummary(DEFAULT_PROJECT_ID, id, canary, 1);
    for (const [text, tables] of [
      [canary, ['conversations', 'turns']],
      ['deletion', ['conversations', 'turns']],
    ] as const)
      assert.deepEqual(await tablesWith(hub, text), tables, 'it is seen where it is');
    assert.equal((await hub.ask('DELETE', `${AT}/${id}`)).body['deleted'], true);
    for (const text of [canary, 'deletion', id]) assert.deepEqual(await tablesWith(hub, text), [], text);
    for (const at of ['', '/turns']) assert.equal((await hub.ask('GET', `${AT}/${id}${at}`)).status, 404);
    assert.deepEqual(rows((await hub.ask('GET', `${AT}?search=canary`)).body)[0], []);
    assert.equal((await hub.ask('GET', `${AT}/export`)).text, '');
  });

  it('404: ids that are none, or of another thing, and an agent that is not there', async () => {
    const hub = stored();
    for (const id of [NONE, 'agt_00000000000000000000000000', 'x'])
      for (const [method, more, sent] of [
        ['GET', '', undefined],
        ['GET', '/turns', undefined],
        ['PATCH', '', { title: 'x' }],
        ['DELETE', '', undefined],
      ] as const)
        assert.equal((await hub.ask(method, `${AT}/${id}${more}`, sent)).status, 404, `${method} ${id}${more}`);
    assert.equal((await hub.ask('POST', AT, { agentId: 'agt_00000000000000000000000000' })).status, 404);
  });

  it('400: a search that is also for an agent, and a page that begins nowhere', async () => {
    const hub = stored();
    const agent = 'agentId=agt_00000000000000000000000000';
    for (const query of [`?search=a&${agent}`, '?search=', '?agentId=x', '?before=1', `/${NONE}/turns?before=0`])
      assert.equal((await hub.ask('GET', AT + query)).status, 400, query);
  });

  it('403: a key that may only look does not read what was said', async () => {
    const hub = stored();
    const headers = { authorization: `Bearer ${hub.keys.read}` };
    for (const at of ['', '/export', `/${NONE}`, `/${NONE}/turns`])
      assert.equal((await hub.ask('GET', AT + at, undefined, headers)).status, 403, at);
  });

  it('503: a database that is gone is said so, before anything is sent', async (t) => {
    const hub = await startHttpHub(t);
    const headers = { authorization: `Bearer ${hub.keys.chat}` };
    for (const at of ['', '?search=a', '/export', `/${NONE}`, `/${NONE}/turns`]) {
      const { status } = await fetch(hub.url + AT + at, { headers });
      assert.equal(status, 503, at);
    }
    const type = { ...headers, 'content-type': 'application/jsonl' };
    const body = lines({ conversation: conversationExample }, { turn: turnExample });
    assert.equal((await fetch(`${hub.url}${AT}/import`, { method: 'POST', headers: type, body })).status, 503);
  });
});

/** Every table in which any column of any row holds the text. */
async function tablesWith({ storage: { db } }: StoredHub, text: string): Promise<string[]> {
  const { rows: tables } = await sql<{ name: string }>`
    select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`.execute(
    db,
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const held = await sql`select 1 from ${sql.table(name)} as t where t::text like ${`%${text}%`} limit 1`.execute(db);
    if (held.rows.length > 0) found.push(name);
  }
  return found;
}

/** What an export asks for at once, here; and pages that no reader of three of them can have caused. */
const PAGE_CHARS = 4_000_000;
const ON_THE_WAY = 20;

describe('an export and an import of conversations', () => {
  it('200, 201: what was exported and deleted is the same again when it was imported', async () => {
    const hub = stored();
    const ids = [await talk(hub, 41), await talk(hub, 20, { createdWallMs: START_MS + 1, title: 'é\u{1F600}\n' })];
    for (let more = 0; more < 55; more++) ids.push(await talk(hub, 0, { createdWallMs: START_MS + 2 + more }));
    const exported = await hub.ask('GET', `${AT}/export`);
    assert.deepEqual([exported.status, exported.headers.get('content-type')], [200, 'application/jsonl']);
    const given = exported.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, { id: string; number: number }>);
    assert.deepEqual(
      given.flatMap(({ conversation }) => conversation?.id ?? []),
      ids.toReversed(),
    );
    assert.deepEqual(
      given.flatMap(({ turn }) => turn?.number ?? []),
      [...Array.from({ length: 20 }, (_, index) => index + 1), ...Array.from({ length: 41 }, (_, index) => index + 1)],
    );
    assert.equal((await hub.ask('POST', `${AT}/import`, exported.text)).status, 409);
    for (const id of ids) await hub.ask('DELETE', `${AT}/${id}`);
    const windows = exported.text.replaceAll('\n', '\r\n');
    const imported = await hub.ask('POST', `${AT}/import`, windows);
    assert.deepEqual([imported.status, imported.body], [201, { conversations: 57, turns: 61 }], imported.text);
    assert.equal((await hub.ask('GET', `${AT}/export`)).text, exported.text);
    assert.deepEqual(rows((await hub.ask('GET', `${AT}?search=question%2041`)).body)[0], [ids[0]]);
  });

  it('201: a summary that is imported stands for no turn that is not there', async () => {
    const hub = stored();
    const upTo = async (summary: string | null): Promise<unknown> => {
      const conversation = { ...conversationExample, id: newId('cnv', START_MS), summary, summaryUpTo: 9 };
      const turn = { ...turnExample, id: newId('trn', START_MS), conversationId: conversation.id };
      assert.equal((await hub.ask('POST', `${AT}/import`, lines({ conversation }, { turn }))).status, 201);
      return (await hub.ask('GET', `${AT}/${conversation.id}`)).body['summaryUpTo'];
    };
    assert.deepEqual([await upTo('It was about an order.'), await upTo(null)], [1, 0]);
  });

  it('200: an export reads no further than its reader, and breaks off where the database goes', async (t) => {
    const hub = stored();
    const conversation = conversationOf(DEFAULT_PROJECT_ID, { turns: 100_000 });
    const big = 'x'.repeat(PAGE_CHARS / 20);
    let asked = 0;
    let gone = false;
    const endless = await startHttpHub(t, {
      deps: {
        conversations: {
          ...hub.storage.stores.conversations,
          list: async () => [conversation],
          turns: async (_project, _id, { before = 0, limit }) => {
            assert.ok(++asked < ON_THE_WAY, 'it reads on and on');
            if (gone) throw new Error('the database is gone');
            return Array.from({ length: limit }, (_, index) =>
              turnOf(conversation, { number: before - 1 - index, input: [{ role: 'user', content: big }] }),
            );
          },
        },
      },
    });
    const response = await fetch(`${endless.url}${AT}/export`, {
      headers: { authorization: `Bearer ${endless.keys.chat}` },
    });
    const reader = response.body?.getReader();
    assert.ok(reader !== undefined);
    let read = 0;
    while (read < 3 * PAGE_CHARS) read += (await reader.read()).value?.length ?? assert.fail('it ended');
    // What is on the way is in the buffers of the connection.
    const pages = asked;
    assert.ok(pages < ON_THE_WAY, `${pages} pages for a reader of three`);
    gone = true;
    await assert.rejects(async () => {
      while (!(await reader.read()).done);
    });
    assert.equal(asked, pages + 1, 'nothing was asked after the failure');
  });

  const id = conversationExample.id;
  const other = 'cnv_11111111111111111111111111';
  const good = { conversation: conversationExample };
  const turnId = (at: number) => `trn_${String(at).padStart(26, '0')}`;
  const turn = (more: object) => ({ turn: { ...turnExample, ...more } });
  for (const [what, text, ...places] of [
    ['a line that is no JSON', `${lines(good)}{"turn": }\n`, 'line 2'],
    ['an empty line', `${lines(good)}\n`, 'line 2'],
    ['a line of another kind', lines(good, { message: {} }), 'line 2: conversation', 'line 2: message'],
    ['a turn before any conversation', lines(turn({}), good), 'line 1'],
    ['a turn of another conversation', lines(good, turn({ conversationId: other })), 'line 2: turn.conversationId'],
    ['a turn that is missing', lines(good, turn({}), turn({ number: 3 })), 'line 3: turn.number'],
    ['two turns of an id', lines(good, turn({}), turn({ number: 2 })), 'line 3: turn.id'],
    ['two conversations of an id', lines(good, turn({}), good), 'line 3: conversation.id'],
    [
      'a field nobody knows',
      lines({ conversation: { ...conversationExample, projectId: 'prj_x' } }),
      'line 1: conversation.projectId',
    ],
    [
      'a time that is none',
      lines({ conversation: { ...conversationExample, createdAt: 'yesterday' } }),
      'line 1: conversation.createdAt',
    ],
    ['a leap second', lines(good, turn({ endedAt: '2026-12-31T23:59:60Z' })), 'line 2: turn.endedAt'],
    ['a role that is none', lines(good, turn({ input: [{ role: 'king' }] })), 'line 2: turn.input[0].role'],
    ['several bad lines', `${lines(good)}[\n${lines(turn({}))}]\n`, 'line 2', 'line 4'],
    ['a nested line', `${lines(good)}${'['.repeat(100)}`, 'line 2'],
    ['a prototype', `{"__proto__":{},"conversation":${JSON.stringify(conversationExample)}}`, 'line 1'],
  ] as const)
    it(`400: ${what} is named, and nothing is taken`, async () => {
      const hub = stored();
      const refused = await hub.ask('POST', `${AT}/import`, text);
      assert.deepEqual([refused.status, refused.body['code']], [400, 'invalid_body'], refused.text);
      assert.deepEqual(
        (refused.body['errors'] as { path: string }[]).map(({ path }) => path),
        places,
      );
      assert.equal((await hub.ask('GET', `${AT}/${id}`)).status, 404);
    });

  it('413, 415, 400: more turns than one import takes, another type, nothing at all', async () => {
    const hub = stored();
    const at = `${AT}/import`;
    const turns = Array.from({ length: limits.importTurnsMax + 1 }, (_, index) =>
      turn({ id: turnId(index), number: index + 1 }),
    );
    assert.equal((await hub.ask('POST', at, lines(good, ...turns))).status, 413);
    const whole = await hub.ask(
      'POST',
      at,
      lines(good, ...turns.slice(1).map(({ turn: each }) => turn({ ...each, number: each.number - 1 }))),
    );
    assert.deepEqual(whole.body, { conversations: 1, turns: limits.importTurnsMax }, whole.text);
    assert.equal((await hub.ask('POST', at, lines(good), { 'content-type': 'application/json' })).status, 415);
    assert.equal((await hub.ask('POST', at, lines(good), { 'content-encoding': 'gzip' })).status, 415);
    assert.equal((await hub.ask('POST', at, '')).status, 400);
  });
});
