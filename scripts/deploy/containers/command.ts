/** Other programs, as a script calls them: what one says on standard error is told only when it fails. */
import { spawnSync } from 'node:child_process';

const SAID_LINES = 15;

/** Its standard output. Throws with the end of what it said where it does not end with 0. */
export function run(program: string, words: readonly string[], env: NodeJS.ProcessEnv = process.env): string {
  const { status, signal, stdout, stderr, error } = spawnSync(program, words, {
    env,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error !== undefined) throw new Error(`${program} cannot be run: ${error.message}`);
  if (status === 0) return stdout;
  const said = `${stdout}\n${stderr}`.trim().split('\n').slice(-SAID_LINES).join('\n');
  throw new Error(`${program} ${words.slice(0, 3).join(' ')} … ended with ${status ?? signal}:\n${said}`);
}

/** Of these, those that are not installed. */
export function missing(programs: readonly string[]): string[] {
  return programs.filter((program) => spawnSync('which', [program]).status !== 0);
}
