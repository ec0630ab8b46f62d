/**
 * The long form of the fuzzer: `npm run fuzz -- --seed 7 --requests 20000`. Starts a real hub, sends it requests made from its own
 * OpenAPI document, prints what was wrong with any answer as a command that shows it, and exits with 1 where something was.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { startFuzzedHub } from '../tests/fuzz/hub.ts';

const HELP = `npm run fuzz -- [options]

  --seed N       makes the same requests again (default: a new one, which is printed)
  --requests N   how many (default 5000)
  --help         this text

  npm run fuzz -- --seed 7 --requests 20000
`;

const { seed, requests } = readOptions();
process.stdout.write(`seed ${seed}, ${requests} requests\n`);
await using hub = await startFuzzedHub();
const every = process.stdout.isTTY ? 100 : Math.max(1, Math.ceil(requests / 10));
const { findings, never, statuses } = await hub.fuzz({
  seed,
  requests,
  progress: (done) => {
    if (done % every === 0)
      process.stdout.write(process.stdout.isTTY ? `\r${done}/${requests}` : `${done}/${requests}\n`);
  },
});
process.stdout.write(`\n${JSON.stringify(statuses)}\n`);
for (const { what, curl } of findings) process.stdout.write(`\n${what}\n    ${curl}\n`);
for (const id of never) process.stdout.write(`\n${id} never succeeded\n`);
for (const entry of hub.errors()) process.stdout.write(`\nlogged: ${entry}`);
process.exitCode = findings.length + never.length + hub.errors().length > 0 ? 1 : 0;

function readOptions(): { seed: number; requests: number } {
  try {
    const { values } = parseArgs({
      options: { seed: { type: 'string' }, requests: { type: 'string' }, help: { type: 'boolean' } },
    });
    if (values.help === true) {
      process.stdout.write(HELP);
      process.exit(0);
    }
    return {
      seed: count('seed', values.seed, randomInt(1_000_000)),
      requests: count('requests', values.requests, 5_000),
    };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    process.exit(2);
  }
}

function count(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d{1,15}$/.test(text)) throw new Error(`--${name} wants a whole number, not "${text}".`);
  return Number(text);
}
