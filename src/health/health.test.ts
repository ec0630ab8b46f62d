import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limits } from '#core/limits';
import type { CheckOutcome, HealthCheck } from '#contract/health';
import type { LogFields } from '#contract/logger';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { createHealth } from './health.ts';

interface ScriptedCheck extends HealthCheck {
  outcome: CheckOutcome | Promise<CheckOutcome> | Error;
  runs: number;
}

function scripted(name: string, fields: Partial<HealthCheck> = {}): ScriptedCheck {
  return {
    name,
    runbook: name,
    servesWithout: false,
    timeoutMs: 500,
    ...fields,
    outcome: { status: 'healthy', detail: 'Well.' },
    runs: 0,
    async check() {
      this.runs++;
      if (this.outcome instanceof Error) throw this.outcome;
      return this.outcome;
    },
  };
}

function started(...checks: ScriptedCheck[]) {
  const clock = new VirtualClock();
  const logged: [string, LogFields | undefined][] = [];
  const ignore = (): void => undefined;
  const logger = {
    debug: ignore,
    info: ignore,
    warn: (event: string, fields?: LogFields) => void logged.push([event, fields]),
    error: ignore,
  };
  return { clock, logged, health: createHealth({ checks, clock, instance: 'i', version: '1', logger }) };
}

describe('health', () => {
  it('remembers each change of a check with its words, the newest first, and only so many', async () => {
    const one = scripted('one');
    const { clock, health } = started(one, scripted('steady'));
    const turnTo = async (outcome: CheckOutcome): Promise<void> => {
      one.outcome = outcome;
      clock.jump(1_000);
      await health.report();
    };
    assert.deepEqual(health.history(), []);
    await turnTo({ status: 'healthy', detail: 'Well.' });
    await turnTo({ status: 'healthy', detail: 'Still well.' });
    await turnTo({ status: 'unhealthy', detail: 'Gone.' });
    const [first, ...before] = health.history();
    assert.deepEqual(first, {
      name: 'one',
      from: 'healthy',
      to: 'unhealthy',
      detail: 'Gone.',
      at: '2026-01-01T00:00:03.000Z',
    });
    assert.deepEqual(before.map(({ name, from, to }) => `${name}: ${from} to ${to}`).toSorted(), [
      'one: null to healthy',
      'steady: null to healthy',
    ]);
    for (let turn = 0; turn < limits.healthChangesMax; turn++)
      await turnTo({ status: turn % 2 === 0 ? 'degraded' : 'healthy', detail: `${turn}` });
    const kept = health.history();
    assert.deepEqual([kept.length, kept[0]?.detail], [limits.healthChangesMax, `${limits.healthChangesMax - 1}`]);
    assert.ok(kept.every(({ name }) => name === 'one'));
  });

  it('asks each check once a second, however many ask', async () => {
    const one = scripted('one');
    const { clock, health } = started(one);
    await Promise.all([health.report(), health.report(), health.ready()]);
    clock.jump(999);
    await health.report();
    assert.equal(one.runs, 1);
    clock.jump(1);
    await health.report();
    assert.equal(one.runs, 2);
  });

  it('does not wait for a check that hangs, and does not start it again beside itself', async () => {
    const hangs = scripted('hangs');
    const held = Promise.withResolvers<CheckOutcome>();
    hangs.outcome = held.promise;
    const { clock, health } = started(hangs);
    for (let round = 0; round < 3; round++) {
      const report = health.report();
      await clock.advance(500);
      assert.partialDeepStrictEqual(await report, {
        status: 'unhealthy',
        checks: [{ status: 'unhealthy', detail: 'The check did not answer within 500 ms.', tookMs: 500 }],
      });
      clock.jump(1_000);
    }
    assert.equal(hangs.runs, 1);
    held.resolve({ status: 'healthy', detail: 'Back.' });
    await clock.advance(1_000);
    hangs.outcome = { status: 'healthy', detail: 'Well.' };
    assert.equal((await health.report()).status, 'healthy');
    assert.equal(hangs.runs, 2);
    assert.equal(clock.pending, 0);
  });

  it('tells callers nothing of what a check throws, and the log why, once while it lasts', async () => {
    const throws = scripted('throws');
    throws.outcome = new Error('no such folder: /srv/hub');
    const { clock, health, logged } = started(throws);
    for (let look = 0; look < 3; look++) {
      const report = await health.report();
      assert.equal(report.checks[0]?.status, 'unhealthy');
      assert.doesNotMatch(JSON.stringify(report), /srv/);
      clock.jump(1_000);
    }
    assert.deepEqual(logged, [['health-check-failed', { check: 'throws', reason: 'no such folder: /srv/hub' }]]);
  });

  it('says since when a check is as it is', async () => {
    const one = scripted('one');
    const { clock, health } = started(one);
    const since = async (): Promise<number> => Date.parse((await health.report()).checks[0]?.since ?? '');
    const first = await since();
    clock.jump(5_000);
    assert.equal(await since(), first, 'unchanged while the status is');
    one.outcome = { status: 'degraded', detail: 'Slow.' };
    clock.jump(5_000);
    assert.equal(await since(), first + 10_000);
  });

  it('is ready without what it can do without, and says what it lacks otherwise', async () => {
    const needed = scripted('needed');
    const useful = scripted('useful', { servesWithout: true });
    useful.outcome = { status: 'unhealthy', detail: 'Gone.' };
    const { clock, health } = started(needed, useful);
    assert.deepEqual(await health.ready(), { ready: true, reason: '' });
    assert.equal((await health.report()).status, 'degraded', 'what it serves without degrades it at worst');
    needed.outcome = { status: 'unhealthy', detail: 'Full.' };
    clock.jump(1_000);
    assert.deepEqual(await health.ready(), { ready: false, reason: 'needed: Full.' });
    assert.equal((await health.report()).status, 'unhealthy');
    needed.outcome = { status: 'degraded', detail: 'Slow.' };
    clock.jump(1_000);
    assert.equal((await health.ready()).ready, true);
  });

  it('gives a scrape the last results at once, and the next scrape newer ones', async () => {
    const one = scripted('one');
    const { clock, health } = started(one);
    assert.deepEqual(health.last(), []);
    await clock.advance(0);
    assert.equal(health.last()[0]?.status, 'healthy');
    assert.equal(one.runs, 1);
  });

  it('is ready at once while what it can do without does not answer', async () => {
    const optional = scripted('optional', { servesWithout: true });
    const { health } = started(scripted('needed'), optional);
    optional.outcome = new Promise(() => undefined);
    // The clock stands still: no deadline ends the check.
    assert.deepEqual(await health.ready(), { ready: true, reason: '' });
  });

  it('is alive without asking anything, and not ready while it drains', async () => {
    const one = scripted('one');
    const { clock, health } = started(one);
    clock.jump(61_000);
    assert.deepEqual(health.live(), { status: 'healthy', uptimeSeconds: 61 });
    assert.equal(one.runs, 0);
    health.drain('Shutting down.');
    health.drain('Twice.');
    assert.deepEqual(await health.ready(), { ready: false, reason: 'Shutting down.' });
    assert.deepEqual([one.runs, health.draining, health.live().status], [0, true, 'healthy']);
    assert.equal((await health.report()).status, 'degraded');
  });
});
