/**
 * What 1,000,000 stored turns and 100,000 facts (a twentieth with `--quick`) cost those who ask for a few: the hub's own stores over a
 * real PostgreSQL, one call at a time. Beside the times stand the pages and rows of the big tables that PostgreSQL itself counted for the
 * calls, and how often it read such a table from end to end. One round.
 */
import { sql } from 'kysely';
import { newId } from '#core/ids';
import type { Storage } from '#storage/index';
import { openTestStorage, POOL } from '../tests/helpers/storage.ts';
import { createLab } from './lab.ts';
import type { BenchOptions } from './options.ts';
import type { BenchResult } from './result.ts';
import { startPostgres } from './servers/postgres.ts';
import { percentile } from './statistics.ts';
import {
  agentId,
  conversationId,
  EMBEDDING_MODEL,
  fill,
  PROJECT,
  randomVector,
  WORDS,
} from './subjects/stored-turns.ts';
import { TURNS_A_CONVERSATION } from './subjects/stored-turns.ts';

const FULL = { turns: 1_000_000, memories: 100_000 };
const QUICK = { turns: 50_000, memories: 5_000 };
const FILL_MS_MAX = 1_800_000;
const PAGE = 50;
const RECALLED = 8;
const WARM_CALLS = 10;
const CALLS = 200;

type Row = BenchResult['rows'][number];

interface Work {
  readonly label: string;
  /** Most rows of the big tables that one call may read, however many there are. */
  readonly rowsMax: number;
  readonly call: () => Promise<unknown>;
}

/** What PostgreSQL counted for the big tables since it started. */
interface Counted {
  readonly scans: number;
  readonly rows: number;
  readonly pages: number;
}

export async function run({ quick, progress }: BenchOptions): Promise<BenchResult> {
  await using lab = await createLab();
  const url = await startPostgres(lab);
  const size = quick ? QUICK : FULL;
  const since = performance.now();
  await withStorage(url, FILL_MS_MAX, async (storage) => {
    await sql`alter system set autovacuum = off`.execute(storage.db);
    await sql`select pg_reload_conf()`.execute(storage.db);
    await fill(storage, size);
  });
  const filledS = (performance.now() - since) / 1_000;
  progress(`filled in ${filledS.toFixed(0)} s`);
  const rows: Row[] = [];
  await withStorage(url, POOL.statementTimeoutMs, async (storage) => {
    for (const work of worksOf(storage, size.turns / TURNS_A_CONVERSATION)) {
      progress(work.label);
      rows.push(await measured(storage, work));
    }
  });
  return {
    name: 'turns',
    rows,
    notes: [
      `${size.turns} turns of ${size.turns / TURNS_A_CONVERSATION} conversations and ${size.memories} facts in four projects, the first with half of them; filled in ${filledS.toFixed(0)} s.`,
      `${CALLS} calls of each, one at a time, on one connection; PostgreSQL with its settings as installed, autovacuum off.`,
      '`pages` and `rows` of conversations, turns and memories that one call reads, as PostgreSQL counts them, index pages among them; `whole_tables`: how often all calls together read one of them from end to end. With `--quick` the tables are smaller than the bounds, and reading all of one may be the cheapest.',
    ],
  };
}

async function withStorage(
  url: string,
  statementTimeoutMs: number,
  use: (storage: Storage) => Promise<void>,
): Promise<void> {
  // One connection: what it did is counted before it says what was counted.
  const pool = { ...POOL, max: 1, statementTimeoutMs, waitMs: FILL_MS_MAX };
  const { storage } = await openTestStorage({ kind: 'postgres', url, pool });
  try {
    await use(storage);
  } finally {
    await storage.close();
  }
}

function worksOf({ stores }: Storage, conversations: number): Work[] {
  const { conversations: talks, memories } = stores;
  const page = { limit: PAGE };
  // Every second conversation is the first project's.
  const some = (): string => conversationId(2 * Math.ceil((Math.random() * conversations) / 2));
  const search = (text: string) => () => talks.search(PROJECT, text, page);
  const recall = (text: () => string, byVector: boolean) => () => {
    const embedding = byVector ? { model: EMBEDDING_MODEL, values: randomVector() } : null;
    return memories.search(PROJECT, ['project', `agent:${agentId(1)}`], { text: text(), embedding }, RECALLED);
  };
  return [
    { label: 'list conversations', rowsMax: PAGE, call: () => talks.list(PROJECT, page, {}) },
    {
      label: 'list conversations, from the middle',
      // And the one that it starts from.
      rowsMax: PAGE + 1,
      call: () => talks.list(PROJECT, { ...page, before: some() }, {}),
    },
    {
      label: 'list conversations of an agent',
      rowsMax: PAGE,
      call: () => talks.list(PROJECT, page, { agentId: agentId(2) }),
    },
    {
      label: 'list turns',
      rowsMax: 2 * PAGE,
      call: () => talks.turns(PROJECT, some(), page, Date.now()),
    },
    { label: 'search, a rare word', rowsMax: 6_000, call: () => search(`w${rareWord()}`)() },
    { label: 'search, a word of half the turns', rowsMax: 26_000, call: search('w0') },
    { label: 'search, a common and a rare word', rowsMax: 6_000, call: () => search(`w0 w${rareWord()}`)() },
    { label: 'begin and end a turn', rowsMax: 16, call: () => beginAndEnd(stores, some()) },
    {
      label: 'recall by words, rare ones',
      rowsMax: 26_000,
      call: recall(() => `w${rareWord()} w${rareWord()}`, false),
    },
    { label: 'recall by words, common ones', rowsMax: 26_000, call: recall(() => 'w0 w1 w2 w3 w4 w5 w6 w7', false) },
    { label: 'recall by vector', rowsMax: 22_000, call: recall(() => '', true) },
    { label: 'recall by both', rowsMax: 48_000, call: recall(() => `w0 w${rareWord()}`, true) },
  ];
}

function rareWord(): number {
  return Math.floor((0.5 + Math.random() / 2) * WORDS);
}

async function beginAndEnd({ conversations }: Storage['stores'], conversation: string): Promise<void> {
  const startedWallMs = Date.now();
  const id = newId('trn', startedWallMs);
  const input = [{ role: 'user' as const, content: 'What is said here is w1 w2 w3.' }];
  const turn = { id, conversationId: conversation, projectId: PROJECT, input, startedWallMs };
  const begun = await conversations.beginTurn(turn, startedWallMs + 60_000);
  if (typeof begun === 'string') throw new Error(`a turn was not begun: ${begun}`);
  const whole = await conversations.endTurn(PROJECT, id, {
    state: 'whole',
    output: [{ role: 'assistant', content: 'Yes, w4 w5.' }],
    end: 'stop',
    errorCode: null,
    tools: [],
    runIds: [],
    endedWallMs: Date.now(),
  });
  if (!whole) throw new Error('a turn was not ended');
}

async function measured(storage: Storage, { label, rowsMax, call }: Work): Promise<Row> {
  for (let n = 0; n < WARM_CALLS; n++) await call();
  const before = await counted(storage);
  const times: number[] = [];
  for (let n = 0; n < CALLS; n++) {
    const since = performance.now();
    await call();
    times.push(performance.now() - since);
  }
  const after = await counted(storage);
  const rows = (after.rows - before.rows) / CALLS;
  const scans = after.scans - before.scans;
  return {
    label: `stored · ${label}`,
    metrics: {
      p50_ms: percentile(times, 0.5),
      p99_ms: percentile(times, 0.99),
      pages: (after.pages - before.pages) / CALLS,
      rows,
      whole_tables: scans,
    },
    target: `≤ ${rowsMax} rows, no whole table`,
    met: rows <= rowsMax && scans === 0,
  };
}

async function counted({ db }: Storage): Promise<Counted> {
  // A session tells what it did at its leisure, unless it is told to.
  await sql`select pg_stat_force_next_flush()`.execute(db);
  const { rows } = await sql<Counted>`
    select sum(seq_scan)::float8 as scans, sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::float8 as rows,
      sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0)
        + coalesce(toast_blks_read + toast_blks_hit, 0))::float8 as pages
    from pg_stat_user_tables join pg_statio_user_tables using (relid)
    where pg_stat_user_tables.relname in ('conversations', 'turns', 'memories')`.execute(db);
  const [found] = rows;
  if (found === undefined) throw new Error('PostgreSQL counts nothing');
  return found;
}
