/**
 * Hubs that share a real Redis: who lives is known to all within seconds, also after `kill -9`; what one learns of an upstream the
 * others heed; an operator's order reaches all. And a Redis that goes changes nothing for a caller. Only the one that is killed needs a
 * process of its own: the others speak with each other through Redis alone, wherever they run.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { LimitModeReport } from '#contract/limits';
import { startHubHere } from '../helpers/hub-here.ts';
import type { HubHere } from '../helpers/hub-here.ts';
import { startHubProcess, waitFor } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { startRedis } from '../helpers/redis.ts';
import type { TestRedis } from '../helpers/redis.ts';
import { forTheSuite } from '../helpers/suite.ts';
import { answers, gate, refuses, startUpstream } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';

/** Far longer than any test takes: what is open stays so until somebody closes it. */
const OPEN_MS = 300_000;
/** Where a test waits for a probe. */
const PROBED_MS = 5_000;
/** As long as Redis takes an instance for alive that does not beat. */
const LIFE_MS = 3_500;

interface Listed {
  readonly source: string;
  readonly data: readonly { readonly id: string; readonly answers: boolean; readonly draining: boolean }[];
}

async function getJson<T>(hub: HubHere, path: string): Promise<T> {
  const body: T = JSON.parse(await (await fetch(`${hub.url}${path}`)).text());
  return body;
}

async function idsAt(hub: HubHere): Promise<string> {
  const { data } = await getJson<Listed>(hub, '/api/instances');
  return data.map(({ id, answers: own }) => (own ? `(${id})` : id)).join(' ');
}

function seen(hub: HubHere, ids: string): Promise<true> {
  return waitFor(async () => ((await idsAt(hub)) === ids ? true : null));
}

/** How long Redis takes it for alive yet; null where it knows nothing of it. */
async function lifeIn(redis: TestRedis, id: string): Promise<number | null> {
  const [seconds = '0', micros = '0'] = (await redis.command('TIME')) as string[];
  const written = (await redis.command('HVALS', 'revoagent:instances')) as string[];
  const found = written.find((text) => text.includes(`{"id":"${id}"`));
  return found === undefined ? null : Number(found.split(' ')[0]) - Number(seconds) * 1_000 - Number(micros) / 1_000;
}

async function chat(hub: HubHere, model: string): Promise<number> {
  const response = await fetch(`${hub.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: `up/${model}`, messages: [{ role: 'user', content: 'x' }] }),
  });
  await response.arrayBuffer();
  return response.status;
}

async function breakerAt(hub: HubHere, model: string): Promise<{ state: string; suspect: boolean }> {
  return getJson(hub, `/api/circuit-breakers/${encodeURIComponent(`provider:up/${model}`)}`);
}

async function order(hub: HubHere, model: string, what: string, body: unknown): Promise<number> {
  const key = encodeURIComponent(`provider:up/${model}`);
  const headers = { 'content-type': 'application/json' };
  const at = `${hub.url}/api/circuit-breakers/${key}/${what}`;
  return (await fetch(at, { method: 'POST', headers, body: JSON.stringify(body) })).status;
}

async function metricAt(hub: HubHere, name: string): Promise<number> {
  const text = await (await fetch(`${hub.url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

describe('hubs that share a Redis', () => {
  const suite = forTheSuite();
  let redis: TestRedis;
  let url: string;
  let upstream: Upstream;
  let one: HubHere;
  let two: HubHere;
  const configOf = (instance: string, sharedEvidence = 'advise', openMs = OPEN_MS) => ({
    server: { instance, shutdownGraceMs: 0 },
    storage: { url },
    redis: { stateUrl: redis.url },
    providers: { up: { kind: 'openai-compatible', baseUrl: upstream.baseUrl } },
    resilience: { breaker: { openMs, openMsMax: openMs }, retry: { retries: 0 }, sharedEvidence },
    limits: { keys: { default: { requestsPerMinute: 60_000 } } },
  });
  const start = (...how: Parameters<typeof configOf>): Promise<HubHere> =>
    startHubHere(suite, { config: configOf(...how) });
  before(async () => {
    const postgres = await startPostgres();
    suite.after(() => postgres.close());
    [redis, upstream, url] = await Promise.all([startRedis(), startUpstream(suite), postgres.createDatabase()]);
    suite.after(() => redis.close());
    [one, two] = await Promise.all([start('one'), start('two')]);
  });

  it('list each other, say who answers, and lose one that is killed within five seconds', async () => {
    await seen(one, '(one) two');
    await seen(two, '(two) one');
    assert.equal(await metricAt(one, 'revoagent_instances'), 2);
    const three = await startHubProcess(suite, { config: configOf('three') });
    await seen(one, '(one) three two');
    await three.end('SIGKILL');
    assert.ok(((await lifeIn(redis, 'three')) ?? 0) <= LIFE_MS, 'and the others look once a second');
    await seen(one, '(one) two');
    await seen(two, '(two) one');
    const four = await start('four');
    await seen(one, '(one) four two');
    assert.ok(((await lifeIn(redis, 'four')) ?? 0) > 0);
    await four.end();
    assert.equal(await lifeIn(redis, 'four'), null, 'signed off: gone before its time has run out');
    await seen(one, '(one) two');
  });

  it('tell Prometheus of one that ends, for as long as it serves what is under way', async () => {
    const ends = 'revoagent_instance_draining\\{peer="ending"\\}';
    const config = configOf('ending');
    const ending = await startHubHere(suite, {
      config: { ...config, server: { ...config.server, shutdownGraceMs: 60_000 } },
    });
    const [asked, mayAnswer] = [gate(), gate()];
    upstream.otherwise = async (exchange) => {
      asked.open();
      await mayAnswer.opened;
      return answers()(exchange);
    };
    const answered = chat(ending, 'ending');
    await asked.opened;
    assert.ok(Number.isNaN(await metricAt(one, ends)));
    const ended = ending.end();
    await waitFor(async () => ((await metricAt(one, ends)) === 1 ? true : null));
    mayAnswer.open();
    assert.equal(await answered, 200);
    await ended;
    await waitFor(async () => (Number.isNaN(await metricAt(one, ends)) ? true : null));
  });

  it('need one failure each where a peer needed five, and open by nobody’s word alone', async () => {
    const model = 'outage';
    upstream.otherwise = answers();
    assert.deepEqual([await chat(one, model), await chat(two, model)], [200, 200]);
    upstream.otherwise = refuses(500);
    const earlier = upstream.received.length;
    for (let call = 0; call < 5; call++) await chat(one, model);
    assert.equal((await breakerAt(one, model)).state, 'open');
    await waitFor(async () => ((await breakerAt(two, model)).suspect ? true : null));
    assert.equal((await breakerAt(two, model)).state, 'closed', 'suspect, not open');
    await chat(two, model);
    await chat(two, model);
    assert.equal((await breakerAt(two, model)).state, 'open');
    assert.equal(upstream.received.length - earlier, 6, '5 + 1, where two that do not speak cost 10');
    upstream.otherwise = answers();
    assert.equal(await order(one, model, 'reset', { reason: 'over' }), 200);
    await waitFor(async () => ((await chat(one, model)) + (await chat(two, model)) === 400 ? true : null));
  });

  it('open together where any may open all, and one of them probes for all', async () => {
    const model = 'together';
    const [left, right] = await Promise.all([start('left', 'any', PROBED_MS), start('right', 'any', PROBED_MS)]);
    upstream.otherwise = answers();
    assert.deepEqual([await chat(left, model), await chat(right, model)], [200, 200]);
    upstream.otherwise = refuses(500);
    const earlier = upstream.received.length;
    const asked = (): number => upstream.received.length - earlier;
    for (let call = 0; call < 5; call++) await chat(left, model);
    await waitFor(async () => ((await breakerAt(right, model)).state === 'open' ? true : null));
    assert.equal(await chat(right, model), 503);
    assert.equal(asked(), 5);
    const both = async (): Promise<number[]> => [await chat(left, model), await chat(right, model)];
    await waitFor(async () => (await both(), asked() > 5 ? true : null));
    await waitFor(async () => {
      const states = [(await breakerAt(left, model)).state, (await breakerAt(right, model)).state];
      return states.every((state) => state === 'open') ? true : null;
    });
    await both();
    assert.equal(asked(), 6, 'one probe for two instances');
    upstream.otherwise = answers();
    await waitFor(async () => ((await both()).every((status) => status === 200) ? true : null));
    for (const hub of [left, right]) {
      assert.equal((await breakerAt(hub, model)).state, 'closed');
      await hub.end();
    }
  });

  it('wait together for an exhausted quota, and one of them asks for all', async () => {
    const model = 'quota';
    upstream.otherwise = answers();
    assert.deepEqual([await chat(one, model), await chat(two, model)], [200, 200]);
    upstream.script(refuses(429, undefined, { 'retry-after': '5' }));
    assert.equal(await chat(one, model), 429);
    const asked = upstream.received.length;
    await waitFor(async () => ((await chat(two, model)) === 200 ? null : true));
    const spared = upstream.received.length - asked;
    // What got through was on its way before the word arrived.
    assert.equal((await chat(two, model)) === 200, false);
    assert.equal(upstream.received.length - asked, spared);
    await waitFor(async () => ((await chat(one, model)) === 200 || (await chat(two, model)) === 200 ? true : null));
    await waitFor(async () => ((await chat(one, model)) + (await chat(two, model)) === 400 ? true : null));
  });

  it('obey an operator at any of them: opened by force, also one that is started later, and reset', async () => {
    const model = 'forced';
    assert.deepEqual([await chat(one, model), await chat(two, model)], [200, 200]);
    assert.equal(await order(one, model, 'force-open', { reason: 'maintenance' }), 200);
    await waitFor(async () => ((await breakerAt(two, model)).state === 'forced_open' ? true : null));
    const late = await start('late');
    await waitFor(async () => ((await chat(late, model)) === 503 ? true : null));
    assert.equal(await order(two, model, 'reset', { reason: 'over' }), 200);
    for (const hub of [one, late])
      await waitFor(async () => ((await breakerAt(hub, model)).state === 'closed' ? true : null));
    await late.end();
  });

  it('go on alone while Redis is away, say so, and find each other again', async () => {
    // Those of the tests before have signed off.
    await seen(one, '(one) two');
    await redis.kill();
    await waitFor(async () => ((await metricAt(one, 'revoagent_shared_state_degraded')) === 1 ? true : null));
    assert.equal(await chat(one, 'alone'), 200);
    assert.equal(await metricAt(one, 'revoagent_instances'), 2, 'the last number known');
    assert.equal((await getJson<Listed>(one, '/api/instances')).source, 'away');
    assert.equal((await fetch(`${one.url}/health/ready`)).status, 200);
    const late = await start('late');
    const { mode, dividedBy } = await getJson<LimitModeReport>(late, '/api/limits');
    assert.equal(mode, 'share');
    // The one that was killed may count yet.
    assert.ok(dividedBy >= 3, `one that starts now knows of the others, and divides by ${dividedBy}`);
    await waitFor(async () => ((await getJson<LimitModeReport>(one, '/api/limits')).dividedBy >= 3 ? true : null));
    await late.end();
    upstream.otherwise = refuses(500);
    for (let call = 0; call < 5; call++) await chat(one, 'alone');
    assert.equal((await breakerAt(one, 'alone')).state, 'open', 'it decides by itself');
    await redis.restart();
    await waitFor(async () => ((await metricAt(one, 'revoagent_shared_state_degraded')) === 0 ? true : null));
    await seen(one, '(one) two');
    // Its numbers began anew with the empty Redis, and what is told now is heeded nonetheless.
    upstream.otherwise = answers();
    assert.deepEqual([await chat(one, 'anew'), await chat(two, 'anew')], [200, 200]);
    assert.equal(await order(two, 'anew', 'force-open', { reason: 'maintenance' }), 200);
    await waitFor(async () => ((await breakerAt(one, 'anew')).state === 'forced_open' ? true : null));
  });
});
