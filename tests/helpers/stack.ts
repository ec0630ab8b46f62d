/** A whole stack as a person brings it up; its upstream is in this process and counts what it is asked. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { systemClock } from '#core/clock';
import { callStack, controlFile, planStack } from '#stack/index';
import type { StackStatus } from '#stack/index';
import { runCli, temporaryFolder, waitFor } from './hub-process.ts';
import type { Cleanup } from './suite.ts';
import { answers, startUpstream, streams } from './upstream.ts';
import type { Upstream } from './upstream.ts';

export interface Stack {
  readonly folder: string;
  /** What was added to every port. */
  readonly offset: number;
  readonly url: string;
  readonly upstream: Upstream;
  /** Its hubs': the next reload reads what is put into this file, beside the upstream. */
  configure(settings: Record<string, unknown>): Promise<void>;
  readonly prometheus: string;
  status(): Promise<StackStatus>;
  pidOf(part: string): Promise<number>;
}

/** PostgreSQL runs as another user where root starts it, and must get there. */
export async function stackFolder(t: Cleanup): Promise<string> {
  const folder = await temporaryFolder(t);
  await chmod(folder, 0o755);
  return path.join(folder, 'stack');
}

const OFFSETS = { least: 1_000, most: 19_000, step: 100 };

/** What can be added to all ports of a stack: where nobody listens now, below what the system gives to clients. */
export async function freeOffset(): Promise<number> {
  const count = (OFFSETS.most - OFFSETS.least) / OFFSETS.step;
  for (let tries = 0; tries < count; tries++) {
    const portOffset = OFFSETS.least + randomInt(count) * OFFSETS.step;
    const plan = await planStack({ folder: '/nowhere', hubs: 10, portOffset, monitoring: true }, systemClock);
    if (plan.problems.length === 0) return portOffset;
  }
  throw new Error('there are no free ports for a stack');
}

export async function startStack(t: Cleanup, words: readonly string[] = []): Promise<Stack> {
  const offset = await freeOffset();
  const folder = await stackFolder(t);
  const upstream = await startUpstream(t);
  upstream.otherwise = (exchange) =>
    exchange.received.body['stream'] === true ? streams(['Well', ' done.'])(exchange) : answers()(exchange);
  const config = path.join(path.dirname(folder), 'revoagent.json');
  const configure = (settings: Record<string, unknown>): Promise<void> =>
    writeFile(
      config,
      JSON.stringify({
        providers: { one: { kind: 'openai-compatible', baseUrl: upstream.baseUrl } },
        routes: { '*': { groups: [[{ provider: 'one' }]] } },
        ...settings,
      }),
    );
  await configure({});
  t.after(() => runCli(['down', '--folder', folder]));
  const up = await runCli([
    'up',
    '--detach',
    '--folder',
    folder,
    '--port-offset',
    String(offset),
    '--config',
    config,
    ...words,
  ]);
  assert.equal(up.code, 0, up.stdout + up.stderr);
  const status = async (): Promise<StackStatus> => {
    const call = { command: 'status', words: {} };
    return (await callStack(controlFile(folder), call, () => undefined, 'no stack')) as StackStatus;
  };
  const pidOf = async (part: string): Promise<number> =>
    waitFor(
      async () => (await status()).parts.find(({ name, state }) => name === part && state === 'ready')?.pid,
      30_000,
    );
  return {
    folder,
    offset,
    prometheus: `http://127.0.0.1:${9_090 + offset}`,
    url: `http://127.0.0.1:${8_080 + offset}`,
    upstream,
    configure,
    status,
    pidOf,
  };
}
