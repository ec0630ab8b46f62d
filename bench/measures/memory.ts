/**
 * Resident memory of a server: before any load, at its peak under 64 callers with bodies of 150 kB, and a minute after.
 * Measured first, because "idle" means that nothing was asked of it yet.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchOptions } from '../options.ts';
import type { BenchResult } from '../result.ts';
import { chatBody } from '../load/chat.ts';
import type { Subject } from '../servers/subject.ts';
import type { Site } from '../site.ts';

export const MEMORY = 'memory with bodies of 150 kB';

const BODY_TEXT_BYTES = 150_000;
const CONNECTIONS = 64;
const SAMPLE_MS = 250;
const AFTER_MS = 60_000;
const AFTER_SHORT_MS = 1_000;

const execute = promisify(execFile);

export async function measureMemory(site: Site, options: BenchOptions): Promise<BenchResult['rows']> {
  const bodyFile = await site.loads.keepBody('chat-150kb.json', chatBody({ textBytes: BODY_TEXT_BYTES }));
  const seen = [];
  for (const subject of [site.relay, site.plain, site.governed, site.portkey]) {
    options.progress(`memory: ${subject.name}`);
    const idleMb = await residentMb(subject);
    const load = site.loads.closed(subject, { bodyFile, connections: CONNECTIONS, seconds: options.seconds });
    const [peakMb, { errors: failed }] = await Promise.all([peakWhile(subject, load), load]);
    seen.push({ subject, idleMb, peakMb, failed });
  }
  const afterMs = options.quick ? AFTER_SHORT_MS : AFTER_MS;
  options.progress(`memory: what is left after ${afterMs / 1_000} s`);
  await sleep(afterMs);
  const rows: BenchResult['rows'] = [];
  for (const { subject, ...measured } of seen)
    rows.push({
      label: `${MEMORY} · ${subject.name}`,
      metrics: { ...measured, afterwardsMb: await residentMb(subject) },
    });
  return rows;
}

async function peakWhile(subject: Subject, load: Promise<unknown>): Promise<number> {
  let peakMb = 0;
  const ended = load.then(() => true);
  do peakMb = Math.max(peakMb, await residentMb(subject));
  while (!(await Promise.race([ended, sleep(SAMPLE_MS, false)])));
  return peakMb;
}

/** What the system holds in memory for it now. */
export async function residentMb(subject: Subject): Promise<number> {
  if (subject.process === null) throw new Error(`${subject.name} has no process of its own.`);
  const { stdout } = await execute('ps', ['-o', 'rss=', '-p', String(subject.process.pid)]);
  return Number(stdout) / 1_024;
}
