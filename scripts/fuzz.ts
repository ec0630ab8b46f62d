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

const { values } = parseArgs({
  options: { seed: { type: 'string' }, requests: { type: 'string', default: '5000' }, help: { type: 'boolean' } },
});
if (values.help === true) {
  process.stdout.write(HELP);
  process.exit(0);
}
const [seed, requests] = [values.seed ?? String(randomInt(1_000_000)), values.requests].map(Number);
if (seed === undefined || requests === undefined || !Number.isInteger(seed) || !Number.isInteger(requests)) {
  process.stderr.write(`--seed and --requests want whole numbers.\n\n${HELP}`);
  process.exit(2);
}
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
