/** Four processes, 250 callers each, one key that nobody has, one real Redis. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { it } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startRedis } from '../helpers/redis.ts';

const PROGRAM = fileURLToPath(new URL('../helpers/cache-process.ts', import.meta.url));
const PROCESSES = 4;
const CALLERS = 250;

/** What each caller of each process was told, and how often the factory ran. */
async function ask(t: TestContext, how: 'answers' | 'throws'): Promise<{ told: unknown[][]; calls: number }> {
  const redis = await startRedis();
  t.after(() => redis.close());
  const children = Array.from({ length: PROCESSES }, () =>
    fork(PROGRAM, [redis.url, String(CALLERS), how], { execArgv: ['--conditions=revoagent-source'] }),
  );
  for (const child of children) t.after(() => child.kill('SIGKILL'));
  await Promise.all(children.map((child) => once(child, 'message')));
  const answers = children.map(async (child): Promise<unknown[]> => {
    const [told] = await once(child, 'message');
    return told;
  });
  for (const child of children) child.send('go');
  const told = await Promise.all(answers);
  return { told, calls: Number(await redis.command('GET', 'factory-calls')) };
}

it('1,000 callers in four processes make one factory call, and all get its value', async (t) => {
  const { told, calls } = await ask(t, 'answers');
  assert.equal(calls, 1);
  assert.deepEqual(
    told,
    Array.from({ length: PROCESSES }, () => Array.from({ length: CALLERS }, () => 1)),
  );
});

it('a throw reaches each of them once: one factory call a process, and no more', async (t) => {
  const { told, calls } = await ask(t, 'throws');
  assert.ok(calls <= PROCESSES, `${calls} factory calls`);
  for (const each of told) {
    assert.equal(each.length, CALLERS);
    assert.equal(new Set(each).size, 1, 'the callers of a process share one failure');
    assert.match(String(each[0]), /^Error: call \d failed$/);
  }
});
