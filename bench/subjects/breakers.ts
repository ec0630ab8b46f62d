/**
 * One circuit breaker, measured in a process of its own, because a runtime that has seen six libraries optimises none of them.
 * `node bench/subjects/breakers.ts <subject> <milliseconds>` prints nanoseconds a call; `memory` prints bytes a call and a breaker.
 */
import { Breaker, BREAKER_DEFAULTS, pipeline, systemClock, systemRandom } from '#resilience/index';
import * as cockatiel from 'cockatiel';
import * as mollitia from 'mollitia';
import { 'module.exports' as Opossum } from 'opossum';

type Call = () => Promise<unknown>;

const BATCH = 2_000;
const HOUR_MS = 3_600_000;
const MEMORY_CALLS = 20_000;
const BREAKERS = 10_000;

/** The work: what a breaker costs shows best around an operation that costs next to nothing. */
async function operation(): Promise<number> {
  return 1;
}

function breaker(): Breaker {
  return new Breaker('bench', BREAKER_DEFAULTS, { clock: systemClock, random: systemRandom });
}

function openBreaker(): Breaker {
  const opened = breaker();
  opened.forceOpen({ by: 'bench', reason: 'bench', forMs: HOUR_MS });
  return opened;
}

function cockatielBreaker(): cockatiel.CircuitBreakerPolicy {
  return cockatiel.circuitBreaker(cockatiel.handleAll, {
    halfOpenAfter: HOUR_MS,
    breaker: new cockatiel.SamplingBreaker({ threshold: 0.5, duration: 30_000 }),
  });
}

const subjects: Readonly<Record<string, () => Call>> = {
  'bare await': () => operation,
  // What any wrapper costs that waits for the operation and says how it ended: no library can be below.
  'an async function around it': () => async () => ({ value: await operation() }),
  // What a call pays beside, that no other comes right after.
  'reading the clock': () => async () => performance.now(),
  'closed, tryExecute': () => {
    const calls = pipeline().breaker(breaker()).build();
    return () => calls.tryExecute(operation);
  },
  'closed, execute': () => {
    const calls = pipeline().breaker(breaker()).build();
    return () => calls.execute(operation);
  },
  'closed, cockatiel': () => {
    const policy = cockatielBreaker();
    return () => policy.execute(operation);
  },
  'closed, opossum': () => {
    const policy = new Opossum(operation, { timeout: false });
    return () => policy.fire();
  },
  'closed, mollitia': () => {
    const breakerModule = new mollitia.SlidingCountBreaker({ name: 'breaker' });
    const circuit = new mollitia.Circuit({ options: { modules: [breakerModule] } });
    return () => circuit.fn(operation).execute();
  },
  'retry + breaker + timeout, tryExecute': () => {
    const calls = pipeline().retry({ idempotent: true }).breaker(breaker()).timeout(1_000).build();
    return () => calls.tryExecute(operation);
  },
  'retry + breaker + timeout, cockatiel': () => {
    const retry = cockatiel.retry(cockatiel.handleAll, { maxAttempts: 2 });
    const timeout = cockatiel.timeout(1_000, cockatiel.TimeoutStrategy.Aggressive);
    const policy = cockatiel.wrap(retry, cockatielBreaker(), timeout);
    return () => policy.execute(operation);
  },
  'open, tryExecute': () => {
    const calls = pipeline().breaker(openBreaker()).build();
    return () => calls.tryExecute(operation);
  },
  'open, execute': () => {
    const calls = pipeline().breaker(openBreaker()).build();
    return () => calls.execute(operation).catch(() => 0);
  },
  'open, cockatiel': () => {
    const policy = cockatielBreaker();
    policy.isolate();
    return () => policy.execute(operation).catch(() => 0);
  },
  'open, opossum': () => {
    const policy = new Opossum(operation, { timeout: false, resetTimeout: HOUR_MS });
    policy.open();
    return () => policy.fire().catch(() => 0);
  },
};

async function nanosecondsACall(call: Call, forMs: number): Promise<number> {
  for (const warmUntil = performance.now() + forMs; performance.now() < warmUntil;) await batch(call);
  const batches: number[] = [];
  for (const until = performance.now() + forMs; performance.now() < until;) {
    const started = performance.now();
    await batch(call);
    batches.push(((performance.now() - started) * 1e6) / BATCH);
  }
  return batches.toSorted((a, b) => a - b)[batches.length >> 1] ?? NaN;
}

async function batch(call: Call): Promise<void> {
  for (let count = 0; count < BATCH; count++) await call();
}

/** Needs a young generation that holds all calls, and `gc`: `--max-semi-space-size=256 --expose-gc`. */
async function bytesACall(call: Call): Promise<number> {
  await batch(call);
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let count = 0; count < MEMORY_CALLS; count++) await call();
  return (process.memoryUsage().heapUsed - before) / MEMORY_CALLS;
}

function bytesABreaker(): { bytes: number; timers: number } {
  collect();
  const before = process.memoryUsage().heapUsed;
  const breakers = Array.from({ length: BREAKERS }, () => breaker());
  for (const each of breakers) {
    const permit = each.tryAcquire();
    if (permit.granted) permit.failure();
  }
  collect();
  const bytes = (process.memoryUsage().heapUsed - before) / breakers.length;
  return { bytes, timers: process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length };
}

function collect(): void {
  if (globalThis.gc === undefined) throw new Error('start node with --expose-gc');
  globalThis.gc();
}

async function main([subject = '', forMs = '200']: readonly string[]): Promise<unknown> {
  if (subject === 'memory') {
    const bare = await bytesACall(operation);
    const calls = pipeline().retry().breaker(breaker()).timeout(1_000).build();
    const { bytes, timers } = bytesABreaker();
    return { bytesACall: (await bytesACall(() => calls.tryExecute(operation))) - bare, bytesABreaker: bytes, timers };
  }
  const make = subjects[subject];
  if (make === undefined) throw new Error(`no subject ${subject}; there are: ${Object.keys(subjects).join('; ')}`);
  return { nanoseconds: await nanosecondsACall(make(), Number(forMs)) };
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(await main(process.argv.slice(2)))}\n`);
