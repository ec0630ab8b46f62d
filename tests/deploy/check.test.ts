/** `revoagent check`: it passes what is well, and each of its rows fails for the fault that is planted for it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { before, describe, it } from 'node:test';
import { systemClock } from '#core/clock';
import { breakerRow, cachingRow, rateLimitRow, resilienceRow } from '#stack/check/faults';
import type { Measured } from '#stack/check/normal-load';
import { measureNormalLoad } from '#stack/check/normal-load';
import { balancerRow, healthRow, monitoringRow, performanceRow } from '#stack/check/serving';
import type { Row, Site } from '#stack/check/site';
import { isMet } from '#stack/check/site';
import { startOwnStack } from '#stack/index';
import type { CheckReport, OwnStack } from '#stack/index';
import { runCli } from '../helpers/hub-process.ts';
import { hurried } from '../helpers/hurried-clock.ts';
import { startLiar } from '../helpers/liar.ts';
import { forTheSuite } from '../helpers/suite.ts';

/** A busy machine is no fault of the stack: what depends on its speed is judged by the command, not here. */
const BY_SPEED = /p95 is not below|instance_overloaded/;
const assertPassed = ({ name, problems }: Row): void =>
  assert.deepEqual(
    problems.filter((problem) => !BY_SPEED.test(problem)),
    [],
    name,
  );
const assertFailed = ({ name, problems }: Row, why: RegExp): void =>
  assert.ok(
    problems.some((problem) => why.test(problem)),
    `${name}: ${JSON.stringify(problems)}`,
  );

describe('revoagent check', () => {
  const suite = forTheSuite();
  let own: OwnStack;
  let site: Site;
  let measured: Measured;
  before(async () => {
    own = await startOwnStack(systemClock, () => undefined);
    suite.after(() => own.close());
    ({ site } = own);
  });

  it('passes a stack that is well, against the running one and in its own', async () => {
    const run = await runCli(['check', '--folder', own.folder, '--model', 'check', '--seconds', '1', '--json']);
    assert.notEqual(run.stdout, '', run.stderr);
    const report: CheckReport = JSON.parse(run.stdout);
    report.rows.forEach(assertPassed);
    assert.equal(run.code, report.passed ? 0 : 1);
    assert.equal(report.rows.length, 8);
    for (const { name, value } of report.targets) assert.ok(value >= 0 && value < Infinity, `${name}: ${value}`);
    assertPassed(await breakerRow(site));
    assertPassed(await cachingRow(site));
  });

  it('fails for slow or failing answers, and for a hub that has no share', async (t) => {
    const { url } = await startLiar(t, site.url, ({ path, count }) => {
      if (path === '/health/ready' && count % 2 === 0) return { status: 503, body: '{}' };
      if (path === '/api/models' && count % 2 === 0) return { status: 502, body: '{}' };
      return path === '/metrics' ? { status: 200, body: 'up 1' } : null;
    });
    measured = await measureNormalLoad({ ...site, url }, 1);
    assertFailed(await healthRow(site, measured), /readiness answered 503/);
    assertFailed(await healthRow(site, { ...measured, probes: [51] }), /p95 is not below 50 ms/);
    assertFailed(performanceRow(measured), /^read: 502/);
    assertFailed(performanceRow({ ...measured, hubP95Ms: 100 }), /p95 is not below 100 ms/);
    const [first, second] = measured.hubs;
    assert.ok(first !== undefined && second !== undefined);
    const lame = { ...measured, hubs: [first, { ...second, requests: 0 }] };
    const row = await balancerRow(site, lame);
    assertFailed(row, /^hub-2 had 0 % of the requests/);
    const seen = await startLiar(t, site.url, ({ path }) =>
      path === '/metrics' ? { status: 200, body: 'up 1' } : null,
    );
    assertFailed(await balancerRow({ ...site, url: seen.url, hubs: [] }, measured), /\/metrics answers 200/);
    const strangers = site.hubs.map((hub) => ({ ...hub, name: `${hub.name}0` }));
    assertFailed(await balancerRow({ ...site, hubs: strangers }, measured), /10 of 10 sockets did not come back/);
  });

  it('fails where Prometheus does not see all, or is not there', async (t) => {
    assertFailed(await monitoringRow({ ...site, prometheus: null }, 0), /without monitoring/);
    const half = await startLiar(
      t,
      site.prometheus ?? '',
      () => null,
      (body) => body.replace('"health":"up"', '"health":"down"'),
    );
    const blind: Site = { ...site, clock: hurried, prometheus: half.url, alertmanager: null };
    const row = await monitoringRow(blind, 1e9);
    assertFailed(row, / is down$/);
    assertFailed(row, /^Prometheus has seen \d+ requests, and the hubs have served 1000000000/);
    assertFailed(row, /no Alertmanager/);
  });

  it('fails where no circuit opens, nothing is kept, and a flood gets through', async (t) => {
    const { upstream } = site;
    assert.ok(upstream !== null);
    const deaf = {
      baseUrl: upstream.baseUrl,
      asked: upstream.asked,
      get calls() {
        return upstream.calls;
      },
      failing: false,
      close: () => undefined,
    };
    assertFailed(await breakerRow({ ...site, upstream: deaf }), /did not open after 60 failed calls/);
    const forgetful = await startLiar(t, site.url, () => null, undefined, ['x-revoagent-cache']);
    const hubs = site.hubs.map((hub) => ({ ...hub, url: forgetful.url }));
    const row = await cachingRow({ ...site, url: forgetful.url, hubs });
    assertFailed(row, /the first answer is 200, "undefined"/);
    assertFailed(row, /10 callers at once asked the upstream 10 times/);
    const open = await startLiar(t, site.url, () => ({ status: 200, body: '{}' }));
    assertFailed(await rateLimitRow({ ...site, url: open.url }), /none was refused/);
  });

  it('fails where what was killed does not come back, and reads fail meanwhile', async (t) => {
    const parts = ['hub-1', 'redis-cache'].map((name) => {
      const child = spawn('sleep', ['600']);
      t.after(() => child.kill('SIGKILL'));
      return { name, state: 'ready' as const, pid: child.pid ?? 0, restarts: 0, readyForMs: 1, shown: null, child };
    });
    // Two minutes of requests in a few seconds, which the stack itself need not carry: what is judged here is who comes back, and reads.
    const { url } = await startLiar(t, site.url, ({ path }) => ({
      status: path === '/api/models' ? 502 : 200,
      body: '{}',
    }));
    const status = async () => ({ folder: '', hubs: 1, parts });
    const ended = Promise.all(parts.map(({ child }) => once(child, 'exit')));
    const { row } = await resilienceRow({ ...site, clock: hurried, url, hubs: site.hubs.slice(0, 1), status });
    await ended;
    assertFailed(row, /^hub-1 was killed and did not come back/);
    assertFailed(row, /^redis-cache was killed and did not come back/);
    assertFailed(row, /^a read failed: 502/);
  });

  it('judges no target met that was not measured, or lies on the wrong side', () => {
    const target = { name: 'x', unit: 's' };
    assert.deepEqual(
      [NaN, 40, 39.9].map((value) => isMet({ ...target, value, below: 40 })),
      [false, false, true],
    );
    assert.deepEqual(
      [NaN, 99.8, 99.9].map((value) => isMet({ ...target, value, atLeast: 99.9 })),
      [false, false, true],
    );
  });
});
