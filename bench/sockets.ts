/**
 * 1,000 WebSockets with 10 runs each under way at once on one hub (100 with `--quick`): whether any is lost, and what they cost. The hub
 * is started by its own command line, keyless, and answers from its simulator, at whose pace every run streams. One round.
 */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { freePort } from '../tests/helpers/free-port.ts';
import { createLab, until } from './lab.ts';
import type { Lab } from './lab.ts';
import type { BenchOptions } from './options.ts';
import type { BenchResult } from './result.ts';

const BIN = new URL('../bin/revoagent.js', import.meta.url).pathname;
const RUNS = 10;
/** How many connect at once: the backlog of a listening socket is bounded. */
const CONNECTING = 50;
const SAMPLE_MS = 500;

interface Figures {
  readonly eventLoop: { readonly delayP99Ms: number; readonly utilisation: number };
  readonly memory: { readonly rssBytes: number };
}

interface Counts {
  ended: number;
  failed: number;
  deltas: number;
  closed: number;
}

export async function run({ quick, progress }: BenchOptions): Promise<BenchResult> {
  await using lab = await createLab();
  const sockets = quick ? 100 : 1_000;
  const port = await freePort();
  const args = [BIN, 'serve', '--config', await writeConfig(lab, port)];
  await lab.start({ name: 'hub', file: process.execPath, args, side: 'measured' });
  const url = `http://127.0.0.1:${port}`;
  await until(
    async () => (await fetch(`${url}/health/ready`).catch(() => null))?.ok === true,
    async () => 'The hub did not start.',
  );
  const before = await figuresOf(url);
  const open: WebSocket[] = [];
  for (let from = 0; from < sockets; from += CONNECTING) {
    const some = Array.from({ length: Math.min(CONNECTING, sockets - from) }, () => connect(port));
    open.push(...(await Promise.all(some)));
  }
  progress(`${open.length} sockets are open`);
  const idle = await figuresOf(url);
  const counts: Counts = { ended: 0, failed: 0, deltas: 0, closed: 0 };
  const since = performance.now();
  const all = Promise.all(open.map((socket) => runsOn(socket, counts)));
  const seen = await sampled(url, all, progress);
  const tookS = (performance.now() - since) / 1_000;
  for (const socket of open) socket.close();
  const runs = sockets * RUNS;
  const lost = runs - counts.ended;
  return {
    name: 'sockets',
    rows: [
      {
        label: `${sockets} sockets × ${RUNS} runs · hub`,
        metrics: {
          lost,
          failed: counts.failed,
          closed: counts.closed,
          all_s: tookS,
          deltas_per_s: counts.deltas / tookS,
          rss_start_mb: before.memory.rssBytes / 1e6,
          rss_sockets_mb: idle.memory.rssBytes / 1e6,
          rss_runs_mb: Math.max(...seen.map(({ memory }) => memory.rssBytes)) / 1e6,
          loop_delay_p99_ms: Math.max(...seen.map(({ eventLoop }) => eventLoop.delayP99Ms)),
        },
        target: 'none lost',
        met: lost === 0,
      },
    ],
    notes: [
      '`rss_sockets_mb`: with all sockets open and nothing under way; `rss_runs_mb` and the delay: the worst seen.',
    ],
  };
}

async function writeConfig(lab: Lab, port: number): Promise<string> {
  const file = lab.file('hub-sockets.json');
  const config = {
    server: { host: '127.0.0.1', port, shutdownGraceMs: 0 },
    storage: { dataDir: lab.file('hub-sockets-data') },
    providers: { sim: { kind: 'simulator', seed: 1, firstTokenMs: { p50: 2_000, p95: 4_000 }, tokensPerSecond: 5 } },
    routes: { bench: { groups: [[{ provider: 'sim', model: 'chat' }]] } },
    resilience: { concurrentMax: 20_000 },
    logging: { level: 'warn' },
  };
  await writeFile(file, JSON.stringify(config));
  return file;
}

async function connect(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/chat`);
  await once(socket, 'open');
  return socket;
}

/** Resolves when every run of the socket has ended, or the socket has. */
function runsOn(socket: WebSocket, counts: Counts): Promise<void> {
  return new Promise((resolve) => {
    let left = RUNS;
    socket.on('message', (data: Buffer) => {
      const { type }: { type: string } = JSON.parse(data.toString());
      if (type === 'delta') counts.deltas++;
      if (type !== 'end' && type !== 'error') return;
      if (type === 'end') counts.ended++;
      else if (counts.failed++ === 0) process.stderr.write(`first error: ${data.toString()}\n`);
      if (--left === 0) resolve();
    });
    socket.once('close', () => {
      if (left > 0) counts.closed++;
      resolve();
    });
    for (let number = 0; number < RUNS; number++) {
      socket.send(
        JSON.stringify({ type: 'chat', id: `${number}`, request: { model: 'bench', prompt: 'Count to ten.' } }),
      );
    }
  });
}

async function sampled(url: string, work: Promise<unknown>, progress: (text: string) => void): Promise<Figures[]> {
  const seen: Figures[] = [];
  const end = work.then(() => true);
  for (let over = false; !over;) {
    seen.push(await figuresOf(url));
    over = await Promise.race([end, sleep(SAMPLE_MS, false)]);
  }
  seen.push(await figuresOf(url));
  progress(`${seen.length} samples`);
  return seen;
}

async function figuresOf(url: string): Promise<Figures> {
  const text = await (await fetch(`${url}/api/performance`)).text();
  const answer: Figures = JSON.parse(text);
  return answer;
}
