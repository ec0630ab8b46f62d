/** Where a check is carried out: a stack that runs, or one of its own that it starts in a folder that goes afterwards. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import { callStack } from '../control.ts';
import type { StackEvent } from '../part.ts';
import { controlFile, planStack, runStack } from '../run.ts';
import type { RunOptions } from '../run.ts';
import type { StackStatus } from '../stack.ts';
import { Caller } from './caller.ts';
import type { Site } from './site.ts';
import { startCheckUpstream } from './upstream.ts';
import type { CheckUpstream } from './upstream.ts';

/** Tried one after the other, so that a stack of its own stands beside what runs on this machine. */
const OFFSETS = Array.from({ length: 20 }, (_, at) => 1_000 + at * 700);

export interface OwnStack {
  readonly site: Site;
  readonly folder: string;
  readonly startMs: number;
  /** Ends it; nothing of it is left. */
  close(): Promise<void>;
}

/** `null` where no stack runs in the folder. */
export async function runningSite(
  clock: Clock,
  folder: string,
  key: string | undefined,
  model: string,
): Promise<Site | null> {
  const none = 'no stack';
  try {
    const status = await statusOf(folder, none);
    return siteOf(
      { clock, caller: new Caller(clock, key), model, upstream: null, status: () => statusOf(folder, none) },
      status,
    );
  } catch (error) {
    if (messageOf(error) === none) return null;
    throw error;
  }
}

export interface OwnStackOptions {
  readonly hubs?: number;
  readonly autoscale?: RunOptions['autoscale'];
  readonly onNote?: (text: string) => void;
}

/** Rejects where it does not start, and then nothing of it runs. */
export async function startOwnStack(
  clock: Clock,
  onEvent: (event: StackEvent) => void,
  { hubs = 2, autoscale = null, onNote = () => undefined }: OwnStackOptions = {},
): Promise<OwnStack> {
  const root = mkdtempSync(path.join(tmpdir(), 'revoagent-check-'));
  // PostgreSQL runs as another user where root starts it, and must get there.
  chmodSync(root, 0o755);
  const upstream = await startCheckUpstream(clock);
  const ending = new AbortController();
  const clear = (): void => {
    upstream.close();
    rmSync(root, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    const options = {
      folder: path.join(root, 'stack'),
      configFile: writeConfig(root, upstream),
      hubs,
      monitoring: true,
      autoscale,
      portOffset: 0,
    };
    const portOffset = await freeOffset(options, clock);
    const begun = clock.now();
    const up = Promise.withResolvers<StackStatus>();
    const over = runStack(
      { ...options, portOffset },
      {
        clock,
        signal: ending.signal,
        follow: () => ({}),
        onEvent,
        onUp: up.resolve,
        onNote,
      },
    );
    over.catch(up.reject);
    const status = await up.promise;
    const startMs = clock.now() - begun;
    const parts = {
      clock,
      caller: new Caller(clock, undefined),
      model: 'check',
      upstream,
      status: () => statusOf(options.folder, 'the stack ended'),
    };
    const site = siteOf(parts, status);
    const close = async (): Promise<void> => {
      site.caller.close();
      ending.abort(new Error('the check is over'));
      await over.finally(clear);
    };
    return { site, folder: options.folder, startMs, close };
  } catch (error) {
    clear();
    throw error;
  }
}

async function freeOffset(options: Parameters<typeof planStack>[0], clock: Clock): Promise<number> {
  for (const portOffset of OFFSETS)
    if ((await planStack({ ...options, portOffset }, clock)).problems.length === 0) return portOffset;
  throw new Error('There are no free ports for a stack of its own. Check one that runs: --folder');
}

function writeConfig(root: string, { baseUrl }: CheckUpstream): string {
  const file = path.join(root, 'check.json');
  const config = {
    providers: { check: { kind: 'openai-compatible', baseUrl } },
    routes: { '*': { groups: [[{ provider: 'check' }]] } },
    // Back soon, so that the check does not wait for it.
    resilience: { breaker: { openMs: 1_000, openMsMax: 2_000 } },
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

async function statusOf(folder: string, none: string): Promise<StackStatus> {
  // The other end is this very program.
  return (await callStack(controlFile(folder), { command: 'status', words: {} }, () => undefined, none)) as StackStatus;
}

function siteOf(parts: Pick<Site, 'clock' | 'caller' | 'model' | 'upstream' | 'status'>, status: StackStatus): Site {
  const urlOf = (name: string): string | null => status.parts.find((part) => part.name === name)?.shown?.url ?? null;
  const url = urlOf('nginx');
  if (url === null) throw new Error('The stack has no balancer: it was started with --only.');
  const hubs = status.parts.filter(({ name }) => /^hub-\d+$/.test(name));
  return {
    ...parts,
    url,
    hubs: hubs.map(({ name }) => ({
      name,
      url: urlOf(name) ?? '',
      socket: path.join(status.folder, 'hubs', name, 'hub.sock'),
    })),
    prometheus: urlOf('prometheus'),
    alertmanager: urlOf('alertmanager'),
  };
}
