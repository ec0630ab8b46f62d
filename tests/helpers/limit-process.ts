/**
 * One of several instances that ask for limits in one Redis: `node limit-process.ts <job as JSON>`. Tells on its channel what it was
 * answered, each with the time of Redis at which it was decided. Waits in real time: it is a program, not a test.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as later } from 'node:timers/promises';
import { systemClock } from '#core/clock';
import { seededRandom } from '#core/random';
import type { LimitSettings } from '#contract/admission';
import { LimitExceededError } from '#contract/limits';
import { Limiter } from '#limits/index';
import { connectRedis } from '#redis/index';
import type { RedisPort } from '#redis/index';
import { BreakerRegistry } from '#resilience/index';

export interface LimitJob {
  readonly url: string;
  readonly limits: LimitSettings;
  readonly windowMs: number;
  readonly leaseMs: number;
  readonly seed: number;
  /** Asked for one after the other, with a pause between; each ends at once. Ends after so many, or, with `untilRefused`, at the first refusal. */
  readonly calls: number;
  readonly pauseMs: number;
  readonly untilRefused: boolean;
  readonly estimate: number;
  /** Of the estimate, what a call turns out to use at most. */
  readonly usesMax: number;
  /** Places that it takes before and never leaves. */
  readonly holds: number;
}

export interface LimitTold {
  /** Redis's time in milliseconds, and whether it was granted. */
  readonly decisions: readonly (readonly [atMs: number, granted: boolean])[];
  /** Tokens that the granted calls used. */
  readonly used: number;
}

const job = JSON.parse(process.argv[2] ?? '') as LimitJob;
const decisions: [number, boolean][] = [];
const port = connectRedis({ url: job.url, name: 'limit-process' });
const watching: Pick<RedisPort, 'run' | 'onReady'> = {
  onReady: port.onReady,
  async run(script, keys, args) {
    const reply = await port.run(script, keys, args);
    // Every claim here is a call's: none only looks; and this process makes one after the other, so that each is a group of its own.
    if (script.name === 'limits-reserve')
      for (const [granted, atMs] of (reply as [number, number][][]).flat()) decisions.push([atMs, granted === 1]);
    return reply;
  },
};
const random = seededRandom(job.seed);
const none = { default: {}, named: {} };
const nothing = (): void => undefined;
const breakers = new BreakerRegistry({ clock: systemClock, random });
const limiter = new Limiter({
  settings: {
    organisations: none,
    projects: none,
    keys: { default: job.limits, named: {} },
    agents: none,
    routes: none,
    leaseMs: job.leaseMs,
  },
  shared: { redis: watching, breaker: breakers.get('limits') },
  instances: { liveInstances: () => 10 },
  incarnation: randomUUID(),
  spend: { read: async () => new Map(), add: async () => undefined },
  clock: systemClock,
  logger: { debug: nothing, info: nothing, warn: nothing, error: nothing },
  observer: { limitDecided: nothing, limitStoreAsked: nothing },
  windowMs: job.windowMs,
});
const caller = { keyId: 'key_one', projectId: 'prj_one', scopes: new Set(['chat'] as const) };
const admit = (id: string) =>
  limiter.admit({ caller, agent: null, route: null, id, estimate: () => ({ tokens: job.estimate, microUsd: 0 }) });

while ((await port.run({ name: 'ping', lua: `return 'up'` }, [], []).catch(() => null)) === null) await later(20);
for (let held = 0; held < job.holds; held++) await admit(`held-${job.seed}-${held}`);
process.send?.('ready');
await new Promise((resolve) => process.once('message', resolve));

let used = 0;
for (let call = 0; call < job.calls; call++) {
  try {
    const admission = await admit(`call-${job.seed}-${call}`);
    const tokens = Math.floor(random.next() * job.usesMax * job.estimate);
    used += tokens;
    admission?.settle({ tokens, microUsd: 0 });
  } catch (error) {
    if (!(error instanceof LimitExceededError)) throw error;
    if (job.untilRefused) break;
  }
  if (job.pauseMs > 0) await later(job.pauseMs);
}
await limiter.close();
process.send?.({ decisions, used } satisfies LimitTold);
// Held places are renewed until it is killed.
if (job.holds === 0) {
  port.close();
  process.disconnect?.();
}
