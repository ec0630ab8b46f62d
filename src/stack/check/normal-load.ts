/** What the stack does under the load that is its normal one: the figures that four rows and five targets are judged by. */
import { pause } from '#core/clock';
import type { HubLoad } from '../figures.ts';
import { loadOf } from '../figures.ts';
import { NORMAL_PER_SECOND, startLoad } from './load.ts';
import type { Outcome } from './load.ts';
import type { CheckedHub, Site } from './site.ts';
import { quantile } from './site.ts';

export interface Measured {
  readonly seconds: number;
  readonly outcomes: readonly Outcome[];
  readonly failed: readonly Outcome[];
  /** Milliseconds of each probe of readiness meanwhile; those that failed, in words. */
  readonly probes: readonly number[];
  readonly probeFailures: readonly string[];
  readonly hubs: readonly MeasuredHub[];
  /** Of the hub itself, over all requests of all hubs, milliseconds. */
  readonly hubP95Ms: number;
}

export interface MeasuredHub {
  readonly name: string;
  readonly requests: number;
  /** Of one core, 0 to 1 and above. */
  readonly cpu: number;
  /** At the end. */
  readonly memoryBytes: number;
}

const FIGURES_MS = 5_000;
/** One probe in so many requests: ten a second. */
const PROBE_EVERY = NORMAL_PER_SECOND / 10;

/** Rejects where a hub does not tell its figures. */
export async function measureNormalLoad(site: Site, seconds: number): Promise<Measured> {
  const { clock, caller, url, hubs } = site;
  const probes: number[] = [];
  const probeFailures: string[] = [];
  const probe = async (): Promise<void> => {
    try {
      const { status, ms } = await caller.ask(`${url}/health/ready`);
      if (status === 200) probes.push(ms);
      else probeFailures.push(`readiness answered ${status}`);
    } catch (error) {
      probeFailures.push(String(error));
    }
  };
  const before = await allFigures(site);
  const begun = clock.now();
  const asked: Promise<void>[] = [];
  const load = startLoad(site, NORMAL_PER_SECOND, (at) => {
    if (at % PROBE_EVERY === 0) asked.push(probe());
  });
  await pause(clock, seconds * 1000);
  await load.stop();
  await Promise.all(asked);
  const tookS = (clock.now() - begun) / 1000;
  const after = await allFigures(site);
  const hubTime = new Map<number, number>();
  const measured = hubs.map(({ name }, at) => {
    const [first, last] = [before[at], after[at]];
    if (first === undefined || last === undefined) throw new Error(`${name} told no figures`);
    for (const [bound, count] of last.hubTime)
      hubTime.set(bound, (hubTime.get(bound) ?? 0) + count - (first.hubTime.get(bound) ?? 0));
    return {
      name,
      requests: last.requests - first.requests,
      cpu: (last.cpuSeconds - first.cpuSeconds) / tookS,
      memoryBytes: last.memoryBytes,
    };
  });
  return {
    seconds: tookS,
    outcomes: load.outcomes,
    failed: load.outcomes.filter(({ failure }) => failure !== null),
    probes,
    probeFailures,
    hubs: measured,
    hubP95Ms: quantileOf(hubTime, 0.95) * 1000,
  };
}

function allFigures({ clock, hubs }: Pick<Site, 'clock' | 'hubs'>): Promise<HubLoad[]> {
  return Promise.all(
    hubs.map(async ({ socket }: CheckedHub) => {
      const late = new AbortController();
      const timer = clock.schedule(FIGURES_MS, () => late.abort(new Error('no figures in time')), true);
      try {
        return await loadOf(socket, late.signal);
      } finally {
        timer.cancel();
      }
    }),
  );
}

/** As Prometheus' histogram_quantile: even within a bucket. Not a number where nothing was counted. */
function quantileOf(buckets: ReadonlyMap<number, number>, share: number): number {
  const sorted = [...buckets].toSorted(([a], [b]) => a - b);
  const wanted = (sorted.at(-1)?.[1] ?? 0) * share;
  if (wanted === 0) return NaN;
  let [from, below] = [0, 0];
  for (const [bound, count] of sorted) {
    if (count >= wanted)
      return bound === Infinity ? from : from + ((bound - from) * (wanted - below)) / (count - below);
    [from, below] = [bound, count];
  }
  return NaN;
}

export function healthP95({ probes }: Measured): number {
  return quantile(probes, 0.95);
}
