/**
 * What one project has, another neither sees nor reaches. Made from /openapi.json: every operation that takes an id is asked with the id of
 * another project's thing, in its path and in its body, and every operation that reads is asked for all that it may show. A new kind of
 * thing fails here until `makers` says how one is made. Beside it the two ways to another's things that no operation's id is: a message
 * on a socket, and an agent's name as a model's.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { loadConfig } from '#config/index';
import { SCOPES } from '#contract/gateway';
import { generateKey, providerKinds, startHub } from '#hub/index';
import { keyOf, newProject } from '../conformance/records.ts';
import type { Operation, Parameter } from '../fuzz/document.ts';
import { operationsOf } from '../fuzz/document.ts';
import { isSchema } from '../fuzz/values.ts';
import { readyDatabase } from '../helpers/ready-database.ts';
import { ended, opened } from '../helpers/socket-client.ts';
import { openTestStorage } from '../helpers/storage.ts';

/** In every text that the first project keeps. */
const CANARY = 'canary-of-one';
/** Paths whose parameters are no ids of a project's: models, circuits and APIs are the whole hub's. */
const SHARED = ['/v1/models/{id}', '/api/circuit-breakers/{key}', '/api/external/{name}/{path}'];
/** What must show the first project its own, so that showing nothing proves something. */
const SHOWING = [
  'exportConversations',
  'listAgents',
  'listAudit',
  'listConversations',
  'listKeys',
  'listMemories',
  'listRuns',
  'searchMemories',
];

interface Project {
  ask(
    method: string,
    at: string,
    body?: unknown,
    type?: string,
  ): Promise<{ status: number; text: string; run: string | null }>;
}

/** `mark` is in every text of it. */
type Maker = (project: Project, mark: string) => Promise<string>;

/** One new thing of each kind, by the prefix of its id. */
const makers: Readonly<Record<string, Maker>> = {
  agt: async (project, mark) => {
    // Models and their circuits are the whole hub's.
    const body = { name: `${mark}-${letters()}`, instructions: mark, model: 'm' };
    return idIn(await project.ask('POST', '/api/agents', body));
  },
  cnv: async (project, mark) => {
    const [id, at] = [`cnv_${letters()}`, '2026-01-01T00:00:00.000Z'];
    const conversation = {
      id,
      agentId: null,
      title: mark,
      turns: 1,
      summary: mark,
      summaryUpTo: 1,
      createdAt: at,
      updatedAt: at,
    };
    const said = [{ role: 'user', content: mark }];
    const turn = { id: `trn_${letters()}`, conversationId: id, number: 1, state: 'whole', input: said, output: [] };
    const rest = { end: 'stop', errorCode: null, tools: [], runIds: [], startedAt: at, endedAt: at };
    const lines = [{ conversation }, { turn: { ...turn, ...rest } }].map((line) => JSON.stringify(line)).join('\n');
    assert.equal((await project.ask('POST', '/api/conversations/import', lines, 'application/jsonl')).status, 201);
    return id;
  },
  key: async (project, mark) => idIn(await project.ask('POST', '/api/keys', { name: mark, scopes: ['chat'] })),
  mem: async (project, mark) => idIn(await project.ask('POST', '/api/memories', { text: `${mark} ${letters()}` })),
  run: async (project, mark) => {
    const { run } = await project.ask('POST', '/api/chat', {
      model: 'm',
      messages: [{ role: 'user', content: mark }],
    });
    return run ?? assert.fail('a chat without a run');
  },
};

test('what one project has, another neither sees nor reaches', async (t) => {
  const { url, secrets } = await start(t);
  const [one, other] = secrets.map((secret) => projectOf(url, secret)) as [Project, Project];
  const made: string[] = [CANARY];
  const make = async (kind: string, operation: Operation): Promise<string> => {
    const maker = makers[kind] ?? assert.fail(`${operation.id} takes a ${kind}_…: say in "makers" how one is made`);
    const id = await maker(one, CANARY);
    made.push(id);
    return id;
  };
  const operations = operationsOf(JSON.parse((await one.ask('GET', '/openapi.json')).text));
  let taking = 0;
  for (const operation of operations) {
    if (SHARED.some((shared) => operation.path.startsWith(shared))) continue;
    for (const place of placesOf(operation))
      await t.test(`${operation.id} finds no other project’s ${place.kind} of its ${place.where}`, async () => {
        taking++;
        const id = await make(place.kind, operation);
        const ask = async (project: Project) => {
          const { at, body } = filled(operation, place, id, await ownOf(project, operation));
          return project.ask(operation.method, at, body);
        };
        const refused = await ask(other);
        assert.equal(refused.status, 404, refused.text);
        const allowed = await ask(one);
        assert.ok(
          allowed.status >= 200 && allowed.status < 300,
          `its own project is told ${allowed.status}: ${allowed.text}`,
        );
      });
  }
  assert.ok(taking >= 10, `only ${taking} operations took an id`);

  await apartOnSockets(t, url, secrets, [one, other]);
  await apartAsModels(t, [one, other]);

  for (const kind of Object.keys(makers)) made.push(await (makers[kind] as Maker)(one, CANARY));
  const showing = new Set<string>();
  for (const operation of operations.filter(({ method, path: at }) => method === 'GET' && !at.includes('{')))
    await t.test(`${operation.id} shows nothing of another project`, async () => {
      for (const query of queriesOf(operation, made)) {
        const [its, theirs] = [
          await one.ask('GET', operation.path + query),
          await other.ask('GET', operation.path + query),
        ];
        // Who asks for one thing of another project is told that there is none.
        assert.ok(theirs.status < 300 || theirs.status === 404, `${query}: ${theirs.status} ${theirs.text}`);
        const shown = (text: string): string[] => made.filter((mark) => text.includes(mark));
        if (shown(its.text).length > 0) showing.add(operation.id);
        assert.deepEqual(shown(theirs.text), [], query);
      }
    });
  assert.deepEqual(
    [...showing].toSorted().filter((id) => SHOWING.includes(id)),
    SHOWING,
  );
});

async function apartOnSockets(
  t: TestContext,
  url: string,
  secrets: readonly string[],
  [one, other]: readonly [Project, Project],
): Promise<void> {
  await t.test('a message on a socket finds no other project’s agent or conversation', async (st) => {
    const [agent, conversation] = [await makers['agt']?.(one, CANARY), await makers['cnv']?.(one, CANARY)];
    const own = await makers['agt']?.(other, 'its-own');
    const messages = [{ role: 'user', content: 'Hello.' }];
    const codes = async (secret: string | undefined, asked: readonly object[]): Promise<unknown[]> => {
      const client = await opened(st, { url }, { headers: { authorization: `Bearer ${secret}` } });
      const ends = asked.map(async (fields, at) => {
        client.send({ type: 'agent', id: String(at), messages, ...fields });
        const { type, error } = await ended(client, String(at));
        return type === 'end' ? type : Object(error).code;
      });
      return Promise.all(ends);
    };
    assert.deepEqual(await codes(secrets[1], [{ agentId: agent }, { agentId: own, conversationId: conversation }]), [
      'not_found',
      'not_found',
    ]);
    const its = [{ agentId: agent }, { agentId: agent, conversationId: conversation }];
    assert.deepEqual(await codes(secrets[0], its), ['end', 'end']);
  });
}

async function apartAsModels(t: TestContext, [one, other]: readonly [Project, Project]): Promise<void> {
  await t.test('an agent’s name is a model of its own project alone', async () => {
    const body = { name: `${CANARY}-model`, instructions: 'x', model: 'm' };
    assert.equal((await one.ask('POST', '/api/agents', body)).status, 201);
    const model = `agent:${body.name}`;
    for (const [at, asked] of [
      ['/v1/chat/completions', { model, messages: [{ role: 'user', content: 'Hello.' }] }],
      ['/v1/messages', { model, max_tokens: 9, messages: [{ role: 'user', content: 'Hello.' }] }],
      ['/v1/responses', { model, input: 'Hello.' }],
      ['/api/chat', { model, prompt: 'Hello.' }],
    ] as const) {
      assert.equal((await other.ask('POST', at, asked)).status, 404, at);
      assert.equal((await one.ask('POST', at, asked)).status, 200, at);
    }
  });
}

interface Place {
  readonly where: 'path' | 'body';
  readonly name: string;
  readonly kind: string;
}

/** Where it takes the id of something. Every parameter of a path must be one. */
function placesOf({ id, parameters, body }: Operation): Place[] {
  const inPath = parameters
    .filter((parameter) => parameter.in === 'path')
    .map((parameter): Place => {
      const kind =
        kindOf(parameter.schema) ?? assert.fail(`${id}: the example of {${parameter.name}} is no id of ours`);
      return { where: 'path', name: parameter.name, kind };
    });
  const properties = isSchema(body?.schema['properties']) ? Object.entries(body.schema['properties']) : [];
  const inBody = properties.flatMap(([name, schema]): Place[] => {
    const kind = kindOf(schema);
    return kind === undefined ? [] : [{ where: 'body', name, kind }];
  });
  return [...inPath, ...inBody];
}

/** The prefix, where the example in the schema is an id. */
function kindOf(schema: unknown): string | undefined {
  const examples: unknown = isSchema(schema) ? schema['examples'] : undefined;
  const example: unknown = Array.isArray(examples) ? examples[0] : undefined;
  return typeof example === 'string' ? /^([a-z]{3})_[0-9a-z]{26}$/.exec(example)?.[1] : undefined;
}

/** One of the project's own things for each parameter of the path. */
async function ownOf(project: Project, operation: Operation): Promise<Map<string, string>> {
  const places = placesOf(operation).filter(({ where }) => where === 'path');
  const own = places.map(async ({ name, kind }) => [name, await (makers[kind] as Maker)(project, 'its-own')] as const);
  return new Map(await Promise.all(own));
}

/** The id in its place, and in every other place of the path one that is not to blame. */
function filled(
  { path: at, body }: Operation,
  { where, name }: Place,
  id: string,
  own: ReadonlyMap<string, string>,
): { at: string; body: unknown } {
  const ids = new Map(where === 'path' ? [...own, [name, id]] : own);
  const target = at.replaceAll(/\{(\w+)\}/g, (all, each: string) => ids.get(each) ?? all);
  if (where === 'path') return { at: target, body: body?.example };
  return { at: target, body: { ...(isSchema(body?.example) ? body.example : {}), [name]: id } };
}

/** None, and each parameter by itself: with everything of its kind that there is, or with the word that is in every text. */
function queriesOf({ parameters }: Operation, made: readonly string[]): string[] {
  const query = (name: string, value: string): string => `?${name}=${encodeURIComponent(value)}`;
  const valuesOf = ({ schema }: Parameter): readonly string[] => {
    const kind = kindOf(schema);
    if (kind !== undefined) return made.filter((mark) => mark.startsWith(`${kind}_`));
    return schema['type'] === 'string' && schema['pattern'] === undefined ? [CANARY] : [];
  };
  const inQuery = parameters.filter((parameter) => parameter.in === 'query');
  // Where one must be given there is no asking for everything.
  const all = inQuery.some(({ required }) => required) ? [] : [''];
  return [...all, ...inQuery.flatMap((parameter) => valuesOf(parameter).map((value) => query(parameter.name, value)))];
}

/** A hub with two projects, and the key of an administrator of each. */
async function start(t: TestContext): Promise<{ url: string; secrets: string[] }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'revoagent-projects-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const dataDir = path.join(folder, 'data');
  await readyDatabase(dataDir);
  const { storage } = await openTestStorage({ kind: 'embedded', dataDir, queryTimeoutMs: 10_000 });
  const secrets: string[] = [];
  for (const wallMs of [1, 2]) {
    const { id, text, secretHash } = generateKey(wallMs);
    await storage.stores.keys.insert(keyOf(await newProject(storage), { id, secretHash, scopes: SCOPES }));
    secrets.push(text);
  }
  await storage.close();
  const file = path.join(folder, 'revoagent.json');
  const simulator = { kind: 'simulator', firstTokenMs: { p50: 0, p95: 0 }, tokensPerSecond: 0 };
  const config = {
    server: { port: 0, shutdownGraceMs: 0 },
    storage: { dataDir },
    memory: { embeddingModel: 'm' },
    providers: { simulator },
    routes: { '*': { groups: [[{ provider: 'simulator' }]], content: 'full' } },
  };
  await writeFile(file, JSON.stringify(config));
  const loaded = loadConfig({ file, kinds: providerKinds, env: {} });
  const hub = await startHub(loaded.config, [], { logTo: { write: () => undefined } });
  t.after(() => hub.shutdown('the test is over'));
  return { url: hub.url, secrets };
}

function projectOf(url: string, secret: string): Project {
  return {
    async ask(method, at, body, type = 'application/json') {
      const response = await fetch(url + at, {
        method,
        headers: { authorization: `Bearer ${secret}`, ...(body === undefined ? {} : { 'content-type': type }) },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, text, run: response.headers.get('x-revoagent-run') };
    },
  };
}

/** 26 of them, as an id has. */
function letters(): string {
  return generateKey(1).id.slice(4);
}

function idIn({ status, text }: { status: number; text: string }): string {
  assert.equal(status, 201, text);
  const id = /"id":"(\w+)"/.exec(text)?.[1];
  return id ?? assert.fail(`no id in ${text}`);
}
