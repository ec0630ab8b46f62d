/**
 * What many instances ask of what they share, simulated: the real registry, breaker evidence, reservations of the ledger and cache of each,
 * on one virtual clock and from a seed, before a Redis that counts instead of answering. What a step costs was measured on a real one
 * (`npm run shared-costs`). docs/capacity.md shows what it gives.
 */
import { readFileSync } from 'node:fs';
import { createCache, RedisTier } from '#cache/index';
import type { Clock } from '#core/clock';
import type { Random } from '#core/random';
import { seededRandom } from '#core/random';
import type { Logger } from '#contract/logger';
import { loadConfig } from '#config/index';
import { BreakerEvidence } from '#instances/evidence';
import { InstanceRegistry } from '#instances/registry';
import { Reservations } from '#ledger/reservations';
import { providerKinds } from '#providers/index';
import type { RedisPort } from '#redis/index';
import { BreakerRegistry } from '#resilience/index';
import { VirtualClock } from '../tests/helpers/virtual-clock.ts';

export const SIZES = [10, 100, 300, 1_000] as const;
type Size = (typeof SIZES)[number];

/** Of one step: microseconds of Redis's one thread, and bytes that it receives and sends. */
export interface Cost {
  readonly us: number;
  readonly received: number;
  readonly sent: number;
}

export interface Costs {
  /** By how many instances are listed. */
  readonly beat: Readonly<Record<string, Cost>>;
  readonly tell: Cost;
  readonly marks: Cost;
  /** Of one word, for each who hears it. */
  readonly heard: Cost;
  readonly owner: Cost;
  readonly put: Cost;
  readonly forget: Cost;
  readonly reserve: Cost;
  readonly amend: Cost;
  readonly position: Cost;
}

/** How often each script is run, by its name. */
export type Counts = ReadonlyMap<string, number>;

const REST_S = 10;
/** Each instance starts somewhere in this, as after a renewal. */
const START_MS = 2_000;
/** Far below the pause of any timer here. */
const STEP_MS = 10;
const UPSTREAM = 'provider:openai/gpt';

/** Silent: what a simulation says is its table. */
const logger: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

class CountingRedis implements RedisPort {
  counts = new Map<string, number>();

  async run({ name }: Parameters<RedisPort['run']>[0]): Promise<unknown> {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    return name === 'position' ? [Buffer.from('epoch'), 1] : [];
  }

  subscribe(): void {
    // Words are counted by who would hear them, and change nothing here.
  }

  onReady(): void {
    // It always is.
  }

  close(): void {
    // Nothing is open.
  }

  /** What was counted since it was asked last. */
  taken(): Counts {
    const { counts } = this;
    this.counts = new Map();
    return counts;
  }
}

function startInstance(at: number, redis: RedisPort, clock: Clock, random: Random): BreakerRegistry {
  const breakers = new BreakerRegistry({ clock, random });
  const shared = { incarnation: `incarnation-${at}`, instance: `hub-${at}`, redis, breakers, clock, random, logger };
  const self = { id: shared.instance, version: '0.1.0', capacity: 4_096, startedWallMs: 0 };
  const evidence = new BreakerEvidence({ ...shared, mode: 'advise' });
  new InstanceRegistry({ ...shared, self, onReachable: () => evidence.reconcile() }).begin('http://10.0.0.1:12001');
  const guard = {
    name: 'redis:state',
    run: <T>(act: (signal: AbortSignal) => Promise<T>) => act(new AbortController().signal),
  };
  new Reservations({ ...shared, guard }).begin({ lost: () => undefined, write: async () => true });
  // It keeps nothing here, and a thousand of them have no room for more.
  const memory = { bytesMax: 4_096, entryBytesMax: 1_024 };
  createCache({ namespace: 'hub', clock, random, memory, tiers: [new RedisTier(redis, { namespace: 'hub' })] });
  return breakers;
}

/** `rest`: a second in which nobody is served; `outage`: the words of all when an upstream fails all of them. */
export async function simulateFleet(size: number, seed: number): Promise<{ rest: Counts; outage: Counts }> {
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const redis = new CountingRedis();
  const fleet: BreakerRegistry[] = [];
  for (let at = 0; at < size; at++)
    clock.schedule(START_MS * random.next(), () => fleet.push(startInstance(at, redis, clock, random)));
  const pass = async (forMs: number): Promise<void> => {
    for (let passed = 0; passed < forMs; passed += STEP_MS) await clock.leap(STEP_MS);
  };
  await pass(2 * START_MS);
  redis.taken();
  await pass(REST_S * 1_000);
  const rest = new Map([...redis.taken()].map(([name, count]) => [name, count / REST_S]));
  for (const breakers of fleet)
    for (let failed = 0; failed < 5; failed++) {
      const permit = breakers.get(UPSTREAM).tryAcquire();
      if (permit.granted) permit.failure();
    }
  return { rest, outage: redis.taken() };
}

/** Where Redis's one thread has no time left, what goes to it waits. */
const SECOND_US = 1_000_000;
/** A network card of 1 Gbit/s. */
const LINE_BYTES = 125_000_000;
/** The load of each instance: what `revoagent check` calls normal. */
const REQUESTS = 100;
/** Batches a second in which the ledger forgets what is in the database, and of how many each then is. */
const FORGETS = 10;

interface Shared {
  readonly commands: number;
  readonly busy: number;
  readonly bytes: number;
}

function sum(costs: readonly (readonly [times: number, cost: Cost])[]): Shared {
  let [commands, us, bytes] = [0, 0, 0];
  for (const [times, cost] of costs) {
    commands += times;
    us += times * cost.us;
    bytes += times * (cost.received + cost.sent);
  }
  return { commands, busy: us / SECOND_US, bytes };
}

function beatOf(costs: Costs, size: Size): Cost {
  const cost = costs.beat[size];
  if (cost === undefined) throw new Error(`what a beat among ${size} costs was not measured: npm run shared-costs`);
  return cost;
}

/** A second of the state's Redis, and of the cache's, at rest; and what the load of all adds to the former. */
function secondOf(costs: Costs, size: Size, rest: Counts): { state: Shared; cache: Shared; load: Shared } {
  const times = (name: string): number => rest.get(name) ?? 0;
  const requests = REQUESTS * size;
  return {
    state: sum([
      [times('instance-beat'), beatOf(costs, size)],
      [times('evidence-read'), costs.marks],
      // Whoever looks for dead owners does as much as who says that it lives.
      [times('ledger-beat') + times('ledger-take-dead'), costs.owner],
    ]),
    cache: sum([[times('position'), costs.position]]),
    // The ledger puts an attempt before it goes out, and again when it is settled.
    load: sum([
      [requests, costs.reserve],
      [requests, costs.amend],
      [2 * requests, costs.put],
      [FORGETS * size, costs.forget],
    ]),
  };
}

interface Row {
  readonly size: Size;
  readonly state: Shared;
  readonly cache: Shared;
  readonly load: Shared;
  readonly words: Shared;
  readonly connections: number;
}

async function rowOf(costs: Costs, size: Size, poolMax: number): Promise<Row> {
  const { rest, outage } = await simulateFleet(size, 1);
  const told = outage.get('evidence-tell') ?? 0;
  const words = sum([
    [told, costs.tell],
    [told * size, costs.heard],
  ]);
  return { size, ...secondOf(costs, size, rest), words, connections: poolMax * size };
}

/** The number of instances at which `share` reaches 1: between two sizes as if it grew evenly, beyond the last as it grew before it. */
export function fullAt(shares: readonly (readonly [size: number, share: number])[]): number {
  let [before, last]: (readonly [number, number])[] = [[0, 0], shares[0] ?? [1, 0]];
  for (const next of shares.slice(1)) {
    if (last === undefined || last[1] >= 1) break;
    [before, last] = [last, next];
  }
  const [[fromSize, from] = [0, 0], [toSize, to] = [1, 0]] = [before, last];
  return Math.floor(fromSize + ((1 - from) * (toSize - fromSize)) / (to - from));
}

function two(value: number): string {
  return Number(value.toPrecision(2)).toLocaleString('en');
}

function percent(share: number): string {
  return `${two(share * 100)} %`;
}

function tablesOf(rows: readonly Row[], connectionsMax: number): string[] {
  const full = (shareOf: (row: Row) => number): number => fullAt(rows.map((row) => [row.size, shareOf(row)]));
  const breaks = [
    [full((row) => row.connections / connectionsMax), 'PostgreSQL has no connection left'],
    [
      full((row) => row.state.busy + row.load.busy),
      `one \`redis-state\` has no time left, at ${REQUESTS} limited requests a second each`,
    ],
    [
      full((row) => row.state.busy),
      'one `redis-state` has no time left, with nobody served: each beat reads the whole list',
    ],
    [full((row) => row.state.bytes / LINE_BYTES), 'the beats of all fill 1 Gbit/s'],
    [full((row) => row.cache.busy), 'one `redis-cache` has no time left for positions'],
    [full((row) => row.words.busy), 'the words of one outage hold `redis-state` up for a second'],
  ] as const;
  return [
    '| instances | at rest, commands a second of `redis-state` | its time | bytes a second | `redis-cache`, commands a second | its time | served, commands a second | time of `redis-state` in all | words heard of one outage | its time for them | PostgreSQL’s connections |',
    '|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|',
    ...rows.map(({ size, state, cache, load, words, connections }) => {
      const cells = [
        two(state.commands),
        percent(state.busy),
        two(state.bytes),
        two(cache.commands),
        percent(cache.busy),
        two(load.commands),
        percent(state.busy + load.busy),
        two(size * size),
        `${two(words.busy * 1_000)} ms`,
        `${connections.toLocaleString('en')} of ${connectionsMax}`,
      ];
      return `| ${[size.toLocaleString('en'), ...cells].join(' | ')} |`;
    }),
    '',
    '| at about so many instances | what breaks |',
    '|--:|---|',
    ...breaks
      .toSorted(([one], [other]) => one - other)
      .map(([size, what]) => `| ${Number(size.toPrecision(2)).toLocaleString('en')} | ${what} |`),
  ];
}

export function readCosts(): Costs {
  return JSON.parse(readFileSync(new URL('shared-costs.json', import.meta.url), 'utf8')) as Costs;
}

export async function fleetSimulationPage(): Promise<string> {
  const costs = readCosts();
  const settings = readFileSync(new URL('../deploy/postgres/postgresql.conf', import.meta.url), 'utf8');
  const connectionsMax = Number(/^max_connections = (\d+)$/m.exec(settings)?.[1]);
  const { config } = loadConfig({ kinds: providerKinds, env: {}, cwd: '/' });
  const rows: Row[] = [];
  for (const size of SIZES) rows.push(await rowOf(costs, size, config.storage.pool.max));
  return tablesOf(rows, connectionsMax).join('\n');
}
