/**
 * Several processes, one real Redis, one key. The window is some seconds here; `npm run limits:minute` is the same over whole minutes with
 * real hubs. What is decided is judged by Redis's own time, so that a busy machine changes nothing.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { waitFor } from '../helpers/hub-process.ts';
import { exactness } from '../helpers/limit-exactness.ts';
import type { LimitJob, LimitTold } from '../helpers/limit-process.ts';
import { startRedis } from '../helpers/redis.ts';
import type { TestRedis } from '../helpers/redis.ts';

const PROGRAM = fileURLToPath(new URL('../helpers/limit-process.ts', import.meta.url));
/**
 * Redis decides for one after the other, so that what four of them race for ten race for too; what counts is that they ask for many times
 * what is left, which the calls a second make.
 */
const PROCESSES = 4;

let redis: TestRedis;
before(async () => {
  redis = await startRedis();
});
after(() => redis.close());

async function start(t: TestContext, count: number, job: Omit<LimitJob, 'url' | 'seed'>): Promise<ChildProcess[]> {
  await redis.command('FLUSHALL');
  const children = Array.from({ length: count }, (_, seed) =>
    fork(PROGRAM, [JSON.stringify({ ...job, seed, url: redis.url })], { execArgv: ['--conditions=revoagent-source'] }),
  );
  for (const child of children) t.after(() => child.kill('SIGKILL'));
  await Promise.all(children.map((child) => once(child, 'message')));
  return children;
}

async function told(children: readonly ChildProcess[]): Promise<LimitTold[]> {
  const answers = children.map(async (child): Promise<LimitTold> => {
    const [answer] = await once(child, 'message');
    return answer;
  });
  for (const child of children) child.send('go');
  return Promise.all(answers);
}

const asking = {
  windowMs: 1_000,
  leaseMs: 30_000,
  calls: 180,
  pauseMs: 16,
  untilRefused: false,
  estimate: 0,
  usesMax: 0,
  holds: 0,
} as const;

describe('several processes', () => {
  it('never let more requests in than the limit, and turn none away before 99 of 100 are in', async (t) => {
    const limit = 50;
    const children = await start(t, PROCESSES, { ...asking, limits: { requestsPerMinute: limit } });
    const decisions = (await told(children)).flatMap((each) => each.decisions);
    assert.equal(decisions.length, PROCESSES * asking.calls, 'each was decided by all together');
    const { most, fewestAtRefusal, refused } = exactness(decisions, asking.windowMs);
    assert.ok(most <= limit, `${most} within one window`);
    assert.ok(refused > limit, `${refused} refusals are no overload`);
    assert.ok(fewestAtRefusal >= Math.floor(limit * 0.99), `refused while ${fewestAtRefusal} were in`);
  });

  it('overrun a budget of tokens by one estimate each at most, though each call uses more than was thought', async (t) => {
    const [limit, estimate] = [20_000, 100];
    const more = { windowMs: 600_000, pauseMs: 0, calls: 10_000, untilRefused: true, estimate, usesMax: 1.5 };
    const children = await start(t, PROCESSES, { ...asking, ...more, limits: { tokensPerMinute: limit } });
    const used = (await told(children)).reduce((sum, each) => sum + each.used, 0);
    assert.ok(used <= limit + children.length * estimate, `${used} used`);
    assert.ok(used >= limit - children.length * 2 * estimate, `${used} used`);
  });

  it('get back the places of one that was killed, no later than its leases run out', async (t) => {
    const leaseMs = 1_500;
    const limits = { concurrent: 6 };
    const [child] = await start(t, 1, { ...asking, calls: 0, leaseMs, limits, holds: 5 });
    const name = 'revoagent:limit:key:key_one:concurrent';
    assert.equal(await redis.command('ZCARD', name), 5);
    const renewed = await lastExpiry(redis, name);
    await waitFor(async () => ((await lastExpiry(redis, name)) > renewed ? true : null));
    const gone = once(child as ChildProcess, 'exit');
    child?.kill('SIGKILL');
    await gone;
    const [seconds = '0', micros = '0'] = (await redis.command('TIME')) as string[];
    const killedMs = Number(seconds) * 1_000 + Number(micros) / 1_000;
    assert.ok((await lastExpiry(redis, name)) <= killedMs + leaseMs, 'no place is leased for longer');
    await waitFor(async () => ((await redis.command('EXISTS', name)) === 0 ? true : null));
  });
});

async function lastExpiry(server: TestRedis, name: string): Promise<number> {
  // Nested or flat, as the protocol's version has it.
  const [, score] = ((await server.command('ZRANGE', name, -1, -1, 'WITHSCORES')) as string[][]).flat();
  return Number(score ?? 0);
}
