/**
 * The hub in its two lanes, started by its own command line. Plain: as `npm start` leaves it, no keys, the embedded
 * database. Governed, the lane that counts: keys required, run records into PostgreSQL, access log, metrics and breakers on.
 * Both lanes have breakers, metrics and the log; the governed lane is proved to be governed before it is measured.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import pg from 'pg';
import { freePort } from '../../tests/helpers/free-port.ts';
import { until } from '../lab.ts';
import type { Lab } from '../lab.ts';
import { MODEL } from '../load/chat.ts';
import { askOnce, chatUrl, startNodeServer } from './subject.ts';
import type { Subject } from './subject.ts';

const BIN = new URL('../../bin/revoagent.js', import.meta.url).pathname;
/** The defaults of 100 calls at once to one deployment, and of 512 connections to a provider, would be measured instead of the hub. */
const CONCURRENT_CALLS = 4_096;
/** Threads every Node process has; others are workers of the hub. */
const RUNTIME_THREADS = /^(node|V8|DelayedTask|SignalInsp|libuv|WorkerThread-pool)/i;

/** `name` names its data too: another name is a hub that has none yet. */
export async function startPlainHub(lab: Lab, upstreamPort: number, name = 'hub-plain'): Promise<Subject> {
  const port = await freePort();
  const storage = { dataDir: lab.file(`${name}-data`) };
  const config = await writeConfig(lab, name, port, upstreamPort, storage);
  const hub = await startNodeServer(lab, { name: 'hub, plain lane', port, args: [BIN, 'serve', '--config', config] });
  if (hub.process !== null) await moveWorkers(lab, hub.process.pid);
  return hub;
}

/** The plain hub, whose answers are kept for an hour. */
export async function startCachingHub(lab: Lab, upstreamPort: number): Promise<Subject> {
  const port = await freePort();
  const storage = { dataDir: lab.file('hub-caching-data') };
  const config = await writeConfig(lab, 'hub-caching', port, upstreamPort, storage, {
    ofRoute: { cache: { ttlMs: 3_600_000 } },
  });
  const hub = await startNodeServer(lab, { name: 'hub, caching', port, args: [BIN, 'serve', '--config', config] });
  if (hub.process !== null) await moveWorkers(lab, hub.process.pid);
  return hub;
}

export interface GovernedHub {
  /** For the profiler. */
  readonly nodeArgs?: readonly string[];
  /** Of a second one beside the first. */
  readonly name?: string;
  /** Sections of its configuration. */
  readonly more?: Readonly<Record<string, unknown>>;
}

export function startGovernedHub(
  lab: Lab,
  upstreamPort: number,
  databaseUrl: string,
  { nodeArgs = [], name = 'hub, governed lane', more = {} }: GovernedHub = {},
): Promise<Subject> {
  return startWithKeys(lab, upstreamPort, { name, databaseUrl, nodeArgs, more });
}

/** The governed lane with limits of every kind, which nobody reaches, counted in this Redis. */
export function startLimitedHub(
  lab: Lab,
  upstreamPort: number,
  databaseUrl: string,
  stateUrl: string,
): Promise<Subject> {
  const requestsPerMinute = 1_000_000_000;
  const ofKey = { requestsPerMinute, tokensPerMinute: requestsPerMinute, concurrent: 100_000, usdPerMonth: 1_000_000 };
  const more = {
    redis: { stateUrl },
    limits: {
      keys: { default: ofKey },
      projects: { default: { requestsPerMinute } },
      routes: { default: { requestsPerMinute } },
    },
    prices: { 'bench/*': { inputUsd: 1, outputUsd: 1 } },
  };
  return startWithKeys(lab, upstreamPort, {
    name: 'hub, governed lane, limits in Redis',
    databaseUrl,
    nodeArgs: [],
    more,
  });
}

interface WithKeys {
  readonly name: string;
  readonly databaseUrl: string;
  readonly nodeArgs: readonly string[];
  /** Further sections of the configuration. */
  readonly more: Readonly<Record<string, unknown>>;
}

async function startWithKeys(
  lab: Lab,
  upstreamPort: number,
  { name, databaseUrl, nodeArgs, more }: WithKeys,
): Promise<Subject> {
  const port = await freePort();
  const file = name.replaceAll(/[^a-z]+/g, '-');
  const config = await writeConfig(
    lab,
    file,
    port,
    upstreamPort,
    { url: databaseUrl, dataDir: lab.file(`${file}-data`) },
    { more },
  );
  const created = await lab.run({
    name: 'keys create',
    file: process.execPath,
    args: [BIN, 'keys', 'create', '--name', 'bench', '--scopes', 'chat,read', '--json', '--config', config],
    side: 'load',
  });
  const key = /rvk_[\w-]+/.exec(created)?.[0];
  if (key === undefined) throw new Error('`keys create --json` printed no key.');
  const hub = await startNodeServer(lab, {
    name,
    port,
    args: [...nodeArgs, BIN, 'serve', '--config', config],
    headers: { authorization: `Bearer ${key}` },
  });
  await proveGoverned(hub, port, databaseUrl);
  return hub;
}

async function writeConfig(
  lab: Lab,
  name: string,
  port: number,
  upstreamPort: number,
  storage: Record<string, unknown>,
  { ofRoute = {}, more = {} }: { ofRoute?: Record<string, unknown>; more?: Readonly<Record<string, unknown>> } = {},
): Promise<string> {
  const file = lab.file(`${name}.json`);
  const config = {
    ...more,
    // Nobody is left to wait for when the benchmark ends it.
    server: { host: '127.0.0.1', port, shutdownGraceMs: 0 },
    storage,
    providers: {
      bench: {
        kind: 'openai-compatible',
        baseUrl: `http://127.0.0.1:${upstreamPort}/v1`,
        apiKey: 'sk-bench',
        maxConnections: CONCURRENT_CALLS,
      },
    },
    routes: { [MODEL]: { groups: [[{ provider: 'bench', model: MODEL }]], ...ofRoute } },
    resilience: { concurrentMax: CONCURRENT_CALLS },
    logging: { level: 'info', format: 'json' },
    ...more,
  };
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}

/** No key, no answer; and what was answered is found again in the database, not only in what waits to be written. */
async function proveGoverned(hub: Subject, port: number, databaseUrl: string): Promise<void> {
  const stranger = await askOnce({ url: chatUrl(port), headers: {} });
  if (stranger.status !== 401)
    throw new Error(`The governed lane answered ${stranger.status} to a caller without a key.`);
  const run = (await askOnce(hub)).headers.get('x-revoagent-run');
  if (run === null) throw new Error('The governed lane named no run in x-revoagent-run.');
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await until(
      async () => (await client.query('select from runs where id = $1', [run])).rowCount === 1,
      async () => `The governed lane wrote no record of the run ${run}. ${(await hub.process?.logTail()) ?? ''}`,
    );
  } finally {
    await client.end();
  }
}

/** A hub that is quicker than its database would drop the records of runs, and be quicker for it. */
export async function recordsLost(hub: Subject): Promise<number> {
  const metrics = await fetch(new URL('/metrics', hub.url), { headers: hub.headers });
  return Number(/^revoagent_runs_dropped_total (\d+)/m.exec(await metrics.text())?.[1]);
}

/** The embedded database lives in a worker thread: on the load side, where PostgreSQL is for the governed lane. */
async function moveWorkers(lab: Lab, pid: number): Promise<void> {
  if (process.platform !== 'linux') return;
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const name = await readFile(`/proc/${pid}/task/${thread}/comm`, 'utf8');
    if (!RUNTIME_THREADS.test(name)) await lab.moveAside(Number(thread));
  }
}
