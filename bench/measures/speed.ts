/**
 * Two closed loops in turns: as many requests as 64 connections get through, and the latency of a caller who is alone. All
 * servers run all the time; the one whose turn it is has its core for itself, because the others rest.
 */
import { untilQuiet } from '../lab.ts';
import type { BenchOptions } from '../options.ts';
import type { BenchResult } from '../result.ts';
import type { Subject } from '../servers/subject.ts';
import type { Site } from '../site.ts';
import { median, medianDifference, medianRatio } from '../statistics.ts';
import { cpuMsOf } from './cpu-time.ts';

export const MAXIMUM = 'max requests/s at 64 connections';
export const LATENCY = 'latency at 1 connection';

const CONNECTIONS = 64;
/** A server is warm when its hot code is compiled; the more code there is on the way of a request, the longer that takes. */
const WARM_UP_SECONDS = 15;
/** Of the upstream's own rate: from here on a figure tells of the upstream and the load generator too. */
const CEILING_SHARE = 0.9;

interface Rounds {
  readonly perSecond: number[];
  /** Of the server, at the maximum: what neighbours on the machine disturb least. */
  readonly cpuUsPerRequest: number[];
  readonly p50Ms: number[];
  readonly p99Ms: number[];
  failedAtMaximum: number;
  failedAlone: number;
}

export type Speed = ReadonlyMap<Subject, Rounds>;

export async function measureSpeed(site: Site, { rounds, seconds, quick, progress }: BenchOptions): Promise<Speed> {
  const { loads, bodyFile } = site;
  const speed = new Map<Subject, Rounds>();
  for (const subject of site.all) {
    progress(`warm-up: ${subject.name}`);
    await loads.closed(subject, { bodyFile, connections: CONNECTIONS, seconds: quick ? seconds : WARM_UP_SECONDS });
    speed.set(subject, {
      perSecond: [],
      cpuUsPerRequest: [],
      p50Ms: [],
      p99Ms: [],
      failedAtMaximum: 0,
      failedAlone: 0,
    });
  }
  for (let round = 1; round <= rounds; round++) {
    for (const [subject, seen] of speed) {
      if (!quick) await untilQuiet();
      const cpuBeforeMs = await cpuMsOf(subject);
      const full = await loads.closed(subject, { bodyFile, connections: CONNECTIONS, seconds });
      const cpuMs = (await cpuMsOf(subject)) - cpuBeforeMs;
      if (!quick) await untilQuiet();
      const alone = await loads.closed(subject, { bodyFile, connections: 1, seconds });
      seen.perSecond.push(full.requestsPerSecond);
      seen.cpuUsPerRequest.push((cpuMs * 1_000) / (full.requestsPerSecond * seconds));
      seen.p50Ms.push(alone.p50Us / 1_000);
      seen.p99Ms.push(alone.p99Us / 1_000);
      seen.failedAtMaximum += full.errors;
      seen.failedAlone += alone.errors;
      progress(
        `round ${round}/${rounds}: ${subject.name}: ${Math.round(full.requestsPerSecond)} requests/s; alone p50 ${alone.p50Us} µs, p99 ${alone.p99Us} µs`,
      );
    }
  }
  return speed;
}

export function roundsOf(speed: Speed, subject: Subject): Rounds {
  const rounds = speed.get(subject);
  if (rounds === undefined) throw new Error(`${subject.name} was not measured.`);
  return rounds;
}

export function maximumRows(site: Site, speed: Speed): BenchResult['rows'] {
  const relay = roundsOf(speed, site.relay);
  const portkey = roundsOf(speed, site.portkey);
  const ceiling = median(roundsOf(speed, site.direct).perSecond);
  return site.all.map((subject) => {
    const { perSecond, cpuUsPerRequest, failedAtMaximum } = roundsOf(speed, subject);
    return {
      label: `${MAXIMUM} · ${subject.name}${ceilingMark(site, subject, median(perSecond), ceiling)}`,
      metrics: {
        requestsPerSecond: median(perSecond),
        slowestRound: Math.min(...perSecond),
        fastestRound: Math.max(...perSecond),
        ofBareRelay: medianRatio(perSecond, relay.perSecond),
        ofPortkey: medianRatio(perSecond, portkey.perSecond),
        cpuUsPerRequest: median(cpuUsPerRequest),
        failed: failedAtMaximum,
      },
    };
  });
}

export function ceilingMark(site: Site, subject: Subject, value: number, ceiling: number): string {
  return subject !== site.direct && value >= CEILING_SHARE * ceiling ? " (at the upstream's own ceiling)" : '';
}

export function latencyRows(site: Site, speed: Speed): BenchResult['rows'] {
  const direct = roundsOf(speed, site.direct);
  const relay = roundsOf(speed, site.relay);
  return site.all.map((subject) => {
    const { p50Ms, p99Ms, failedAlone } = roundsOf(speed, subject);
    return {
      label: `${LATENCY} · ${subject.name}`,
      metrics: {
        p50Ms: median(p50Ms),
        p99Ms: median(p99Ms),
        addedP50Ms: medianDifference(p50Ms, direct.p50Ms),
        addedP99Ms: medianDifference(p99Ms, direct.p99Ms),
        p50OfBareRelay: medianRatio(p50Ms, relay.p50Ms),
        p99OfBareRelay: medianRatio(p99Ms, relay.p99Ms),
        failed: failedAlone,
      },
    };
  });
}
