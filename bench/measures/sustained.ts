/**
 * The highest constant arrival rate a server keeps up with at an upstream of 20 ms: p99 under 1 s from the intended start,
 * under 0.1 % errors, and no growing backlog. Found by halving, one attempt a server in turns.
 */
import { untilQuiet } from '../lab.ts';
import type { OpenLoopResult } from '../load/open-loop.ts';
import type { BenchOptions } from '../options.ts';
import type { BenchResult } from '../result.ts';
import { untilAnswering } from '../servers/subject.ts';
import type { Subject } from '../servers/subject.ts';
import type { Site } from '../site.ts';
import { median } from '../statistics.ts';
import { ceilingMark, roundsOf } from './speed.ts';
import type { Speed } from './speed.ts';

export const SUSTAINED = 'sustained requests/s at a 20 ms upstream';
export const UPSTREAM_DELAY_MS = 20;

const P99_MS_MAX = 1_000;
const ERROR_SHARE_MAX = 0.001;
/** Answers that come slower than they were asked for are a backlog, however young it still is. */
const ANSWERED_SHARE_MIN = 0.97;
const WARM_UP_SECONDS = 1;
/** Each halves what is not known: 7 of them leave under 1 % of the range. */
const ATTEMPTS = 7;
const ATTEMPTS_QUICK = 1;
/** Where the search begins, as shares of the rate a closed loop reached without the delay. */
const HIGHEST = 1.2;
/** The open-loop generator itself ends soon above this multiple of a bare relay. */
const HIGHEST_OF_RELAY = 2.5;

interface Search {
  readonly subject: Subject;
  kept: number;
  tooMuch: number;
  at: OpenLoopResult | null;
}

export async function measureSustained(site: Site, speed: Speed, options: BenchOptions): Promise<BenchResult['rows']> {
  const relayMaximum = median(roundsOf(speed, site.relay).perSecond);
  const searches = site.all.map((subject): Search => {
    const maximum = Math.max(...roundsOf(speed, subject).perSecond);
    return { subject, kept: 0, tooMuch: Math.min(HIGHEST * maximum, HIGHEST_OF_RELAY * relayMaximum), at: null };
  });
  const attempts = options.quick ? ATTEMPTS_QUICK : ATTEMPTS;
  for (let attempt = 1; attempt <= attempts; attempt++)
    for (const search of searches) {
      const requestsPerSecond = (search.kept + search.tooMuch) / 2;
      const seen = await tryRate(site, search.subject, requestsPerSecond, options);
      const keeps = keepsUp(seen, requestsPerSecond);
      if (keeps) Object.assign(search, { kept: requestsPerSecond, at: seen });
      else search.tooMuch = requestsPerSecond;
      options.progress(
        `sustained ${attempt}/${attempts}: ${search.subject.name}: ${Math.round(requestsPerSecond)} requests/s ${keeps ? 'kept' : 'too much'} (p99 ${Math.round(seen.p99Ms)} ms, ${seen.errors} failed)`,
      );
    }
  return rowsOf(site, searches);
}

async function tryRate(
  site: Site,
  subject: Subject,
  requestsPerSecond: number,
  { seconds, quick }: BenchOptions,
): Promise<OpenLoopResult> {
  // An attempt that was too much may have opened circuits: the next one begins when the server serves again.
  await untilAnswering(subject);
  if (!quick) await untilQuiet();
  const { bodyFile } = site;
  return site.loads.open(subject, { bodyFile, requestsPerSecond, seconds, warmUpSeconds: WARM_UP_SECONDS });
}

function keepsUp({ sent, errors, p99Ms, answeredPerSecond }: OpenLoopResult, requestsPerSecond: number): boolean {
  return (
    errors < sent * ERROR_SHARE_MAX && p99Ms < P99_MS_MAX && answeredPerSecond >= requestsPerSecond * ANSWERED_SHARE_MIN
  );
}

function rowsOf(site: Site, searches: readonly Search[]): BenchResult['rows'] {
  const keptBy = (subject: Subject): number => searches.find((search) => search.subject === subject)?.kept ?? NaN;
  return searches.map(({ subject, kept, at }) => ({
    label: `${SUSTAINED} · ${subject.name}${ceilingMark(site, subject, kept, keptBy(site.direct))}`,
    metrics: {
      requestsPerSecond: kept,
      ofBareRelay: kept / keptBy(site.relay),
      ofPortkey: kept / keptBy(site.portkey),
      p50Ms: at?.p50Ms ?? NaN,
      p99Ms: at?.p99Ms ?? NaN,
    },
  }));
}
