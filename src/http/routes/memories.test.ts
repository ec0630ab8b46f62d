/** `/api/memories` over the memory system on a real database: what each operation answers, named by its status. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limits } from '#core/limits';
import { startHttpHub } from '../../../tests/helpers/http-hub.ts';
import { storedHub } from '../../../tests/helpers/stored-hub.ts';
import type { Asked, StoredHub } from '../../../tests/helpers/stored-hub.ts';

const AT = '/api/memories';
const NONE = 'mem_00000000000000000000000000';
const NO_AGENT = 'agt_00000000000000000000000000';

const stored = storedHub();

async function keep(hub: StoredHub, text: string, scope?: string): Promise<string> {
  const made = await hub.ask('POST', AT, scope === undefined ? { text } : { text, scope });
  assert.equal(made.status, 201, made.text);
  return String(made.body['id']);
}

/** The texts of a list or a search, and where the next page begins. */
function texts({ status, text, body }: Asked): [unknown[], unknown] {
  assert.equal(status, 200, text);
  return [(body['data'] as { text: string }[]).map((each) => each.text), body['nextBefore']];
}

describe('memories', () => {
  it('201, 200: kept without white space at the ends, read, listed by the page and by scope, and forgotten', async () => {
    const hub = stored();
    const agent = await hub.ask('POST', '/api/agents', { name: 'a', instructions: '', model: 'm' });
    const scope = `agent:${String(agent.body['id'])}`;
    const [first, second] = [await keep(hub, ' one '), await keep(hub, 'two', scope)];
    const read = await hub.ask('GET', `${AT}/${first}`);
    assert.deepEqual([read.body['text'], read.body['scope']], ['one', 'project']);
    assert.deepEqual(texts(await hub.ask('GET', AT)), [['two', 'one'], null]);
    assert.deepEqual(texts(await hub.ask('GET', `${AT}?limit=1`)), [['two'], second]);
    assert.deepEqual(texts(await hub.ask('GET', `${AT}?limit=1&before=${second}`)), [['one'], first]);
    assert.deepEqual(texts(await hub.ask('GET', `${AT}?scope=${scope}`)), [['two'], null]);
    assert.equal((await hub.ask('DELETE', `${AT}/${first}`)).body['deleted'], true);
    assert.equal((await hub.ask('GET', `${AT}/${first}`)).status, 404);
    await hub.ask('DELETE', `/api/agents/${String(agent.body['id'])}`);
    assert.deepEqual(texts(await hub.ask('GET', AT)), [[], null], 'an agent takes its facts with it');
  });

  it('201: the same Idempotency-Key keeps one fact', async () => {
    const hub = stored();
    const key = { 'idempotency-key': 'one-fact' };
    const [first, again] = [
      await hub.ask('POST', AT, { text: 'once' }, key),
      await hub.ask('POST', AT, { text: 'once' }, key),
    ];
    assert.equal(first.body['id'], again.body['id']);
    assert.equal(texts(await hub.ask('GET', AT))[0].length, 1);
  });

  it('200: a search finds by any word in any form, the best first, in its scope alone, as many as asked for', async () => {
    const hub = stored();
    const talk = await hub.ask('POST', '/api/conversations', {});
    const scope = `conversation:${String(talk.body['id'])}`;
    await keep(hub, 'Orders are shipped from Rotterdam');
    await keep(hub, 'Anna orders tea');
    await keep(hub, 'Orders of this talk', scope);
    const search = async (query: string) => texts(await hub.ask('GET', `${AT}/search?${query}`))[0];
    const both = ['Orders are shipped from Rotterdam', 'Anna orders tea'];
    assert.deepEqual(await search('q=where+are+orders+SHIPPING+from'), both);
    assert.deepEqual(await search('q=order+ship&limit=1'), both.slice(0, 1));
    assert.deepEqual(await search(`q=order&scope=${scope}`), ['Orders of this talk']);
    assert.deepEqual(await search(`q=order&scope=agent:${NO_AGENT}`), []);
    for (const odd of ['%00', "'", '%5C', '%26%7C!', ':*', '%F0%9F%98%80', '%20']) await search(`q=${odd}`);
  });

  it('400: scopes that are none, facts that are empty or too long, and searches for nothing', async () => {
    const hub = stored();
    for (const scope of [
      '',
      'agent',
      'agent:x',
      `agent:cnv_${'0'.repeat(26)}`,
      `agent:${NO_AGENT} `,
      'Project',
      'user:1',
    ]) {
      assert.equal((await hub.ask('POST', AT, { text: 'x', scope })).status, 400, scope);
      for (const query of [`?scope=${scope}`, `/search?q=x&scope=${scope}`])
        assert.equal((await hub.ask('GET', AT + encodeURI(query))).status, 400, query);
    }
    for (const text of ['', '  ', 'x'.repeat(limits.memoryCharsMax + 1), 7])
      assert.equal((await hub.ask('POST', AT, { text })).status, 400, String(text).slice(0, 9));
    for (const query of ['/search', '/search?q=', '/search?q=x&limit=0', '/search?q=x&limit=51', '?before=1'])
      assert.equal((await hub.ask('GET', AT + query)).status, 400, query);
  });

  it('404: ids that are none, or of another thing, and facts of who is not there', async () => {
    const hub = stored();
    for (const id of [NONE, NO_AGENT, 'x'])
      for (const method of ['GET', 'DELETE'])
        assert.equal((await hub.ask(method, `${AT}/${id}`)).status, 404, `${method} ${id}`);
    for (const scope of [`agent:${NO_AGENT}`, 'conversation:cnv_00000000000000000000000000'])
      assert.equal((await hub.ask('POST', AT, { text: 'x', scope })).status, 404, scope);
  });

  it('403: a key that may only look does not read facts', async () => {
    const hub = stored();
    const headers = { authorization: `Bearer ${hub.keys.read}` };
    for (const at of ['', '/search?q=x', `/${NONE}`])
      assert.equal((await hub.ask('GET', AT + at, undefined, headers)).status, 403, at);
  });

  it('503: a memory that is away is said to be, with the time to come back', async (t) => {
    const hub = await startHttpHub(t);
    const headers = { authorization: `Bearer ${hub.keys.chat}` };
    const json = { ...headers, 'content-type': 'application/json' };
    const answers = await Promise.all([
      ...['', '/search?q=x', `/${NONE}`].map((at) => fetch(hub.url + AT + at, { headers })),
      fetch(hub.url + AT, { method: 'POST', headers: json, body: '{"text":"x"}' }),
      fetch(`${hub.url}${AT}/${NONE}`, { method: 'DELETE', headers }),
    ]);
    for (const answer of answers) {
      assert.equal(answer.status, 503);
      assert.match(await answer.text(), /"code":"memory_unavailable"/);
    }
  });
});
