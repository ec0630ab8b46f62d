/**
 * What was measured and when: one file a day under `bench/results/`, in it the newest run of each benchmark. The document
 * shows the newest run of each over all days, so that measuring one again leaves the others' figures as they are.
 */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import type { MachineFacts } from './machine.ts';
import { renderDocument } from './render.ts';
import type { BenchResult } from './result.ts';

export interface KeptResult {
  readonly result: BenchResult;
  readonly machine: MachineFacts;
  /** ISO 8601, UTC. */
  readonly measuredAt: string;
  /** Of too few rounds to rely on. */
  readonly provisional: boolean;
}

const RESULTS = new URL('./results/', import.meta.url);
const DOCUMENT = new URL('../docs/benchmarks.md', import.meta.url);

export async function keepResult(kept: KeptResult): Promise<void> {
  await mkdir(RESULTS, { recursive: true });
  const file = `${kept.measuredAt.slice(0, 10)}.json`;
  const others = (await readDay(file)).filter(({ result }) => result.name !== kept.result.name);
  await writeFile(new URL(file, RESULTS), `${JSON.stringify([...others, kept], null, 1)}\n`);
}

export async function writeDocument(): Promise<void> {
  const newest = new Map<string, KeptResult>();
  const days = (await readdir(RESULTS)).filter((file) => file.endsWith('.json')).toSorted();
  for (const day of days) for (const kept of await readDay(day)) newest.set(kept.result.name, kept);
  await writeFile(DOCUMENT, renderDocument([...newest.values()]));
}

async function readDay(file: string): Promise<KeptResult[]> {
  let text: string;
  try {
    text = await readFile(new URL(file, RESULTS), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  const kept: KeptResult[] = JSON.parse(text);
  return kept;
}
