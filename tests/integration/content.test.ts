/**
 * What a hub keeps of what is said, looked for where it could be: in every table, in every file of the data folder (the database's own and
 * the ledger's journal) and in the log at its most talkative. On both databases, with a real upstream.
 */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { sql } from 'kysely';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import type { Storage, StorageTarget } from '#storage/index';
import { post } from '../helpers/http-calls.ts';
import { startHubProcess, temporaryFolder, waitFor } from '../helpers/hub-process.ts';
import type { HubProcess } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { openTestStorage, POOL } from '../helpers/storage.ts';
import { answers, cutsPlain, embeds, neverAnswers, refuses, startUpstream, streams } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';

/** What is said on each route; nothing else holds these words. */
const WORDS = {
  off: ['heron-asked', 'heron-answered', 'heron@example.com'],
  redacted: ['ibis-asked', 'ibis-answered'],
  full: ['egret-asked', 'egret-answered', 'egret@example.com'],
} as const;
const PERSONAL = ['ibis@example.com', '5555 5555 5555 4444', 'sk-ibisibisibisibisibis'];

/** A connection that stays open would keep the hub up for seconds. */
const CLOSE = { connection: 'close' };

type Policy = keyof typeof WORDS;
const POLICIES: readonly Policy[] = ['off', 'redacted', 'full'];

function config(upstream: Upstream, storage: Record<string, unknown>): Record<string, unknown> {
  const groups = [[{ provider: 'one', model: 'test-model' }]];
  return {
    logging: { level: 'debug' },
    storage,
    resilience: { retry: { retries: 0 }, breaker: { failures: 1_000 } },
    providers: { one: { kind: 'openai-compatible', baseUrl: upstream.baseUrl } },
    routes: {
      off: { groups },
      redacted: { groups, content: 'redacted' },
      full: { groups, content: 'full' },
    },
  };
}

/** Every way to ask and every way to end, on one route. Returns the runs. */
async function talk(hub: HubProcess, upstream: Upstream, model: Policy): Promise<string[]> {
  const [question, answer, address = PERSONAL.join(', ')] = WORDS[model];
  const said = `${question} ${address}`;
  const answered = `${answer} ${address}`;
  const messages = [{ role: 'user', content: said }];
  const runs: string[] = [];
  const ask = async (target: string, body: object, headers = {}): Promise<void> => {
    const response = await post(hub, target, { model, ...body }, { ...CLOSE, ...headers });
    await response.text().catch(() => 'cut');
    runs.push(response.headers.get('x-revoagent-run') ?? assert.fail('no run'));
  };
  const chat = '/v1/chat/completions';
  upstream.otherwise = answers(answered);
  await ask(chat, { messages });
  await ask(chat, { messages, stream: true });
  await ask(chat, { messages }, { 'idempotency-key': `of-${model}` });
  await ask('/api/chat', { prompt: said });
  // Upstreams quote what they refuse, and what is cut or garbled may be looked at for the reason.
  const quoting = { message: `I do not like: ${said}`, type: 'invalid_request_error' };
  upstream.script(refuses(400, quoting), refuses(500, quoting), cutsPlain);
  for (const _ of ['refused', 'failed', 'cut']) await ask(chat, { messages });
  upstream.script(streams([`${answer} `, address], { ending: 'cut' }));
  await ask(chat, { messages, stream: true });
  upstream.script(streams([answer, `data: {${answered}\n\n`], { raw: { 1: `data: {${answered}\n\n` } }));
  await ask(chat, { messages, stream: true });
  upstream.script(embeds);
  await ask('/v1/embeddings', { input: said });
  return runs;
}

/** Which of the words are in the text of a table, a file or the log. */
function found(text: string, words: readonly string[]): string[] {
  return words.filter((word) => text.includes(word));
}

async function tables({ db }: Storage): Promise<string> {
  const { rows } = await sql<{ name: string }>`select relname as name from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace`.execute(db);
  const texts = await Promise.all(
    rows.map(({ name }) => sql<{ row: string }>`select t::text as row from ${sql.table(name)} as t`.execute(db)),
  );
  return texts.flatMap((result) => result.rows.map(({ row }) => row)).join('\n');
}

/** The ledger's journal while a call is under way: what has been settled and stored is no more in it. */
async function journalOfACall(hub: HubProcess, upstream: Upstream): Promise<string> {
  upstream.script(neverAnswers);
  const leaving = new AbortController();
  const body = { model: 'off', messages: [{ role: 'user', content: WORDS.off.join(' ') }] };
  const asked = post(hub, '/v1/chat/completions', body, CLOSE, leaving.signal).catch(() => null);
  const journal = await waitFor(async () => {
    const text = await files(path.join(hub.dataDir, 'data', 'ledger'));
    return text.includes('test-model') ? text : null;
  });
  leaving.abort();
  await asked;
  return journal;
}

async function files(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const texts = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => readFile(path.join(entry.parentPath, entry.name), 'latin1')),
  );
  return texts.join('\n');
}

interface Place {
  readonly settings: Record<string, unknown>;
  /** Where the hub's tables are, once it has ended. */
  readonly target: (hub: HubProcess) => StorageTarget;
}

const PLACES: Readonly<Record<string, (t: TestContext) => Promise<Place>>> = {
  PGlite: async () => ({
    settings: {},
    target: ({ dataDir }) => ({ kind: 'embedded', dataDir: path.join(dataDir, 'data'), queryTimeoutMs: 10_000 }),
  }),
  PostgreSQL: async (t) => {
    const postgres = await startPostgres();
    t.after(() => postgres.close());
    return {
      settings: { url: postgres.url },
      target: () => ({ kind: 'postgres', url: postgres.url, pool: POOL }),
    };
  },
};

describe('what is said', () => {
  for (const [name, prepare] of Object.entries(PLACES)) {
    it(`is nowhere with off, without personal data with redacted, and gone once erased, on ${name}`, async (t) => {
      const place = await prepare(t);
      const upstream = await startUpstream(t);
      const dataDir = await temporaryFolder(t);
      const hub = await startHubProcess(t, { dataDir, config: config(upstream, place.settings) });
      const runs = new Map<Policy, string[]>();
      for (const policy of POLICIES) runs.set(policy, await talk(hub, upstream, policy));

      for (const [policy, ids] of runs) {
        const read = await Promise.all(ids.map((id) => fetch(`${hub.url}/api/runs/${id}/content`, { headers: CLOSE })));
        const statuses = read.map(({ status }) => status);
        // All but the embeddings.
        assert.deepEqual(statuses, policy === 'off' ? ids.map(() => 404) : [...ids.slice(1).map(() => 200), 404]);
      }
      const [erased = assert.fail()] = runs.get('full') ?? [];
      assert.equal(
        (await fetch(`${hub.url}/api/runs/${erased}/content`, { method: 'DELETE', headers: CLOSE })).status,
        200,
      );
      assert.equal((await fetch(`${hub.url}/api/runs/${erased}/content`, { headers: CLOSE })).status, 404);
      const audit = await (await fetch(`${hub.url}/api/audit`, { headers: CLOSE })).text();
      assert.match(audit, new RegExp(`"action":"content-erased","subject":"${erased}"`));
      const journal = await journalOfACall(hub, upstream);
      assert.equal(await hub.end('SIGTERM'), 0);

      const log = hub.output();
      const onDisk = await files(path.join(dataDir, 'data'));
      const { storage } = await openTestStorage(place.target(hub));
      t.after(() => storage.close());
      const stored = await tables(storage);
      const forbidden = [...WORDS.off, ...PERSONAL];
      for (const [where, text] of Object.entries({ stored, onDisk, journal, log }))
        assert.deepEqual(found(text, forbidden), [], where);
      assert.deepEqual(found(log, Object.values(WORDS).flat()), []);
      // The search finds what is there.
      const there = [...WORDS.redacted, ...WORDS.full];
      assert.deepEqual(found(stored, there), there);
      if (name === 'PGlite') assert.deepEqual(found(onDisk, [...WORDS.full]), WORDS.full);
      else assert.deepEqual(found(onDisk, there), []);
      assert.equal(await storage.stores.contents.find(DEFAULT_PROJECT_ID, erased), 'erased');
    });
  }
});
