/**
 * `npm run limits:minute [-- --seconds 190]`: ten hubs as processes over one real Redis and one PostgreSQL, one key with 600 requests a
 * minute, asked for three times that without end. Prints the most that any 60 s let in, and the fewest that were in when a call was turned
 * away, both by Redis's own clock; fails beyond 606 or below 594. A hub is killed on the way, and what it held is free when its leases are over.
 */
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { startHubProcess, waitFor } from '../tests/helpers/hub-process.ts';
import type { HubProcess } from '../tests/helpers/hub-process.ts';
import { exactness } from '../tests/helpers/limit-exactness.ts';
import { startPostgres } from '../tests/helpers/postgres.ts';
import { startRedis } from '../tests/helpers/redis.ts';

const HUBS = 10;
const LIMIT = 600;
const WINDOW_MS = 60_000;
const MOST = 606;
const FEWEST = 594;
/** Where Redis counts the key's requests. */
const REQUESTS = 'revoagent:limit:key:local:requests:minute';
/** Streams under way at the hub that is killed. */
const HELD = 5;
/** Of all hubs together: three times the limit. */
const EVERY_MS = WINDOW_MS / (LIMIT * 3);

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '190' } } });
const forMs = Number(values.seconds) * 1_000;
if (!(forMs >= 1_000)) throw new Error('--seconds must be a number; whole minutes take 120 or more.');

await using stack = new AsyncDisposableStack();
const cleanup = { after: (end: () => unknown) => stack.defer(async () => void (await end())) };
const redis = await startRedis();
stack.defer(() => redis.close());
const postgres = await startPostgres();
stack.defer(() => postgres.close());
const config = {
  storage: { url: await postgres.createDatabase(), pool: { max: 4 } },
  redis: { stateUrl: redis.url },
  providers: { simulator: { kind: 'simulator' }, slow: { kind: 'simulator', tokensPerSecond: 1 } },
  routes: {
    chat: { groups: [[{ provider: 'simulator', model: 'chat' }]] },
    slow: { groups: [[{ provider: 'slow', model: 'chat' }]] },
  },
  limits: { keys: { default: { requestsPerMinute: LIMIT, concurrent: 500 } }, leaseMs: 5_000 },
};
// The first makes the tables.
const hubs: HubProcess[] = [await startHubProcess(cleanup, { config })];
hubs.push(...(await Promise.all(Array.from({ length: HUBS - 1 }, () => startHubProcess(cleanup, { config })))));
process.stderr.write(`${HUBS} hubs run; asking for ${forMs / 1_000} s\n`);

const watcher = new Redis(redis.url);
const monitor = await watcher.monitor();
// It made a connection of its own.
watcher.disconnect();
const seen: { readonly atMs: number; granted: boolean }[] = [];
monitor.on('monitor', (time: string, args: string[]) => {
  const [command = '', first] = args;
  if (/^evalsha$/i.test(command) && args.includes(REQUESTS)) seen.push({ atMs: Number(time) * 1_000, granted: false });
  const last = seen.at(-1);
  if (/^hset$/i.test(command) && first === REQUESTS && args.includes('t') && last !== undefined) last.granted = true;
});
const decisions = () => seen.map(({ atMs, granted }) => [atMs, granted] as const);
const counts = new Map<number, number>();
const startedAt = performance.now();
const asking: Promise<void>[] = [];
await new Promise<void>((resolve) => {
  let asked = 0;
  const timer = setInterval(() => {
    const now = performance.now() - startedAt;
    for (; asked * EVERY_MS <= now; asked++) asking.push(ask(hubs[asked % HUBS]));
    if (now < forMs) return;
    clearInterval(timer);
    resolve();
  }, 5);
});

await Promise.all(asking);

async function ask(hub: HubProcess | undefined): Promise<void> {
  const response = await fetch(`${hub?.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'hi' }] }),
  });
  await response.arrayBuffer();
  counts.set(response.status, (counts.get(response.status) ?? 0) + 1);
}

const { most, fewestAtRefusal: fewest } = exactness(decisions(), WINDOW_MS);
monitor.disconnect();
process.stdout.write(
  `${JSON.stringify({ asked: [...counts.values()].reduce((sum, count) => sum + count, 0), statuses: Object.fromEntries(counts), most, fewest })}\n`,
);
await killOne();
if (most > MOST || fewest < FEWEST)
  throw new Error(
    `A minute let in up to ${most}, and calls were turned away while ${fewest} were in; ${FEWEST} to ${MOST} are promised.`,
  );

/** One is killed in the middle of streams: its places are free when their leases are over. */
async function killOne(): Promise<void> {
  const name = 'revoagent:limit:key:local:concurrent';
  const victim = hubs[HUBS - 1];
  await waitFor(async () => ((await streamOn(victim)) && (await places(name)) >= HELD ? true : null), WINDOW_MS);
  const held = await places(name);
  await victim?.end('SIGKILL');
  await waitFor(async () => ((await redis.command('EXISTS', name)) === 0 ? true : null), 15_000);
  process.stdout.write(`${JSON.stringify({ placesAtKill: held, placesAfterLease: 0 })}\n`);
}

async function places(name: string): Promise<number> {
  return Number(await redis.command('ZCARD', name));
}

/** Opens a stream that nobody reads; whether it was let in. */
async function streamOn(hub: HubProcess | undefined): Promise<boolean> {
  const response = await fetch(`${hub?.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'slow', messages: [{ role: 'user', content: 'hi' }], stream: true }),
  });
  return response.status === 200;
}
