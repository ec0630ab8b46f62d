/**
 * No statement of the hub reads a whole table that grows. Every method of every store is called over full tables, what it sends
 * is caught on its way to the database, and the planner of each database says how it would go about it. A new method does not
 * compile until it is listed here.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { Kysely, sql } from 'kysely';
import { systemClock } from '#core/clock';
import type { ConversationStore } from '#contract/conversations';
import type { MemoryScope, MemoryStore } from '#contract/memory';
import type { Stores, UsageStore } from '#contract/stores';
import type { Page } from '#contract/page';
import { createAsk } from '../../src/storage/ask.ts';
import { postgresqlDialect } from '../../src/storage/driver.ts';
import type { Session, SessionSource } from '../../src/storage/driver.ts';
import { embeddedSource } from '../../src/storage/embedded.ts';
import { migrate } from '../../src/storage/migrate.ts';
import { postgresSource } from '../../src/storage/postgres.ts';
import type { Schema } from '../../src/storage/schema.ts';
import { storesOf } from '../../src/storage/stores.ts';
import {
  agentOf,
  contentOf,
  conversationOf,
  memoryOf,
  packed,
  runOf,
  START_MS,
  turnOf,
  usageOf,
} from '../conformance/records.ts';
import { DatabaseTier } from '../../src/cache/database/tier.ts';
import { statementsAs } from '../../src/storage/statements.ts';
import { auditCalls, claimCalls, instanceCalls, keyCalls, spendCalls } from '../helpers/store-calls.ts';
import { cacheCalls } from '../helpers/cache-calls.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { readyDatabase } from '../helpers/ready-database.ts';
import { listeners, nothingTold, openGuard, POOL } from '../helpers/storage.ts';

/** Twice what is deleted at once; and `analyze`, which reads 30,000 rows of a table, sees them all: the plans are no matter of chance. */
const ROWS = 10_000;
/** Where an older page begins. */
const OLDER = ROWS * 0.75;
/** Those with rows, and all there are. */
const PROJECTS = 30;
const PROJECTS_THERE = 5_000;
/** As many as the hub deletes at once. */
const PURGE_ROWS = 5_000;
const PURGE_CONVERSATIONS = 200;
/** One row an installation, one a release, one an instance that lives, one a start, one a cache, a thousand a cache. Every other table grows with use. */
const SMALL_TABLES: readonly string[] = [
  'organisations',
  'revoagent_migrations',
  'instances',
  'limit_spend_batches',
  'cache_meta',
  'cache_log',
];

interface Statement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

type EveryCall = {
  readonly [S in keyof Stores]: { readonly [M in keyof Stores[S]]: readonly (() => Promise<unknown>)[] };
};

function everyCall({ agents, conversations, memories, keys, runs, usage, contents, ...others }: Stores): EveryCall {
  const [project, key] = [numbered('prj', 7), numbered('key', 7)];
  const newest = { limit: 50 };
  const older = (prefix: string): Page => ({ before: numbered(prefix, OLDER), limit: 50 });
  return {
    keys: keyCalls(keys, project, key),
    runs: {
      upsertMany: [() => runs.upsertMany(packed(...Array.from({ length: 500 }, () => runOf(project))))],
      find: [undefined, null, key].map((owner) => () => runs.find(project, owner, numbered('run', 7))),
      list: [undefined, null, key].flatMap((owner) => [
        () => runs.list(project, owner, newest),
        () => runs.list(project, owner, older('run')),
      ]),
      purge: [() => runs.purge(ROWS / 2, PURGE_ROWS), () => runs.purge(1, PURGE_ROWS)],
    },
    usage: usageCalls(usage, project),
    spend: spendCalls(others.spend),
    instances: instanceCalls(others.instances),
    claims: claimCalls(others.claims, project, numbered('claim', 7), numbered('clm', 7)),
    contents: {
      insertMany: [() => contents.insertMany(Array.from({ length: 500 }, () => contentOf(project)))],
      find: [() => contents.find(project, numbered('run', 7))],
      erase: [() => contents.erase(contentOf(project, { id: numbered('run', 7) }))],
      purge: [() => contents.purge(ROWS / 2, PURGE_ROWS), () => contents.purge(1, PURGE_ROWS)],
    },
    audit: auditCalls(others.audit, project, older('aud')),
    agents: {
      insert: [() => agents.insert(agentOf(project))],
      find: [() => agents.find(project, numbered('agt', 7))],
      findByName: [() => agents.findByName(project, 'agent-7')],
      list: [{}, { namePrefix: 'agent-30' }, { model: 'm-7' }].flatMap((filter) => [
        () => agents.list(project, newest, filter),
        () => agents.list(project, older('agt'), filter),
      ]),
      update: [
        () => agents.update(agentOf(project, { id: numbered('agt', 7), version: 2 })),
        () => agents.update(agentOf(project, { id: numbered('agt', 7), version: 9 })),
      ],
      delete: [undefined, 9].map((version) => () => agents.delete(project, numbered('agt', 37), version)),
    },
    conversations: conversationCalls(conversations, project),
    memories: memoryCalls(memories, project),
  };
}

function usageCalls(usage: UsageStore, project: string): EveryCall['usage'] {
  return {
    insertMany: [() => usage.insertMany(Array.from({ length: 500 }, () => usageOf(project)))],
    report: ([null, 'key', 'model', 'deployment', 'provider', 'day'] as const).map(
      (groupBy) => () => usage.report(project, { fromWallMs: ROWS / 2, toWallMs: ROWS, groupBy, groupsMax: 100 }),
    ),
    rollUp: [() => usage.rollUp(ROWS / 2, PURGE_ROWS), () => usage.rollUp(1, PURGE_ROWS)],
    purge: [() => usage.purge(ROWS / 2, PURGE_ROWS), () => usage.purge(1, PURGE_ROWS)],
    purgeMonths: [() => usage.purgeMonths(ROWS / 2, PURGE_ROWS), () => usage.purgeMonths(1, PURGE_ROWS)],
  };
}

function conversationCalls(conversations: ConversationStore, project: string): EveryCall['conversations'] {
  const [here, turn] = [{ id: numbered('cnv', 7), projectId: project }, numbered('trn', 7)];
  const newest = { limit: 50 };
  const older = { before: numbered('cnv', OLDER), limit: 50 };
  const outcome = {
    state: 'whole',
    output: [],
    end: 'stop',
    errorCode: null,
    tools: [],
    runIds: [],
    endedWallMs: 1,
  } as const;
  return {
    insert: [() => conversations.insert(conversationOf(project))],
    find: [() => conversations.find(project, here.id)],
    list: [{}, { agentId: numbered('agt', 7) }].flatMap((filter) => [
      () => conversations.list(project, newest, filter),
      () => conversations.list(project, older, filter),
    ]),
    search: ['common', 'rare7', 'common rare7', 'absent'].flatMap((text) => [
      () => conversations.search(project, text, newest),
      () => conversations.search(project, text, older),
    ]),
    rename: [() => conversations.rename(project, here.id, 'title', 1)],
    beginTurn: [
      () => conversations.beginTurn({ ...turnOf(here), id: turn }, START_MS + 1),
      () => conversations.beginTurn(turnOf(here), START_MS + 1),
    ],
    extendTurns: [() => conversations.extendTurns([turn, numbered('trn', 8)], START_MS)],
    endTurn: [() => conversations.endTurn(project, turn, outcome)],
    turns: [undefined, 2].map((before) => () => conversations.turns(project, here.id, { before, limit: 50 }, START_MS)),
    saveSummary: [() => conversations.saveSummary(project, here.id, 'short', 1)],
    importMany: [
      () => {
        const conversation = conversationOf(project, { turns: 1 });
        return conversations.importMany([{ conversation, turns: [turnOf(conversation)] }]);
      },
    ],
    delete: [() => conversations.delete(project, here.id)],
    purge: [
      () => conversations.purge(ROWS / 2, PURGE_CONVERSATIONS),
      () => conversations.purge(1, PURGE_CONVERSATIONS),
    ],
  };
}

function memoryCalls(memories: MemoryStore, project: string): EveryCall['memories'] {
  const here = numbered('mem', 7);
  const [newest, older] = [{ limit: 50 }, { before: numbered('mem', OLDER), limit: 50 }];
  const [own, all]: MemoryScope[][] = [['agent:7'], ['agent:7', 'project']];
  const embedding = { model: 'm-1', values: [1, -1, 0.5, 0] };
  return {
    insert: [embedding, null].map((given) => () => memories.insert(memoryOf(project), given)),
    find: [() => memories.find(project, here)],
    list: [{}, { scope: 'agent:7' as const }].flatMap((filter) => [
      () => memories.list(project, newest, filter),
      () => memories.list(project, older, filter),
    ]),
    search: [own, all].flatMap((scopes = []) =>
      ['common', 'rare7', 'common rare7', 'absent', ''].flatMap((text) => [
        () => memories.search(project, scopes, { text, embedding: null }, 8),
        () => memories.search(project, scopes, { text, embedding }, 8),
      ]),
    ),
    takeToEmbed: ['m-1', 'm-2', 'a'].map(
      (model) => () => memories.takeToEmbed(model, START_MS, { leastMs: 1, mostMs: 1 }, 32),
    ),
    setEmbedding: [() => memories.setEmbedding(project, here, embedding)],
    delete: [() => memories.delete(project, here)],
    purge: [() => memories.purge(ROWS / 2, PURGE_ROWS), () => memories.purge(1, PURGE_ROWS)],
  };
}

describe('no statement of the hub reads a whole table that grows', () => {
  it('on PostgreSQL', async (t) => {
    const postgres = await startPostgres();
    t.after(() => postgres.close());
    const { observer } = listeners(nothingTold());
    const pool = { ...POOL, statementTimeoutMs: 60_000 };
    await holds(postgresSource(postgres.url, pool, { clock: systemClock, observer, onIdleError: assert.ifError }));
  });

  it('on PGlite', async (t) => {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'revoagent-pglite-'));
    t.after(() => rm(dataDir, { recursive: true, force: true }));
    await readyDatabase(dataDir);
    const { observer } = listeners(nothingTold());
    await holds(embeddedSource({ dataDir, queryTimeoutMs: 60_000 }, { clock: systemClock, observer }));
  });
});

async function holds(source: SessionSource): Promise<void> {
  try {
    await migrate(source);
    const caught: Statement[] = [];
    const db = new Kysely<Schema>({ dialect: postgresqlDialect(source) });
    await fill(db);
    const watched = new Kysely<Schema>({ dialect: postgresqlDialect(catching(source, caught)) });
    const ask = createAsk({
      ...listeners(nothingTold()),
      db: watched,
      guard: openGuard,
      clock: systemClock,
      slowQueryMs: 60_000,
    });
    const stores = storesOf(ask);
    const grows = await growingTables(db);
    assert.deepEqual(grows, [
      'agents',
      'audit',
      'cache_entries',
      'cache_leases',
      'cache_marks',
      'claims',
      'contents',
      'conversations',
      'keys',
      'limit_spend',
      'memories',
      'projects',
      'runs',
      'turns',
      'usage',
      'usage_months',
    ]);
    const tier = new DatabaseTier(statementsAs('cache', ask), { namespace: 'answers' });
    for (const [name, call] of Object.entries({ ...everyCall(stores), cache: cacheCalls(tier) }).flatMap(
      ([store, methods]) =>
        Object.entries(methods).flatMap(([method, calls]) =>
          calls.map((each) => [`${store}.${method}`, each] as const),
        ),
    )) {
      caught.length = 0;
      await call();
      assert.ok(caught.length > 0, `${name} sent nothing`);
      for (const [statement, scanned] of await scannedBy(source, caught, grows))
        assert.deepEqual(scanned, [], `${name} scans: ${statement.sql}`);
    }
    const planted = { sql: `select id from runs where record ->> 'status' = $1 limit 10`, parameters: ['failed'] };
    assert.deepEqual(
      await scannedBy(source, [planted], grows),
      [[planted, ['runs']]],
      'a scan is seen where there is one',
    );
  } finally {
    await source.close();
  }
}

function catching(source: SessionSource, caught: Statement[]): Pick<SessionSource, 'acquire'> {
  return {
    async acquire() {
      const session = await source.acquire();
      return {
        query(text, parameters) {
          caught.push({ sql: text, parameters });
          return session.query(text, parameters);
        },
        release: () => session.release(),
      };
    },
  };
}

/** Plans depend on what was set before in the transaction, so that is repeated. */
async function scannedBy(
  source: SessionSource,
  statements: readonly Statement[],
  grows: readonly string[],
): Promise<[Statement, string[]][]> {
  const session = await source.acquire();
  try {
    const found: [Statement, string[]][] = [];
    for (const statement of statements)
      if (/^(?:begin|set local|commit|rollback)\b/.test(statement.sql)) await session.query(statement.sql, []);
      else found.push([statement, (await scannedTables(session, statement)).filter((table) => grows.includes(table))]);
    return found;
  } finally {
    session.release();
  }
}

async function scannedTables(session: Session, statement: Statement): Promise<string[]> {
  const { rows } = await session.query(`explain (format json) ${statement.sql}`, statement.parameters);
  const scanned = new Set<string>();
  // The plan is a tree of objects: each with a node type and, where it reads a table, its name.
  JSON.stringify(rows, (_key, node: unknown) => {
    if (typeof node !== 'object' || node === null || !('Node Type' in node) || !('Relation Name' in node)) return node;
    if (node['Node Type'] === 'Seq Scan' && typeof node['Relation Name'] === 'string')
      scanned.add(node['Relation Name']);
    return node;
  });
  return [...scanned];
}

async function growingTables(db: Kysely<Schema>): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`.execute(
    db,
  );
  return rows.map(({ name }) => name).filter((name) => !SMALL_TABLES.includes(name));
}

function numbered(prefix: string, number: number): string {
  return `${prefix}_${String(number).padStart(26, '0')}`;
}

/** Rows evenly over projects (the first one is there) and keys; most keys are revoked, as after years. */
async function fill(db: Kysely<Schema>): Promise<void> {
  const id = (prefix: string, number: string): string => `'${prefix}_' || lpad((${number})::text, 26, '0')`;
  const project = id('prj', `n % ${PROJECTS}`);
  for (const statement of [
    `insert into projects select ${id('prj', 'n')}, (select id from organisations), 'full', n
       from generate_series(1, ${PROJECTS_THERE - 1}) as n`,
    `insert into keys select ${id('key', 'n')}, ${project}, 'full', '{chat}', '\\x00', n, case when n % 50 > 0 then n end
       from generate_series(1, ${ROWS}) as n`,
    `insert into runs select ${id('run', 'n')}, ${project}, ${id('key', `n % 900`)}, n, '{"status": "succeeded"}'
       from generate_series(1, ${ROWS}) as n`,
    `insert into usage (id, run_id, project_id, key_id, requested_model, deployment, provider, model, kind, started_ms, state,
         outcome, prompt_tokens, estimated_prompt_tokens)
       select ${id('run', 'n')} || '.1', ${id('run', 'n')}, ${project}, ${id('key', `n % 900`)}, 'm', 'p/m', 'p', 'm', 'first', n,
         'settled', 'succeeded', 5, 5
       from generate_series(1, ${ROWS}) as n`,
    `insert into usage_months select ${project}, n, ${id('key', `n % 900`)}, 'm', 'p/m', 'p', 1, 1, 1, 0, 5, 5, 0, 0, 0, 0
       from generate_series(1, ${ROWS}) as n`,
    `insert into audit select ${id('aud', 'n')}, ${project}, n, 'cli', 'key-created', 'full', '{}'
       from generate_series(1, ${ROWS}) as n`,
    `insert into claims select ${id('claim', 'n')}, ${project}, ${id('clm', 'n')}, 'f', n % 50 > 0, n
       from generate_series(1, ${ROWS}) as n`,
    `insert into contents select ${id('run', 'n')}, ${project}, 'full', n, false, false, '[]', '[]'
       from generate_series(1, ${ROWS}) as n`,
    `insert into agents select ${project}, ${id('agt', 'n')}, 'agent-' || n, 'm-' || n % 900, 1, '{}', n, n
       from generate_series(1, ${ROWS}) as n`,
    `insert into conversations (project_id, id, agent_id, turns, summary_up_to, created_ms, updated_ms)
       select ${project}, ${id('cnv', 'n')}, ${id('agt', `n % 900`)}, 7, 0, n, n from generate_series(1, ${ROWS}) as n`,
    `insert into turns (project_id, conversation_id, number, id, state, input, output, tools, run_ids, started_ms, words)
       select ${project}, ${id('cnv', 'n')}, turn, ${id('trn', 'n * 10 + turn')}, 'whole', '[]', '[]', '[]', '{}', n,
         array_to_tsvector(array['project ' || ${project}, 'common', 'rare' || n])
       from generate_series(1, ${ROWS}) as n, generate_series(1, 7) as turn where turn = 1 or n % ${PROJECTS} = 7`,
    `insert into memories (project_id, id, scope, text, words, embedding_model, dimensions, signs, embedding, embed_after_ms, created_ms)
       select ${project}, ${id('mem', 'n')}, 'agent:7', '', array_to_tsvector(array['in ' || ${project} || ' agent:7', 'common', 'rare' || n]),
         'm-' || n % 3, 4, '1010', '\\x0000803f000000000000000000000000', 0, n
       from generate_series(1, ${ROWS}) as n`,
    `insert into limit_spend select 'key:' || n || ':usd:day', 20000 + n % 60, 5 from generate_series(1, ${ROWS}) as n`,
    `insert into cache_meta (namespace, epoch) values ('answers', 'e'), ('other', 'e')`,
    `insert into cache_entries select case when n % 2 > 0 then 'answers' else 'other' end, 'chat:' || n, 'e', 0, false, '{}', '{}', 1, 1, 1,
         1, 1, now(), now() + (n - 300) * interval '1 minute', '\\x00' from generate_series(1, ${ROWS}) as n`,
    `insert into cache_marks select 'answers', 't:' || n, 0, 0, now() + (n - 300) * interval '1 minute' from generate_series(1, ${ROWS}) as n`,
    `insert into cache_leases select 'answers', 'chat:' || n, 'token', 0, now() + (n - 300) * interval '1 minute'
       from generate_series(1, ${ROWS}) as n`,
    `analyze`,
  ])
    await sql.raw(statement).execute(db);
}
