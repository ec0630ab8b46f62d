/** Each check of the house: when it is healthy, degraded, unhealthy, and that it says so in words without secrets. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, it } from 'node:test';
import type { BreakerStatus } from '#contract/breakers';
import type { DeploymentStatus } from '#contract/gateway';
import type { CheckOutcome, HealthCheck } from '#contract/health';
import { waitFor } from '../../../tests/helpers/hub-process.ts';
import { databaseCheck } from './database.ts';
import { diskCheck } from './disk.ts';
import { eventLoopCheck } from './event-loop.ts';
import { heapCheck } from './heap.ts';
import { memoryCheck } from './memory.ts';
import { providersCheck } from './providers.ts';

const signal = new AbortController().signal;

async function outcomeOf(check: HealthCheck): Promise<CheckOutcome> {
  return check.check(signal);
}

async function statusOf(check: HealthCheck): Promise<string> {
  return (await outcomeOf(check)).status;
}

function deployment(id: string, fields: Partial<DeploymentStatus> = {}): DeploymentStatus {
  return {
    id,
    provider: 'p',
    kind: 'openai-compatible',
    model: id,
    breaker: `provider:${id}`,
    lastSuccessWallMs: null,
    lastFailureWallMs: null,
    lastFailure: null,
    ...fields,
  };
}

function breaker(state: BreakerStatus['state']): BreakerStatus {
  return {
    key: 'k',
    state,
    suspect: false,
    failuresInWindow: 0,
    callsInWindow: 0,
    inFlight: 0,
    retryAfterMs: null,
    stateAgeMs: 0,
    trips: 0,
    rejected: 0,
    lateResults: 0,
    forced: null,
  };
}

describe('the check of the providers', () => {
  const check = (states: Record<string, BreakerStatus['state']>, fields: Partial<DeploymentStatus> = {}) =>
    providersCheck({
      deployments: () => Object.keys(states).map((id) => deployment(id, fields)),
      breaker: (key) => breaker(states[key.slice('provider:'.length)] ?? 'closed'),
    });

  it('is healthy while every circuit lets calls through, degraded without some, unhealthy without all', async () => {
    assert.equal(await statusOf(check({})), 'healthy');
    assert.equal(await statusOf(check({ a: 'closed', b: 'disabled' })), 'healthy');
    for (const away of ['open', 'half_open', 'forced_open'] as const) {
      assert.equal(await statusOf(check({ a: 'closed', b: away })), 'degraded', away);
      assert.equal(await statusOf(check({ a: 'open', b: away })), 'unhealthy', away);
    }
  });

  it('is unhealthy without all real ones, whatever a simulator beside them does', async () => {
    const beside = (states: Record<string, 'open' | 'closed'>): HealthCheck =>
      providersCheck({
        deployments: () => [deployment('real'), deployment('sim', { kind: 'simulator' })],
        breaker: (key) => breaker(states[key.slice('provider:'.length)] ?? 'closed'),
      });
    assert.equal(await statusOf(beside({ real: 'open' })), 'unhealthy');
    assert.equal(await statusOf(beside({ sim: 'open' })), 'degraded');
  });

  it('names those that are away, five at most, and tells the last calls', async () => {
    const states = Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`d${index}`, 'open' as const]));
    const last = { lastSuccessWallMs: 0, lastFailureWallMs: 1_000, lastFailure: 'cut' as const };
    const { detail, data } = await outcomeOf(check(states, last));
    assert.equal(detail, 'Not closed: d0 (open), d1 (open), d2 (open), d3 (open), d4 (open) and 3 more.');
    assert.partialDeepStrictEqual(data, {
      deployments: 8,
      away: 8,
      lastSuccess: '1970-01-01T00:00:00.000Z',
      lastFailure: '1970-01-01T00:00:01.000Z',
      lastFailureOf: 'd0: cut',
    });
  });
});

describe('the check of the memory', () => {
  it('is healthy when it answers, and degraded, never red, when it does not', async () => {
    const logged: unknown[] = [];
    const log = (...entry: unknown[]): void => void logged.push(entry);
    const logger = { debug: log, info: log, warn: log, error: log };
    const check = (ping: () => Promise<unknown>): HealthCheck =>
      memoryCheck({ ping, breaker: () => breaker('open'), embeddings: true, logger });
    const well = await outcomeOf(check(async () => null));
    assert.deepEqual([well.status, well.data], ['healthy', { circuit: 'open', embeddings: true }]);
    const gone = check(() => Promise.reject(new Error('no route to 10.1.2.3')));
    assert.equal(await statusOf(gone), 'degraded');
    assert.doesNotMatch((await outcomeOf(gone)).detail, /10\.1/);
    assert.equal(gone.servesWithout, true);
    assert.equal(logged.length, 2);
  });
});

describe('the check of the database', () => {
  const logged: unknown[] = [];
  const logger = {
    debug: (...entry: unknown[]) => void logged.push(entry),
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
  };
  const check = (ping: () => Promise<void>, pool = { max: 2, total: 1, idle: 1, waiting: 0 }): HealthCheck =>
    databaseCheck({ kind: 'postgres', ping, poolStats: () => pool, backlog: () => 3, logger });

  it('is healthy when it answers, degraded when callers wait, unhealthy when it does not answer', async () => {
    const well = await outcomeOf(check(async () => undefined));
    assert.equal(well.status, 'healthy');
    assert.partialDeepStrictEqual(well.data, { kind: 'postgres', max: 2, runBacklog: 3 });
    const busy = { max: 2, total: 2, idle: 0, waiting: 4 };
    assert.equal(await statusOf(check(async () => undefined, busy)), 'degraded');
    const gone = await outcomeOf(check(() => Promise.reject(new Error('no route to 10.1.2.3 for user admin'))));
    assert.equal(gone.status, 'unhealthy');
    assert.doesNotMatch(gone.detail, /10\.1\.2\.3|admin/);
    assert.equal(logged.length, 1);
  });
});

describe('the checks of the process', () => {
  it('take their bounds from what is used of what there is', async () => {
    assert.equal(await statusOf(heapCheck()), 'healthy');
    assert.equal(await statusOf(heapCheck({ degradedShare: 0 })), 'degraded');
    assert.equal(await statusOf(heapCheck({ degradedShare: 0, unhealthyShare: 0 })), 'unhealthy');
    const folder = tmpdir();
    assert.equal(await statusOf(diskCheck({ folder, degradedShare: 0, unhealthyBytes: 0 })), 'healthy');
    assert.equal(await statusOf(diskCheck({ folder, degradedShare: 1.1, unhealthyBytes: 0 })), 'degraded');
    assert.equal(await statusOf(diskCheck({ folder, unhealthyBytes: Number.MAX_SAFE_INTEGER })), 'unhealthy');
  });

  it('see an event loop that was blocked', async (t) => {
    const check = eventLoopCheck({ degradedMs: 60, unhealthyMs: 60_000 });
    t.after(() => check.stop());
    let pause = 0;
    await waitFor(async () => {
      // A look starts the monitor anew, and it sees nothing before its own timer has rung: blocked and looked at with pauses between.
      pause++;
      if (pause % 8 === 4) for (const until = performance.now() + 200; performance.now() < until;);
      return pause % 8 === 0 && (await statusOf(check)) === 'degraded' ? true : null;
    });
  });
});
