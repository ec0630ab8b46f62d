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

/** Failed calls until every circuit is open; the busiest meets the outage first. */
async function failedCalls(size: number, wordMs: number, lost: number): Promise<string> {
  const counts: number[] = [];
  for (const seed of SEEDS) {
    const fleet = fleetOf({ size, random: seededRandom(seed), wordMs, lost });
    await fleet.run(500, everyone, (instance) => instance === 0);
    await fleet.run(10_000, everyone);
    counts.push(fleet.failures);
  }
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? String(least) : `${least}–${most}`;
}

/** Calls of the healthy that were not served in two minutes in which one instance alone fails every call. */
async function silenced(size: number): Promise<string> {
  const fleet = fleetOf({ size, random: seededRandom(1), wordMs: WORD_MS });
  await fleet.run(120_000, (instance) => instance === 1);
  return String(
    fleet.served.filter((_, instance) => instance !== 1).reduce((missed, served) => missed + 1_200 - served, 0),
  );
}

export async function breakerSimulationPage(): Promise<string> {
  const lines = [
    '| instances | failed calls, each alone | told by peers | half of the words lost | calls that the healthy missed while one was sick |',
    '|---|---|---|---|---|',
  ];
  for (const size of SIZES) {
    const cells = [
      await failedCalls(size, Number.POSITIVE_INFINITY, 0),
      await failedCalls(size, WORD_MS, 0),
      await failedCalls(size, WORD_MS, 0.5),
      await silenced(size),
    ];
    lines.push(`| ${[size, ...cells].join(' | ')} |`);
  }
  return lines.join('\n');
}
