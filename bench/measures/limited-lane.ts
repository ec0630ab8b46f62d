/** The governed lane with every kind of limit counted in a Redis, beside the same without limits and the bare relay: requests a second at 64 connections. */
import { startRedis } from '../../tests/helpers/redis.ts';
import { untilQuiet } from '../lab.ts';
import type { Lab } from '../lab.ts';
import type { BenchOptions } from '../options.ts';
import type { BenchResult } from '../result.ts';
import { createScene } from '../scene.ts';
import { startLimitedHub } from '../servers/hub.ts';
import { startBareRelay } from '../servers/subject.ts';
import { median, medianRatio } from '../statistics.ts';

const CONNECTIONS = 64;
const WARM_UP_SECONDS = 15;
const BOUND = 0.45;

export async function measureLimitedLane(
  lab: Lab,
  { rounds, seconds, quick, progress }: BenchOptions,
): Promise<{ targets: BenchResult['rows']; rows: BenchResult['rows']; notes: string[] }> {
  const { upstreamPort, databaseUrl, governed, loads, bodyFile } = await createScene(lab);
  const relay = await startBareRelay(lab, upstreamPort);
  const redis = await startRedis();
  try {
    const limited = await startLimitedHub(lab, upstreamPort, databaseUrl, redis.url);
    const subjects = [relay, governed, limited];
    const measured = new Map(subjects.map((subject) => [subject, { perSecond: [] as number[], failed: 0 }]));
    for (const subject of subjects) {
      progress(`warm-up: ${subject.name}`);
      await loads.closed(subject, { bodyFile, connections: CONNECTIONS, seconds: quick ? seconds : WARM_UP_SECONDS });
    }
    for (let round = 1; round <= rounds; round++) {
      for (const [subject, seen] of measured) {
        if (!quick) await untilQuiet();
        const { requestsPerSecond, errors } = await loads.closed(subject, {
          bodyFile,
          connections: CONNECTIONS,
          seconds,
        });
        seen.perSecond.push(requestsPerSecond);
        seen.failed += errors;
        progress(`round ${round}/${rounds}: ${subject.name}: ${Math.round(requestsPerSecond)} requests/s`);
      }
    }
    const relayed = measured.get(relay)?.perSecond ?? [];
    const rows = [...measured].map(([subject, { perSecond, failed }]) => ({
      label: `the hub with limits in Redis · ${subject.name}`,
      metrics: { requestsPerSecond: median(perSecond), ofBareRelay: medianRatio(perSecond, relayed), failed },
    }));
    const ratio = medianRatio(measured.get(limited)?.perSecond ?? [], relayed);
    const failed = measured.get(limited)?.failed ?? Number.NaN;
    return {
      rows,
      targets: [
        {
          label: 'targets · governed lane with limits in Redis / bare relay',
          metrics: { measured: ratio },
          target: `≥ ${BOUND}, none failed`,
          met: ratio >= BOUND && failed === 0,
        },
      ],
      notes: [
        'Limits of the hub: requests, tokens, calls under way and money by key, requests by project and route, all in one Redis.',
      ],
    };
  } finally {
    await redis.close();
  }
}
