/**
 * `npm run shared-costs`: what each step that instances share costs a real Redis, in processor time of its one thread and in
 * bytes on its connections, and what a published word costs for each who hears it. Writes scripts/shared-costs.json, from which
 * scripts/fleet-simulation.ts counts; on a machine that has other work the times stay those of the processor.
 */
import { writeFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { systemClock } from '#core/clock';
import { messageFields } from '#instances/messages';
import { beat, NUMBERS, readMarks, tell } from '#instances/scripts';
import { beatOwner, forget, put } from '#ledger/reservation-scripts';
import { RedisStore } from '#limits/redis-store';
import type { Rule } from '#limits/rules';
import { POSITION } from '#cache/redis/scripts';
import { connectRedis } from '#redis/index';
import type { RedisPort } from '#redis/index';
import { startRedis } from '../tests/helpers/redis.ts';
import type { TestRedis } from '../tests/helpers/redis.ts';
import { SIZES } from './fleet-simulation.ts';
import type { Cost, Costs } from './fleet-simulation.ts';

const CALLS = 5_000;
const AT_ONCE = 20;
const HEARERS = 100;
const KEY = 'revoagent:instances';
const LONG_MS = 3_600_000;

async function figure(redis: TestRedis, section: string, name: string): Promise<number> {
  const text = String(await redis.command('INFO', section));
  return Number(new RegExp(`^${name}:(\\S+)`, 'm').exec(text)?.[1]);
}

async function readings(redis: TestRedis): Promise<readonly number[]> {
  return [
    (await figure(redis, 'cpu', 'used_cpu_user_main_thread')) +
      (await figure(redis, 'cpu', 'used_cpu_sys_main_thread')),
    await figure(redis, 'stats', 'total_net_input_bytes'),
    await figure(redis, 'stats', 'total_net_output_bytes'),
  ];
}

/** Of one call among `calls`. */
async function costOf(redis: TestRedis, calls: number, call: (at: number) => Promise<unknown>): Promise<Cost> {
  const from = await readings(redis);
  for (let at = 0; at < calls; at += AT_ONCE)
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, calls - at) }, (_, more) => call(at + more)));
  const to = await readings(redis);
  const [seconds = 0, received = 0, sent = 0] = to.map((value, place) => (value - (from[place] ?? 0)) / calls);
  return { us: round(seconds * 1e6), received: Math.round(received), sent: Math.round(sent) };
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

/** As the registry writes it. */
function instance(at: number): string {
  return JSON.stringify({
    id: `hub-${at}`,
    address: `http://10.0.${at >> 8}.${at & 255}:12001`,
    version: '0.1.0',
    capacity: 4096,
    draining: false,
    startedWallMs: systemClock.wallMs(),
  });
}

function incarnation(at: number): string {
  return `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`;
}

async function beats(redis: TestRedis, port: RedisPort): Promise<Record<string, Cost>> {
  const costs: Record<string, Cost> = {};
  for (const size of SIZES) {
    await redis.command('FLUSHALL');
    for (let at = 0; at < size; at++) await port.run(beat, [KEY], [incarnation(at), LONG_MS, instance(at)]);
    const calls = Math.ceil(CALLS / Math.sqrt(size));
    costs[size] = await costOf(redis, calls, (at) =>
      port.run(beat, [KEY], [incarnation(at % size), LONG_MS, instance(at % size)]),
    );
  }
  return costs;
}

/** What `npm run bench -- limits` has on: four kinds by key, requests by project and route. */
const rules: readonly Rule[] = (
  [
    ['key', 'requests', 'minute'],
    ['key', 'tokens', 'minute'],
    ['key', 'concurrent', null],
    ['key', 'usd', 'day'],
    ['project', 'requests', 'minute'],
    ['route', 'requests', 'minute'],
  ] as const
).map(([scope, kind, period]) => ({
  scope,
  id: 'some',
  kind,
  period,
  max: 1_000_000_000,
  name: `${scope}:some:${kind}:${period ?? 'now'}`,
}));

async function limited(redis: TestRedis, port: RedisPort): Promise<Pick<Costs, 'reserve' | 'amend'>> {
  const store = new RedisStore(port, 60_000);
  const seeds = new Map(rules.map(({ name }) => [name, 0]));
  const claim = { rules, requests: 1, tokens: 1_000, microUsd: 1_000, leaseMs: 30_000, seeds };
  const reserve = await costOf(redis, CALLS, (at) => store.reserve([{ ...claim, id: `run_${at}` }]));
  const amend = await costOf(redis, CALLS, (at) =>
    store.amend([
      { kind: 'leave', name: rules[2]?.name ?? '', ids: [`run_${at}`] },
      { kind: 'window', name: rules[1]?.name ?? '', mark: 0, by: -100 },
      { kind: 'budget', name: rules[3]?.name ?? '', mark: 0, generation: 0, by: -100, whole: 900, ageMs: 0 },
    ]),
  );
  return { reserve, amend };
}

async function words(redis: TestRedis, port: RedisPort): Promise<Pick<Costs, 'tell' | 'marks' | 'heard'>> {
  const marks = 'revoagent:breakers:marks';
  const about = { kind: 'trip', remainingMs: 30_000, by: null, reason: null } as const;
  const say = (at: number): Promise<unknown> => {
    const breaker = `provider:openai/gpt-${at % 10}`;
    const text = messageFields({ ...about, breaker, incarnation: incarnation(at), instance: `hub-${at}` });
    return port.run(tell, [marks, NUMBERS], ['words', `trip ${breaker}`, 32_000, text, 1_000, 0, 0]);
  };
  const told = await costOf(redis, CALLS, say);
  const read = await costOf(redis, CALLS, () => port.run(readMarks, [marks], []));
  const hearers = Array.from({ length: HEARERS }, () => new Redis(redis.port, '127.0.0.1'));
  await Promise.all(hearers.map((each) => each.subscribe('words')));
  const toAll = await costOf(redis, CALLS / 10, say);
  for (const each of hearers) each.disconnect();
  const each = (of: keyof Cost): number => round(Math.max(0, toAll[of] - told[of]) / HEARERS);
  return { tell: told, marks: read, heard: { us: each('us'), received: 0, sent: Math.round(each('sent')) } };
}

async function reservations(redis: TestRedis, port: RedisPort): Promise<Pick<Costs, 'owner' | 'put' | 'forget'>> {
  const hash = 'revoagent:ledger:some';
  const text = JSON.stringify({ run: 'x'.repeat(400) });
  const owner = await costOf(redis, CALLS, (at) => port.run(beatOwner, ['owners'], [incarnation(at % 100), 10_000]));
  const written = await costOf(redis, CALLS, (at) => port.run(put, [hash], [50_000, `run_${at}.1`, text]));
  const forgotten = await costOf(redis, CALLS, (at) => port.run(forget, [hash], [`run_${at}.1`]));
  return { owner, put: written, forget: forgotten };
}

async function main(): Promise<void> {
  const redis = await startRedis();
  const port = connectRedis({ url: redis.url });
  try {
    while ((await port.run(readMarks, ['none'], []).catch(() => null)) === null) await systemClock.sleep(10);
    const costs: Costs = {
      beat: await beats(redis, port),
      ...(await words(redis, port)),
      ...(await reservations(redis, port)),
      ...(await limited(redis, port)),
      position: await costOf(redis, CALLS, () => port.run(POSITION, ['revoagent:cache:some:'], [])),
    };
    writeFileSync(new URL('shared-costs.json', import.meta.url), `${JSON.stringify(costs, null, 2)}\n`);
  } finally {
    // While somebody is connected, the end of the server is waited for.
    await redis.close();
    port.close();
  }
}

await main();
