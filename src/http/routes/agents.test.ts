/** `/api/agents` over a real database: what is kept, who may change which version of it, and what is refused. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UnavailableError } from '#core/errors';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import { agentBodyExample } from '../wire/agent.ts';
import { startHttpHub } from '../../../tests/helpers/http-hub.ts';
import { storedHub } from '../../../tests/helpers/stored-hub.ts';
import { noAgents } from '../../../tests/helpers/stores-away.ts';

const fn = (parameters: unknown) => ({ name: 'look', description: '', parameters });
const caller = (parameters: unknown) => ({ kind: 'caller', ...fn(parameters) });
const orders = {
  kind: 'external',
  ...fn({ type: 'object', properties: { number: { type: 'string' }, page: {} }, required: ['number'] }),
  api: 'shop',
  method: 'GET',
  path: '/orders/{number}/lines',
  query: ['page'],
};
const body = (more: object = {}) => ({ name: 'a', instructions: 'Be brief.', model: 'fast', ...more });

describe('agents', () => {
  const stored = storedHub();

  it('201, 200, 304: an agent is read as it was made, with the defaults, and not sent again to who has it', async () => {
    const hub = stored();
    const made = await hub.ask('POST', '/api/agents', { ...agentBodyExample, tools: [orders, { kind: 'memory' }] });
    assert.deepEqual([made.status, made.headers.get('etag')], [201, '"1"'], made.text);
    const { id, version, limits, tools } = made.body;
    assert.deepEqual(
      [version, limits, tools],
      [1, { steps: 8, deadlineMs: 120_000, costMicroUsd: null }, [orders, { kind: 'memory' }]],
    );
    const at = `/api/agents/${String(id)}`;
    assert.deepEqual((await hub.ask('GET', at)).body, made.body);
    for (const known of ['"1"', 'W/"1"', '"7", W/"1"', '*']) {
      const read = await hub.ask('GET', at, undefined, { 'if-none-match': known });
      assert.deepEqual([read.status, read.text, read.headers.get('etag')], [304, '', '"1"'], known);
    }
    assert.equal((await hub.ask('GET', at, undefined, { 'if-none-match': '"2", "11"' })).status, 200);
  });

  it('200: a change names the version it replaces, fills in defaults anew, and is written to the audit', async () => {
    const hub = stored();
    const made = await hub.ask('POST', '/api/agents', body({ description: 'first', limits: { steps: 3 } }));
    const at = `/api/agents/${String(made.body['id'])}`;
    const changed = await hub.ask('PUT', at, body({ name: 'b' }), { 'if-match': '"1"' });
    assert.deepEqual([changed.status, changed.headers.get('etag'), changed.body['name']], [200, '"2"', 'b']);
    assert.deepEqual([changed.body['description'], changed.body['createdAt']], ['', made.body['createdAt']]);
    assert.deepEqual((await hub.ask('GET', at)).body, changed.body);
    assert.equal((await hub.ask('PUT', at, body({ name: 'c' }))).body['version'], 3);
    assert.deepEqual((await hub.ask('DELETE', at, undefined, { 'if-match': '"3"' })).body['deleted'], true);
    assert.equal((await hub.ask('GET', at)).status, 404);
    const audit = await hub.storage.stores.audit.list(DEFAULT_PROJECT_ID, { limit: 9 });
    assert.deepEqual(
      audit.map(({ action, actor, detail }) => [action, actor, detail]),
      [
        ['agent-deleted', 'key_admin', { name: 'c', version: 3 }],
        ['agent-changed', 'key_admin', { name: 'c', version: 3 }],
        ['agent-changed', 'key_admin', { name: 'b', version: 2 }],
        ['agent-created', 'key_admin', { name: 'a', version: 1 }],
      ],
    );
  });

  it('200: lists are paged, newest first, by the begin of a name or by model', async () => {
    const hub = stored();
    for (const [name, model] of [
      ['one-a', 'fast'],
      ['one-b', 'slow'],
      ['two', 'fast'],
    ] as const)
      assert.equal((await hub.ask('POST', '/api/agents', body({ name, model }))).status, 201);
    const list = async (query: string) => {
      const { body: page } = await hub.ask('GET', `/api/agents${query}`);
      const { data, nextBefore } = page as { data: { name: string }[]; nextBefore: string | null };
      return { names: data.map(({ name }) => name), nextBefore };
    };
    const first = await list('?limit=2');
    assert.deepEqual(first.names.length, 2);
    const rest = await list(`?limit=2&before=${String(first.nextBefore)}`);
    assert.deepEqual([...first.names, ...rest.names].toSorted(), ['one-a', 'one-b', 'two']);
    assert.equal(rest.nextBefore, null);
    assert.deepEqual((await list('?namePrefix=one-')).names.toSorted(), ['one-a', 'one-b']);
    assert.deepEqual((await list('?namePrefix=o%25')).names, []);
    assert.deepEqual((await list('?model=fast&namePrefix=one')).names, ['one-a']);
  });

  it('400: a filter with a character that no database takes', async () => {
    for (const filter of ['model', 'namePrefix']) {
      const { status, body: problem } = await stored().ask('GET', `/api/agents?${filter}=a%00`);
      assert.deepEqual([status, problem['param']], [400, filter]);
    }
  });

  it('404: an id that is none, or of another thing, for every operation', async () => {
    const hub = stored();
    for (const id of ['agt_00000000000000000000000000', 'cnv_00000000000000000000000000', 'x'])
      for (const [method, sent] of [
        ['GET', undefined],
        ['PUT', body()],
        ['DELETE', undefined],
      ] as const)
        assert.equal((await hub.ask(method, `/api/agents/${id}`, sent)).status, 404, `${method} ${id}`);
  });

  it('409, 412: a name that is taken and a version that has changed leave everything as it is', async () => {
    const hub = stored();
    const [one, two] = [
      await hub.ask('POST', '/api/agents', body()),
      await hub.ask('POST', '/api/agents', body({ name: 'b' })),
    ];
    const again = await hub.ask('POST', '/api/agents', body());
    assert.deepEqual([again.status, again.body['code']], [409, 'conflict']);
    const at = `/api/agents/${String(two.body['id'])}`;
    assert.equal((await hub.ask('PUT', at, body())).status, 409);
    for (const known of ['"2"', 'W/"1"', '1', '"0", "7"'])
      for (const method of ['PUT', 'DELETE']) {
        const refused = await hub.ask(method, at, method === 'PUT' ? body({ name: 'c' }) : undefined, {
          'if-match': known,
        });
        assert.deepEqual([refused.status, refused.body['code']], [412, 'version_changed'], `${method} ${known}`);
      }
    const { body: page } = await hub.ask('GET', '/api/agents');
    assert.deepEqual(new Set(page['data'] as object[]), new Set([two.body, one.body]));
    assert.equal((await hub.storage.stores.audit.list(DEFAULT_PROJECT_ID, { limit: 9 })).length, 2);
  });

  it('409: of changes at the same moment one is made, and each that was answered 200 is in the version', async () => {
    const hub = stored();
    const made = await hub.ask('POST', '/api/agents', body());
    const at = `/api/agents/${String(made.body['id'])}`;
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => hub.ask('PUT', at, body({ name: `n-${index}` }))),
    );
    const changed = answers.filter(({ status }) => status === 200).length;
    assert.ok(changed >= 1 && answers.every(({ status }) => status === 200 || status === 409));
    assert.equal((await hub.ask('GET', at)).body['version'], 1 + changed);
  });

  it('503: a database that is gone is said so, and no change is claimed', async (t) => {
    const away = () => Promise.reject(new UnavailableError('database_unavailable', 'away', { retryAfterMs: 1_000 }));
    const hub = await startHttpHub(t, {});
    const headers = { authorization: `Bearer ${hub.keys.admin}`, 'content-type': 'application/json' };
    const id = 'agt_00000000000000000000000000';
    for (const [method, path, sent] of [
      ['POST', '', true],
      ['GET', '', false],
      ['GET', `/${id}`, false],
      ['PUT', `/${id}`, true],
      ['DELETE', `/${id}`, false],
    ] as const) {
      const init = { method, headers, ...(sent ? { body: JSON.stringify(body()) } : {}) };
      assert.equal((await fetch(`${hub.url}/api/agents${path}`, init)).status, 503, `${method} ${path}`);
    }
    const unwritten = await startHttpHub(t, {
      deps: { agentStore: { ...noAgents, insert: async () => true }, audit: { append: away, list: away, purge: away } },
    });
    const answer = await fetch(`${unwritten.url}/api/agents`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body()),
    });
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '1']);
  });
});

describe('400: an agent is refused, with the place that is wrong,', () => {
  const schema = (more: object) => caller({ type: 'object', ...more });
  for (const [what, more, place] of [
    ['an agent as its model', { model: 'agent:b' }, 'model'],
    ['a name with capitals', { name: 'A' }, 'name'],
    ['a model that no database takes', { model: 'a\0' }, 'model'],
    [
      'a name inside a schema that no database takes',
      { tools: [schema({ examples: [{ 'a\0': 1 }] })] },
      'tools[0].parameters',
    ],
    ['half a character in a name', { tools: [schema({ properties: { '\ud800': {} } })] }, 'tools[0].parameters'],
    ['two tools of a name', { tools: [schema({}), orders] }, 'tools[1]'],
    [
      'a tool of memory’s name',
      { memory: { scope: 'agent' }, tools: [{ kind: 'memory' }, { ...schema({}), name: 'recall' }] },
      'tools[1]',
    ],
    ['memory tools without a memory', { tools: [{ kind: 'memory' }] }, 'tools[0]'],
    ['an API that is not there', { tools: [{ ...orders, api: 'bank' }] }, 'tools[0].api'],
    ['a method the API does not take', { tools: [{ ...orders, method: 'DELETE' }] }, 'tools[0].method'],
    ['a path that leads elsewhere', { tools: [{ ...orders, path: '//host/x?y' }] }, 'tools[0].path'],
    ['a path with dots', { tools: [{ ...orders, path: '/a/../b' }] }, 'tools[0].path'],
    ['a path without a slash', { tools: [{ ...orders, path: 'a' }] }, 'tools[0].path'],
    ['half a part as an argument', { tools: [{ ...orders, path: '/o-{number}' }] }, 'tools[0].path'],
    ['an argument that is none', { tools: [{ ...orders, path: '/{other}' }] }, 'tools[0].path'],
    ['an argument of the path that may be missing', { tools: [{ ...orders, path: '/{page}' }] }, 'tools[0].path'],
    ['a query that is no argument', { tools: [{ ...orders, query: ['page', 'size'] }] }, 'tools[0].query[1]'],
    ['arguments that are no object', { tools: [caller({ type: 'string' })] }, 'tools[0].parameters.type'],
    [
      'a type that is none',
      { tools: [schema({ properties: { a: { type: 'text' } } })] },
      'tools[0].parameters.properties.a.type',
    ],
    [
      'required what is not there',
      { tools: [schema({ properties: {}, required: ['a'] })] },
      'tools[0].parameters.required',
    ],
    ['a required that is no list', { tools: [schema({ required: 'a' })] }, 'tools[0].parameters.required'],
    [
      'a schema elsewhere',
      { tools: [schema({ properties: { a: { $ref: 'https://x/y' } } })] },
      'tools[0].parameters.properties.a.$ref',
    ],
    [
      'an enum of nothing',
      { tools: [schema({ properties: { a: { enum: [] } } })] },
      'tools[0].parameters.properties.a.enum',
    ],
    [
      'an item that is no schema',
      { tools: [schema({ properties: { a: { items: 1 } } })] },
      'tools[0].parameters.properties.a.items',
    ],
    ['a branch that is no schema', { tools: [schema({ anyOf: [1] })] }, 'tools[0].parameters.anyOf[0]'],
    ['properties that are none', { tools: [schema({ properties: [] })] }, 'tools[0].parameters.properties'],
    ['a field nobody knows in a tool', { tools: [{ kind: 'memory', name: 'x' }] }, 'tools[0].name'],
    ['a step limit beyond its bound', { limits: { steps: 33 } }, 'limits.steps'],
    ['a recall beyond its bound', { memory: { recall: 51 } }, 'memory.recall'],
  ] as const)
    it(`with ${what}`, async (t) => {
      const agentStore = { ...noAgents, insert: () => assert.fail('it was kept') };
      const list = () => [{ name: 'shop', methods: ['GET'], paths: ['/'], breaker: 'external:shop' }];
      const external = { list, call: () => assert.fail('the API was called') };
      const hub = await startHttpHub(t, { deps: { agentStore, external } });
      const response = await fetch(`${hub.url}/api/agents`, {
        method: 'POST',
        headers: { authorization: `Bearer ${hub.keys.admin}`, 'content-type': 'application/json' },
        body: JSON.stringify(body(more)),
      });
      const { errors = [] } = (await response.json()) as { errors?: { path: string }[] };
      assert.equal(response.status, 400);
      assert.deepEqual([...new Set(errors.map(({ path }) => path))], [place]);
    });
});
