/** The rows that make something fail, and look at what becomes of it: circuit breaker, caching, rate limiting, resilience. */
import { pause } from '#core/clock';
import type { Answer } from './caller.ts';
import type { Outcome } from './load.ts';
import { startLoad } from './load.ts';
import type { CheckedHub, Row, Site } from './site.ts';
import { chat, quantile, uniqueQuestion, until } from './site.ts';

const FAILURES_MAX = 60;
const REFUSALS = 10;
const RECOVERY_MS = 45_000;
const TOGETHER = 10;
/** The flood comes from another loopback address: this machine's own is nobody's flood. */
const FLOOD_FROM = '127.0.0.2';
const FLOOD_MAX = 6_000;
const FLOOD_WIDTH = 48;
const LIGHT_PER_SECOND = 50;
const BACK_MS = 60_000;

interface Breaker {
  readonly key: string;
  readonly state: string;
}

/** Makes the upstream of the check fail, or where there is none orders the circuit open; one hub's, so that the others go on. */
export async function breakerRow(site: Site): Promise<Row> {
  const [hub] = site.hubs;
  if (hub === undefined) throw new Error('there is no hub');
  return site.upstream === null ? breakerByOrder(site, hub) : breakerByFailures(site, hub, site.upstream);
}

async function breakerByFailures(site: Site, hub: CheckedHub, upstream: NonNullable<Site['upstream']>): Promise<Row> {
  const { clock } = site;
  const isOpen = async (): Promise<boolean> => (await breakersOf(site, hub)).some(({ state }) => state === 'open');
  const problems: string[] = [];
  let failures = 0;
  upstream.failing = true;
  try {
    while (failures < FAILURES_MAX && !(await isOpen())) {
      await chat(site, hub.url, uniqueQuestion());
      failures++;
    }
    if (!(await isOpen())) problems.push(`the circuit did not open after ${failures} failed calls`);
    const callsBefore = upstream.calls;
    const refusals: Answer[] = [];
    for (let at = 0; at < REFUSALS; at++) refusals.push(await chat(site, hub.url, uniqueQuestion()));
    // One probe may get through meanwhile.
    const through = upstream.calls - callsBefore;
    if (through > 1) problems.push(`${through} of ${REFUSALS} calls still reached the upstream`);
    if (refusals.some(({ status }) => status < 500)) problems.push('a call that was refused did not say so');
    upstream.failing = false;
    const healed = clock.now();
    const closes = async (): Promise<boolean> => (await chat(site, hub.url, uniqueQuestion())).status === 200;
    if (!(await until(clock, RECOVERY_MS, closes))) problems.push('the circuit did not close again');
    const closedMs = clock.now() - healed;
    const refusedMs = quantile(
      refusals.map(({ ms }) => ms),
      0.5,
    );
    return {
      name: 'circuit breaker',
      said: `open after ${failures} failed calls, refused in ${refusedMs.toFixed(1)} ms, served again ${(closedMs / 1000).toFixed(1)} s after the upstream was well`,
      figures: { failures, refusedMs, reachedUpstream: through, closedMs },
      problems,
    };
  } finally {
    upstream.failing = false;
  }
}

async function breakerByOrder(site: Site, hub: CheckedHub): Promise<Row> {
  const { caller } = site;
  const served = await chat(site, hub.url, uniqueQuestion());
  const provider = String(served.headers['x-revoagent-provider']);
  const keys = (await breakersOf(site, hub))
    .map(({ key }) => key)
    .filter((key) => key.startsWith(`provider:${provider}`));
  const order = async (what: 'force-open' | 'reset'): Promise<void> => {
    const body = { reason: 'revoagent check', ...(what === 'force-open' ? { forMs: 10_000 } : {}) };
    for (const key of keys)
      await caller.ask(`${hub.url}/api/circuit-breakers/${encodeURIComponent(key)}/${what}`, { method: 'POST', body });
  };
  await order('force-open');
  let refused: Answer;
  try {
    refused = await chat(site, hub.url, uniqueQuestion());
  } finally {
    await order('reset');
  }
  const again = await chat(site, hub.url, uniqueQuestion());
  const elsewhere = refused.status === 200 && refused.headers['x-revoagent-provider'] !== provider;
  return {
    name: 'circuit breaker',
    said: `ordered open: ${elsewhere ? 'another deployment answered' : 'refused'} in ${refused.ms.toFixed(1)} ms; reset: ${again.status}`,
    figures: { refusedMs: refused.ms, refusedStatus: refused.status, againStatus: again.status },
    problems: [
      ...(served.status === 200
        ? []
        : [`a chat with ${site.model} answers ${served.status}: ${served.body.slice(0, 200)}`]),
      ...(keys.length > 0 ? [] : [`there is no circuit of the provider ${provider}`]),
      ...(elsewhere || refused.status >= 500 ? [] : ['a call got through a circuit that was ordered open']),
      ...(again.status === 200 ? [] : ['no call got through after the reset']),
    ],
  };
}

async function breakersOf({ caller }: Site, { url }: CheckedHub): Promise<readonly Breaker[]> {
  const { status, body } = await caller.ask(`${url}/api/circuit-breakers`);
  if (status !== 200) throw new Error(`the circuits are not shown: ${status} ${body.slice(0, 200)}`);
  return (JSON.parse(body) as { data: Breaker[] }).data;
}

export async function cachingRow(site: Site): Promise<Row> {
  const { hubs, upstream } = site;
  const headers = { 'x-revoagent-cache': 'on' };
  const question = uniqueQuestion();
  const problems: string[] = [];
  const ask = async (url: string): Promise<Answer & { cache: string }> => {
    const answer = await chat(site, url, question, { headers });
    return { ...answer, cache: String(answer.headers['x-revoagent-cache']) };
  };
  const first = await ask(site.url);
  if (first.status !== 200 || first.cache !== 'miss')
    problems.push(`the first answer is ${first.status}, "${first.cache}"`);
  const hits: number[] = [];
  for (const { name, url } of hubs) {
    const again = await ask(url);
    hits.push(again.ms);
    if (again.cache !== 'hit' || again.body !== first.body)
      problems.push(`${name} answers the same again with "${again.cache}"`);
  }
  const shared = uniqueQuestion();
  const together = await Promise.all(Array.from({ length: TOGETHER }, () => chat(site, site.url, shared, { headers })));
  if (together.some(({ status }) => status !== 200))
    problems.push('callers of one question at once were not all answered');
  const calls = upstream?.asked.get(shared) ?? null;
  if (upstream !== null && calls !== 1) problems.push(`${TOGETHER} callers at once asked the upstream ${calls} times`);
  if (upstream !== null && upstream.asked.get(question) !== 1)
    problems.push('an answer that was kept was asked for again');
  const hitMs = quantile(hits, 0.5);
  return {
    name: 'caching',
    said: `miss ${first.ms.toFixed(1)} ms, hit ${hitMs.toFixed(1)} ms on ${hubs.length} hubs${calls === null ? '' : `; ${TOGETHER} callers at once: ${calls} call`}`,
    figures: { missMs: first.ms, hitMs, ...(calls === null ? {} : { callsForTenCallers: calls }) },
    problems,
  };
}

/** Floods the balancer from one address until it is refused. */
export async function rateLimitRow({ caller, url, clock }: Site): Promise<Row> {
  const problems: string[] = [];
  let [sent, admitted] = [0, 0];
  const refused: Answer[] = [];
  const begun = clock.now();
  const flood = async (): Promise<void> => {
    while (sent < FLOOD_MAX && refused.length < REFUSALS) {
      sent++;
      const answer = await caller.ask(`${url}/api/models`, { from: FLOOD_FROM });
      if (answer.status === 429) refused.push(answer);
      else admitted++;
    }
  };
  await Promise.all(Array.from({ length: FLOOD_WIDTH }, flood));
  const tookS = (clock.now() - begun) / 1000;
  if (refused.length === 0)
    problems.push(`${sent} requests of one address in ${tookS.toFixed(1)} s, and none was refused`);
  for (const { headers, body } of refused.slice(0, 1)) {
    if (headers['retry-after'] === undefined) problems.push('a refusal without Retry-After');
    if (!/"code":"rate_limited"/.test(body))
      problems.push(`a refusal that is not the balancer's JSON: ${body.slice(0, 100)}`);
  }
  const probes = await Promise.all(
    Array.from({ length: REFUSALS }, () => caller.ask(`${url}/health/ready`, { from: FLOOD_FROM })),
  );
  if (probes.some(({ status }) => status !== 200)) problems.push('a probe was refused because of the flood');
  const others = await Promise.all(Array.from({ length: REFUSALS }, () => caller.ask(`${url}/api/models`)));
  if (others.some(({ status }) => status !== 200)) problems.push('a caller at another address was refused');
  return {
    name: 'rate limiting',
    said: `${admitted} of a flood admitted, then 429 with Retry-After; probes and others are served`,
    figures: { sent, admitted, refused: refused.length },
    problems,
  };
}

/** Kills a hub under load, then the Redis that may be lost: what can be served is served, nothing twice, and both come back. */
export async function resilienceRow(site: Site): Promise<{ row: Row; startMs: number; outcomes: readonly Outcome[] }> {
  const { clock, upstream, hubs } = site;
  const victim = hubs.at(-1)?.name ?? '';
  const problems: string[] = [];
  const load = startLoad(site, LIGHT_PER_SECOND);
  const hubMs = await killAndAwait(site, victim);
  const redisMs = await killAndAwait(site, 'redis-cache');
  await pause(clock, 1_000);
  await load.stop();
  if (hubMs === null) problems.push(`${victim} was killed and did not come back within ${BACK_MS / 1000} s`);
  if (redisMs === null) problems.push(`redis-cache was killed and did not come back within ${BACK_MS / 1000} s`);
  const failed = load.outcomes.filter(({ failure }) => failure !== null);
  const reads = failed.filter(({ kind }) => kind === 'read');
  for (const { failure } of reads.slice(0, 3)) problems.push(`a read failed: ${failure}`);
  // What was on the hub that died cannot be saved; more than that must not be lost.
  const chats = failed.length - reads.length;
  if (chats > LIGHT_PER_SECOND / 2)
    problems.push(`${chats} chats failed, more than one hub can have had in flight: ${failed[0]?.failure}`);
  const twice = load.outcomes.filter(
    ({ question }) => question !== '' && (upstream?.asked.get(question) ?? 1) > 1,
  ).length;
  if (twice > 0) problems.push(`${twice} chats were carried out twice`);
  return {
    row: {
      name: 'resilience',
      said: `${victim} killed: back in ${seconds(hubMs)}; redis-cache killed: back in ${seconds(redisMs)}; ${reads.length} reads and ${chats} chats in flight lost of ${load.outcomes.length}, ${twice} done twice`,
      figures: {
        hubBackMs: hubMs ?? -1,
        redisBackMs: redisMs ?? -1,
        requests: load.outcomes.length,
        reads: reads.length,
        chats,
        twice,
      },
      problems,
    },
    startMs: hubMs ?? Infinity,
    outcomes: load.outcomes,
  };
}

/** Milliseconds until another process of it is ready; null where there is none in time. */
async function killAndAwait({ clock, status }: Site, name: string): Promise<number | null> {
  const find = async (): Promise<{ pid: number | null; state: string } | undefined> =>
    (await status()).parts.find((part) => part.name === name);
  const before = await find();
  if (before === undefined || before.pid === null) throw new Error(`${name} does not run`);
  process.kill(before.pid, 'SIGKILL');
  const begun = clock.now();
  const isBack = async (): Promise<boolean> => {
    const now = await find();
    return now?.state === 'ready' && now.pid !== before.pid;
  };
  return (await until(clock, BACK_MS, isBack)) ? clock.now() - begun : null;
}

function seconds(ms: number | null): string {
  return ms === null ? 'never' : `${(ms / 1000).toFixed(1)} s`;
}
