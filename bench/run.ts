/**
 * `node bench/run.ts [gateway|stream|breaker|cache|limits|profile|sockets|turns|overload|telemetry …] [--rounds N] [--seconds S] [--quick] [--keep] [--json]`: runs the named benchmarks, or
 * all, keeps what they found in `bench/results/` and writes docs/benchmarks.md from it. Fewer than 5 rounds are a try: printed,
 * not kept, or with `--keep` kept as provisional. Each benchmark is the file of its name beside this one.
 */
import { parseArgs } from 'node:util';
import { machineFacts } from './machine.ts';
import { RECORDED_ROUNDS_MIN } from './options.ts';
import type { BenchOptions } from './options.ts';
import { keepResult, writeDocument } from './record.ts';
import { renderResult } from './render.ts';
import type { BenchResult } from './result.ts';

const BENCHES = [
  'gateway',
  'stream',
  'breaker',
  'cache',
  'limits',
  'profile',
  'sockets',
  'turns',
  'overload',
  'telemetry',
] as const;
const USAGE = `usage: node bench/run.ts [${BENCHES.join('|')} …] [--rounds 5] [--seconds 5] [--quick] [--keep] [--json]`;
const ROUNDS_MAX = 100;
const SECONDS_MAX = 600;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '5' },
      quick: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const options: BenchOptions = {
    rounds: values.quick ? 1 : wholeNumber('--rounds', values.rounds, ROUNDS_MAX),
    seconds: values.quick ? 1 : wholeNumber('--seconds', values.seconds, SECONDS_MAX),
    quick: values.quick,
    progress: (text) => process.stderr.write(`${text}\n`),
  };
  const provisional = options.rounds < RECORDED_ROUNDS_MIN;
  const keeps = values.keep || !provisional;
  const names = positionals.length > 0 ? positionals.map(knownBench) : [...BENCHES];
  for (const name of names) {
    const machine = machineFacts();
    options.progress(`── ${name}`);
    const result = await (await load(name))(options);
    process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : `${renderResult(result)}\n`);
    if (!keeps) options.progress('Too few rounds for a figure worth keeping; --keep keeps it as provisional.');
    else await keepResult({ result, machine, measuredAt: new Date().toISOString(), provisional });
  }
  if (keeps) await writeDocument();
}

function wholeNumber(flag: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new UsageError(`${flag} takes a whole number from 1 to ${max}, not ${text}.`);
}

function knownBench(name: string): string {
  if (BENCHES.some((known) => known === name)) return name;
  throw new UsageError(`There is no benchmark ${name}.`);
}

class UsageError extends Error {}

async function load(name: string): Promise<(options: BenchOptions) => Promise<BenchResult>> {
  const module: { run: (options: BenchOptions) => Promise<BenchResult> } = await import(
    new URL(`./${name}.ts`, import.meta.url).href
  );
  return module.run;
}

try {
  await main();
} catch (error) {
  const wrongUse = error instanceof UsageError || (error instanceof TypeError && 'code' in error);
  process.stderr.write(
    wrongUse ? `${error.message}\n${USAGE}\n` : `${error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exitCode = wrongUse ? 2 : 1;
}
