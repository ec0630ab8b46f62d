/** What the hub exposes: all of the catalogue and nothing else, in Prometheus' text form, with labels that cannot grow. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limits as bounds } from '#core/limits';
import type { BreakerStatus } from '#contract/breakers';
import type { RequestFinished } from '#contract/observer';
import type { AttemptRecord, RunRecord } from '#contract/runs';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { entries } from './catalogue.ts';
import { createLogger } from './logger.ts';
import { createTelemetry } from './telemetry.ts';
import type { Telemetry } from './telemetry.ts';

function started() {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const logger = createLogger({
    clock,
    level: 'info',
    format: 'json',
    instance: 'i',
    colours: false,
    destination: { write: (text) => void lines.push(text) },
  });
  const telemetry = createTelemetry({ clock, instance: 'i', version: '1.2.3', logger });
  return { clock, lines, telemetry };
}

const request: RequestFinished = {
  method: 'POST',
  route: '/v1/chat/completions',
  status: 200,
  durationMs: 120,
  hubMs: 4,
  streamFailed: false,
  requestId: 'req_1',
  runId: 'run_1',
  traceId: null,
  traceparent: null,
  parentSpanId: null,
  errorCode: null,
};

function status(key: string, state: BreakerStatus['state'], trips = 0): BreakerStatus {
  const counts = { failuresInWindow: 0, callsInWindow: 0, inFlight: 0, trips, rejected: 2, lateResults: 1 };
  return { key, state, suspect: false, retryAfterMs: null, stateAgeMs: 0, forced: null, ...counts };
}

const attempt = {
  provider: 'p',
  outcome: 'succeeded',
  totalMs: 80,
  firstTokenMs: 20,
  costMicroUsd: 2_500,
} as AttemptRecord;
const run = { status: 'succeeded', provider: 'p', promptTokens: 7, completionTokens: 3 } as RunRecord;

/** Everything that can happen, once. */
function everything(
  { observer, sockets, limits, attach }: Telemetry,
  breakers: readonly BreakerStatus[] = [status('a', 'open', 1)],
): void {
  observer.requestStarted();
  observer.requestFinished(request);
  observer.requestStarted();
  observer.requestFinished({ ...request, status: 502, errorCode: 'upstream_failed' });
  observer.attemptFinished(attempt);
  observer.attemptFinished({ ...attempt, costMicroUsd: null });
  observer.runFinished({ ...run, guardrail: [{ stage: 'before', action: 'allowed', tookMs: 1 }] });
  const tool = { id: 'call', name: 'weather', outcome: 'succeeded', tookMs: 1 } as const;
  observer.turnFinished({ end: 'stop', tools: [tool], memory: 'used' });
  observer.queryFinished({ query: 'keys.find', durationMs: 2, failed: false });
  observer.poolWaited(1);
  observer.runsDropped(2);
  observer.contentsDropped(3);
  observer.retryBudgetExhausted();
  observer.ledgerRow('written');
  observer.ledgerUnjournalled();
  observer.memoryFinished({ operation: 'recall', outcome: 'ok', durationMs: 3, withoutVector: true });
  observer.externalFinished({ api: 'github', outcome: '2xx', durationMs: 4 });
  observer.cacheOperation({ tier: 'redis', operation: 'acquire', outcome: 'ok', ms: 1 });
  observer.cacheLookup({ tier: 'redis', result: 'hit', bytes: 7 });
  observer.cacheStored({ tier: 'redis', bytes: 7 });
  observer.cacheGap();
  observer.configReloaded('refused');
  observer.spansEnded('exported', 3);
  observer.requestShed('event_loop', 'new', null);
  const limit = {
    scope: 'key',
    id: 'key_1',
    kind: 'requests',
    period: 'minute',
    max: 10,
    used: 4,
    resetMs: 5,
  } as const;
  limits.limitDecided([limit], null);
  limits.limitStoreAsked('reserve', 'ok', 1);
  sockets.opened();
  sockets.runs(1);
  sockets.message('sent');
  sockets.closed('1000');
  attach({
    breakers: () => breakers,
    pool: () => ({ max: 10, total: 3, idle: 2, waiting: 1 }),
    backlog: () => 5,
    ledger: () => ({ backlog: 6, journalBytes: 7, reserved: 2 }),
    cache: () => ({ hits: 1, misses: 2, shared: 1, staleServed: 1, entries: 3, bytes: 4, evictions: 1 }),
    keyLookups: () => ({ hits: 1, misses: 2, shared: 1, staleServed: 1 }),
    admittedShare: () => 0.5,
    instances: () => ({ live: 2, draining: ['hub-2'], degraded: true }),
    limits: () => ({ mode: 'share', dividedBy: 3 }),
    checks: () => [{ name: 'disk', status: 'degraded', detail: '', runbook: 'disk', tookMs: 1, since: '' }],
  });
}

/** Name and labels of every series; throws where a line is not of the text format. */
function seriesOf(body: string): { name: string; labels: string; value: number }[] {
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => {
    const [, name = '', labels = '', value = ''] =
      /^([a-z_][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)$/.exec(line) ??
      assert.fail(`no series: ${line}`);
    assert.ok(Number.isFinite(Number(value)), line);
    return { name, labels, value: Number(value) };
  });
}

describe('metrics', () => {
  it('are those of the catalogue, every one and no other, with its labels', async () => {
    const { telemetry } = started();
    everything(telemetry);
    const { contentType, body } = await telemetry.metrics();
    assert.match(contentType, /^text\/plain; version=0\.0\.4/);
    const seen = new Map<string, Set<string>>();
    for (const { name, labels } of seriesOf(body)) {
      const base = entries.some((entry) => entry.name === name) ? name : name.replace(/_(bucket|sum|count)$/, '');
      const names = [...labels.matchAll(/([a-z_]+)=/g)]
        .map(([, label = '']) => label)
        .filter((label) => label !== 'le');
      seen.set(base, new Set([...(seen.get(base) ?? []), ...names]));
    }
    assert.deepEqual([...seen.keys()].toSorted(), entries.map(({ name }) => name).toSorted());
    for (const { name, labels } of entries) {
      assert.deepEqual([...(seen.get(name) ?? [])].toSorted(), Object.keys(labels).toSorted(), name);
    }
    telemetry.close();
  });

  it('hold what happened', async () => {
    const { telemetry } = started();
    everything(telemetry);
    const series = seriesOf((await telemetry.metrics()).body);
    const value = (name: string, labels = ''): number | undefined =>
      series.find((each) => each.name === name && each.labels.includes(labels))?.value;
    assert.equal(value('http_server_request_duration_seconds_count', 'http_response_status_code="502"'), 1);
    assert.equal(value('revoagent_request_errors_total'), 1);
    assert.equal(value('revoagent_requests_in_flight'), 0);
    assert.equal(value('revoagent_breaker_state', 'breaker="a"'), 1);
    assert.equal(value('revoagent_breakers', 'state="open"'), 1);
    assert.equal(value('revoagent_breaker_rejections_total'), 2);
    assert.equal(value('revoagent_cost_usd_total'), 0.0025);
    assert.equal(value('revoagent_cost_unknown_total'), 1);
    assert.equal(value('revoagent_run_backlog'), 5);
    assert.equal(value('revoagent_runs_dropped_total'), 2);
    assert.equal(value('revoagent_pool_connections', 'state="idle"'), 2);
    assert.equal(value('revoagent_health_check_status', 'check="disk"'), 1);
    telemetry.close();
  });

  it('do not grow with the names that callers give their models', async () => {
    const { telemetry } = started();
    everything(telemetry);
    const before = seriesOf((await telemetry.metrics()).body).length;
    for (let index = 0; index < 1_000; index++) {
      const model = `odd "name" \\ ${index}\n`;
      telemetry.observer.attemptFinished({ ...attempt, model, deployment: `p/${model}` });
      telemetry.observer.runFinished({ ...run, requestedModel: model, model, route: 'p/*' });
    }
    assert.equal(seriesOf((await telemetry.metrics()).body).length, before);
    telemetry.close();
  });

  it('name so many sick breakers and no more, and count them all', async () => {
    const { telemetry } = started();
    const sick = Array.from({ length: bounds.breakerSeriesMax + 10 }, (_, index) =>
      status(`provider:p/m${index}`, 'open'),
    );
    everything(telemetry, sick);
    const series = seriesOf((await telemetry.metrics()).body);
    const named = series.filter(({ name }) => name === 'revoagent_breaker_state');
    const open = series.find(({ name, labels }) => name === 'revoagent_breakers' && labels.includes('"open"'));
    assert.deepEqual([named.length, open?.value], [bounds.breakerSeriesMax, sick.length]);
    telemetry.close();
  });

  it('do not grow with breakers that are well, nor keep one that is gone', async () => {
    const { telemetry } = started();
    const many = Array.from({ length: 1_000 }, (_, index) => status(`provider:p/m${index}`, 'closed'));
    everything(telemetry, [...many, status('sick', 'open')]);
    const before = seriesOf((await telemetry.metrics()).body).filter(({ name }) => name === 'revoagent_breaker_state');
    assert.deepEqual(
      before.map(({ labels }) => labels),
      ['breaker="sick"'],
    );
    everything(telemetry, many);
    const after = seriesOf((await telemetry.metrics()).body).filter(({ name }) => name === 'revoagent_breaker_state');
    assert.deepEqual(after, []);
    telemetry.close();
  });
});

async function turnsOfTheLoop(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('what a scrape sees of the process', () => {
  const valueOf = async (telemetry: Telemetry, name: string): Promise<number | undefined> =>
    seriesOf((await telemetry.metrics()).body).find((series) => series.name === name)?.value;

  it('counts a step of the wall clock in either direction once, and neither the passing of time nor slewing', async () => {
    const { clock, telemetry } = started();
    const steps = () => valueOf(telemetry, 'revoagent_clock_steps_total');
    assert.equal(await steps(), 0);
    clock.jump(3_600_000);
    assert.equal(await steps(), 0, 'an hour passed');
    clock.stepWall(999);
    assert.equal(await steps(), 0, 'slewed by less than a second between two scrapes');
    clock.stepWall(60_000);
    assert.equal(await steps(), 1, 'a minute forward');
    assert.equal(await steps(), 1, 'it is told once');
    clock.stepWall(-7_200_000);
    assert.equal(await steps(), 2, 'two hours back');
    telemetry.close();
  });

  it('holds the longest stay of the event loop, which a percentile hides, for two windows and no longer', async () => {
    const { clock, telemetry } = started();
    const WINDOW_MS = 15_000;
    const blockedMs = 400;
    let seen = 0;
    const look = async (): Promise<boolean> => {
      seen = (await valueOf(telemetry, 'revoagent_event_loop_delay_max_seconds')) ?? 0;
      return seen >= (blockedMs / 1_000) * 0.9;
    };
    // The monitor has to have begun before it can be late: it is blocked until it tells of it.
    for (let tries = 0; tries < 20 && !(await look()); tries++) {
      const end = performance.now() + blockedMs;
      while (performance.now() < end);
      await turnsOfTheLoop(50);
    }
    assert.ok(await look(), `${seen} s`);
    clock.jump(WINDOW_MS);
    assert.ok(await look(), 'a scrape of the next window still tells');
    clock.jump(WINDOW_MS);
    await look();
    clock.jump(WINDOW_MS);
    assert.equal(await look(), false, `${seen} s`);
    telemetry.close();
  });
});

describe('performance', () => {
  it('tells of the last minute, and of everything since the start', () => {
    const { clock, telemetry } = started();
    everything(telemetry);
    clock.jump(30_000);
    const report = telemetry.performance();
    assert.partialDeepStrictEqual(report, {
      uptimeSeconds: 30,
      window: { seconds: 30, requests: 2, errorRate: 0.5 },
      totals: { requests: 2, errors: 1, attempts: 2 },
      inFlight: 0,
    });
    const p95 = report.window.totalTime?.p95Ms ?? 0;
    assert.ok(p95 > 110 && p95 < 130, `${p95}`);
    assert.deepEqual(Object.keys(report.memory), ['rssBytes', 'heapUsedBytes', 'heapLimitBytes']);
    clock.jump(60_000);
    assert.partialDeepStrictEqual(telemetry.performance(), {
      window: { seconds: 60, requests: 0, errorRate: 0, totalTime: null },
      totals: { requests: 2 },
    });
    telemetry.close();
  });
});

describe('the log', () => {
  it('has a line a request, with its ids, and no field whose name sounds like a secret or a prompt', () => {
    const { lines, telemetry } = started();
    everything(telemetry);
    assert.partialDeepStrictEqual(JSON.parse(lines[0] ?? ''), {
      level: 'info',
      event: 'request-finished',
      request: 'req_1',
      run: 'run_1',
      route: '/v1/chat/completions',
      status: 200,
    });
    telemetry.close();
    const written: string[] = [];
    const destination = { write: (text: string) => void written.push(text) };
    for (const format of ['json', 'pretty'] as const) {
      const logger = createLogger({
        clock: new VirtualClock(),
        level: 'debug',
        format,
        instance: 'i',
        colours: false,
        destination,
      });
      const fields = { apiKey: 'canary', authorization: 'canary', prompt: 'canary', messages: 'canary', shown: 'yes' };
      for (const level of ['debug', 'info', 'warn', 'error'] as const) logger[level]('careless', fields);
    }
    assert.equal(written.length, 8);
    assert.doesNotMatch(written.join(''), /canary/);
    assert.match(written.join(''), /yes/);
  });

  it('tells of an error whose fields are no JSON, without them', () => {
    const lines: string[] = [];
    const destination = { write: (text: string) => void lines.push(text) };
    const base = { clock: new VirtualClock(), level: 'info', instance: 'i', colours: false, destination } as const;
    const client: Record<string, unknown> = {};
    client['pool'] = { client };
    for (const fields of [{ client }, { offset: 1n }])
      createLogger({ ...base, format: 'json' }).error('failed', {}, Object.assign(new Error('It broke.'), fields));
    createLogger({ ...base, format: 'json' }).error('failed', {}, Object.freeze(new RangeError('It broke.')));
    for (const { err, event } of lines.map((line) => JSON.parse(line)))
      assert.deepEqual([event, err.message, typeof err.stack], ['failed', 'It broke.', 'string']);
    assert.equal(lines.length, 3);
  });

  it('has a list as it is in JSON, and for people one line after the other', () => {
    const written = (format: 'json' | 'pretty'): string => {
      let all = '';
      const destination = { write: (text: string) => void (all += text) };
      const clock = new VirtualClock();
      const logger = createLogger({ clock, level: 'debug', format, instance: 'i', colours: false, destination });
      logger.error('config-refused', { problems: ['a.yaml:1: one', 'a.yaml:2: two'], reason: 'it is invalid' });
      return all;
    };
    assert.deepEqual(JSON.parse(written('json')).problems, ['a.yaml:1: one', 'a.yaml:2: two']);
    assert.match(
      written('pretty'),
      /^\S+ error config-refused {2}reason=it is invalid\n {2}a\.yaml:1: one\n {2}a\.yaml:2: two\n$/,
    );
  });

  it('counts pages, probes and metrics as requests, and leaves them out of the times of work', () => {
    const { telemetry } = started();
    everything(telemetry);
    const before = telemetry.performance().window;
    for (const route of ['/', '/docs', '/assets/{file}', '/health', '/health/ready', '/metrics'])
      telemetry.observer.requestFinished({ ...request, route, hubMs: 5_000, durationMs: 5_000 });
    const { window } = telemetry.performance();
    assert.deepEqual([window.hubTime, window.totalTime], [before.hubTime, before.totalTime]);
    assert.equal(window.requests, before.requests + 6);
    telemetry.observer.requestFinished({ ...request, route: '/api/performance', hubMs: 5_000 });
    assert.notDeepEqual(telemetry.performance().window.hubTime, before.hubTime);
    telemetry.close();
  });

  it('counts those who were sent away as requests and as errors, not in the times of its work, and writes one line a second for them', async () => {
    const { clock, lines, telemetry } = started();
    const asked = { method: 'POST', route: '/v1/chat/completions', status: 503, durationMs: 2 };
    for (let count = 0; count < 3; count++) telemetry.observer.requestShed('queue', 'new', asked);
    telemetry.observer.requestShed('memory', 'continuing', null);
    const { body } = await telemetry.metrics();
    assert.match(body, /revoagent_requests_shed_total\{[^}]*reason="queue"[^}]*\} 3/);
    assert.match(body, /http_server_request_duration_seconds_count\{[^}]*503[^}]*\} 3/);
    assert.doesNotMatch(body, /revoagent_hub_time_seconds_count\{[^}]*chat[^}]*\} [1-9]/);
    assert.match(body, /revoagent_request_errors_total\{[^}]*kind="status"[^}]*\} 3/);
    const { totals, window } = telemetry.performance();
    assert.partialDeepStrictEqual(totals, { requests: 3, errors: 3 });
    assert.equal(window.requests, 3);
    assert.deepEqual(lines, []);
    await clock.advance(1_000);
    assert.equal(lines.length, 1);
    assert.partialDeepStrictEqual(JSON.parse(lines[0] ?? ''), {
      level: 'warn',
      event: 'requests-shed',
      queue: 3,
      memory: 1,
    });
    await clock.advance(10_000);
    assert.equal(lines.length, 1);
    telemetry.close();
  });
});
