/**
 * What shared evidence saves, simulated: instances before one upstream, on a virtual clock and from seeds. The same machine as in
 * tests/simulation; docs/instances.md shows what it gives.
 */
import { seededRandom } from '#core/random';
import { everyone, fleetOf } from '../tests/simulation/fleet.ts';

const SIZES = [2, 10, 100];
const SEEDS = [1, 2, 3, 4, 5];
/** A word over Redis takes about so long. */
const WORD_MS = 5;

type Mode = 'advise' | 'any';

/** Failed calls until every circuit is open; the busiest meets the outage first. */
async function failedCalls(size: number, wordMs: number, lost: number, mode: Mode = 'advise'): Promise<string> {
  const counts: number[] = [];
  for (const seed of SEEDS) {
    const fleet = fleetOf({ size, random: seededRandom(seed), wordMs, lost, mode });
    await fleet.run(500, everyone, (instance) => instance === 0);
    await fleet.run(10_000, everyone);
    counts.push(fleet.failures);
  }
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? String(least) : `${least}–${most}`;
}

/** Calls of the healthy that were not served in two minutes in which one instance alone fails every call. */
async function silenced(size: number, mode: Mode): Promise<string> {
  const fleet = fleetOf({ size, random: seededRandom(1), wordMs: WORD_MS, mode });
  await fleet.run(120_000, (instance) => instance === 1);
  return String(
    fleet.served.filter((_, instance) => instance !== 1).reduce((missed, served) => missed + 1_200 - served, 0),
  );
}

export async function breakerSimulationPage(): Promise<string> {
  const lines = [
    '| instances | failed calls, each alone | `advise` | `advise`, half of the words lost | `any` | `any`, half of the words lost | calls that the healthy missed while one was sick, `advise` | `any` |',
    '|---|---|---|---|---|---|---|---|',
  ];
  for (const size of SIZES) {
    const cells = [
      await failedCalls(size, Number.POSITIVE_INFINITY, 0),
      await failedCalls(size, WORD_MS, 0),
      await failedCalls(size, WORD_MS, 0.5),
      await failedCalls(size, WORD_MS, 0, 'any'),
      await failedCalls(size, WORD_MS, 0.5, 'any'),
      await silenced(size, 'advise'),
      await silenced(size, 'any'),
    ];
    lines.push(`| ${[size, ...cells].join(' | ')} |`);
  }
  return lines.join('\n');
}
