/**
 * Streamed completions: what a server adds to the first token and to the gaps between deltas, what a delta costs it, and how
 * many streams it holds. 64 deltas 20 ms apart. Portkey is left out: its npm package fails every stream (see the notes).
 */
import { createLab, untilQuiet } from './lab.ts';
import { chatBody, STREAM_DELTAS } from './load/chat.ts';
import type { StreamLoadResult } from './load/stream-load.ts';
import { cpuMsOf } from './measures/cpu-time.ts';
import type { BenchOptions } from './options.ts';
import type { BenchResult } from './result.ts';
import { untilAnswering } from './servers/subject.ts';
import type { Subject } from './servers/subject.ts';
import { createSite } from './site.ts';
import type { Site } from './site.ts';
import { median, medianDifference, medianRatio } from './statistics.ts';

const GAP_MS = 20;
/** As in the other benchmarks: code that a second has not made hot is measured cold. */
const WARM_UP_SECONDS = 15;
const STREAMS = 100;
const IN_TIME_SHARE_MIN = 0.999;
const HELD_MAX = 2_000;
/** Each halves what is not known: 6 of them leave 31 streams of 2,000. */
const ATTEMPTS = 6;

interface Rounds {
  readonly firstMs: number[];
  readonly gapP99Ms: number[];
  readonly cpuUsPerDelta: number[];
  readonly inTimeShare: number[];
}

export async function run(options: BenchOptions): Promise<BenchResult> {
  await using lab = await createLab();
  options.progress('starting upstream, nginx, bare relay, hub (both lanes), PostgreSQL, Portkey');
  const site = await createSite(lab);
  await site.delayUpstream(GAP_MS);
  const subjects = [site.direct, site.nginx, site.relay, site.plain, site.governed];
  const bodyFile = await site.loads.keepBody('chat-stream.json', chatBody({ stream: true }));
  const load = (subject: Subject, streams: number, seconds: number): Promise<StreamLoadResult> =>
    site.loads.stream(subject, { bodyFile, streams, seconds, gapMs: GAP_MS });

  const seen = new Map(subjects.map((subject): [Subject, Rounds] => [subject, emptyRounds()]));
  for (const subject of subjects) {
    options.progress(`warm-up: ${subject.name}`);
    await load(subject, STREAMS, options.quick ? 1 : WARM_UP_SECONDS);
  }
  for (let round = 1; round <= options.rounds; round++)
    for (const [subject, rounds] of seen) {
      await untilQuiet();
      await oneRound(subject, rounds, () => load(subject, STREAMS, options.seconds));
      options.progress(
        `round ${round}/${options.rounds}: ${subject.name}: first delta ${rounds.firstMs.at(-1)?.toFixed(2)} ms, gap p99 ${rounds.gapP99Ms.at(-1)?.toFixed(2)} ms`,
      );
    }
  const held = await streamsHeld(subjects, options, load);
  const rows = [...roundRows(site, seen), ...heldRows(site, held)];
  return {
    name: 'stream',
    rows: [...targetRows(site, seen), ...rows],
    notes: [
      `${STREAM_DELTAS} deltas ${GAP_MS} ms apart, ${STREAMS} streams at once, ${options.rounds} rounds of ${options.seconds} s; a stream counts as held when ${IN_TIME_SHARE_MIN * 100} % of all deltas come within 1 s of their time.`,
      'CPU time is that of the server process (Linux only) over the deltas it passed on.',
      '@portkey-ai/gateway 1.15.2 is not measured here: with the hono its range resolves to, every stream ends in `TypeError: immutable`.',
    ],
  };
}

function emptyRounds(): Rounds {
  return { firstMs: [], gapP99Ms: [], cpuUsPerDelta: [], inTimeShare: [] };
}

async function oneRound(subject: Subject, rounds: Rounds, load: () => Promise<StreamLoadResult>): Promise<void> {
  const before = await cpuMsOf(subject);
  const { firstP50Ms, gapP99Ms, inTimeShare, deltas } = await load();
  rounds.cpuUsPerDelta.push((((await cpuMsOf(subject)) - before) * 1_000) / deltas);
  rounds.firstMs.push(firstP50Ms);
  rounds.gapP99Ms.push(gapP99Ms);
  rounds.inTimeShare.push(inTimeShare);
}

async function streamsHeld(
  subjects: readonly Subject[],
  { seconds, progress }: BenchOptions,
  load: (subject: Subject, streams: number, seconds: number) => Promise<StreamLoadResult>,
): Promise<Map<Subject, number>> {
  const kept = new Map(subjects.map((subject) => [subject, 0]));
  const tooMany = new Map(subjects.map((subject) => [subject, HELD_MAX]));
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++)
    for (const subject of subjects) {
      await untilAnswering(subject);
      await untilQuiet();
      const streams = Math.round(((kept.get(subject) ?? 0) + (tooMany.get(subject) ?? 0)) / 2);
      const { inTimeShare } = await load(subject, streams, seconds);
      (inTimeShare >= IN_TIME_SHARE_MIN ? kept : tooMany).set(subject, streams);
      progress(
        `held ${attempt}/${ATTEMPTS}: ${subject.name}: ${streams} streams, ${(inTimeShare * 100).toFixed(2)} % in time`,
      );
    }
  return kept;
}

function roundsOf(seen: ReadonlyMap<Subject, Rounds>, subject: Subject): Rounds {
  return seen.get(subject) ?? emptyRounds();
}

function roundRows(site: Site, seen: ReadonlyMap<Subject, Rounds>): BenchResult['rows'] {
  const direct = roundsOf(seen, site.direct);
  const relay = roundsOf(seen, site.relay);
  return [...seen].map(([subject, { firstMs, gapP99Ms, cpuUsPerDelta, inTimeShare }]) => ({
    label: `${STREAMS} streams at once · ${subject.name}`,
    metrics: {
      firstDeltaP50Ms: median(firstMs),
      addedToFirstDeltaMs: medianDifference(firstMs, direct.firstMs),
      gapP99Ms: median(gapP99Ms),
      gapP99OfBareRelay: medianRatio(gapP99Ms, relay.gapP99Ms),
      cpuUsPerDelta: median(cpuUsPerDelta),
      inTimePercent: median(inTimeShare) * 100,
    },
  }));
}

function heldRows(site: Site, held: ReadonlyMap<Subject, number>): BenchResult['rows'] {
  return [...held].map(([subject, streams]) => ({
    label: `streams held (at most ${HELD_MAX} tried) · ${subject.name}`,
    metrics: { streams, ofBareRelay: streams / (held.get(site.relay) ?? NaN) },
  }));
}

function targetRows(site: Site, seen: ReadonlyMap<Subject, Rounds>): BenchResult['rows'] {
  const governed = roundsOf(seen, site.governed);
  const addedMs = medianDifference(governed.firstMs, roundsOf(seen, site.direct).firstMs);
  const gap = medianRatio(governed.gapP99Ms, roundsOf(seen, site.relay).gapP99Ms);
  return [
    { label: 'added to the first delta, ms', metrics: { measured: addedMs }, target: '< 1', met: addedMs < 1 },
    { label: 'gap p99 / bare relay', metrics: { measured: gap }, target: '≤ 1.3', met: gap <= 1.3 },
  ].map((row) => ({ ...row, label: `targets, governed lane · ${row.label}` }));
}
