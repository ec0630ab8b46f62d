/**
 * Callers who each hold one stream after another open, and note when every delta arrives. A delta counts as arrived when its
 * last byte is here, so several that come in one piece have gaps of 0. A program: `node stream-load.ts '<StreamLoad as JSON>'`
 * prints one StreamLoadResult.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { STREAM_DELTAS } from './chat.ts';
import { requestBytes } from './http-connection.ts';

export interface StreamLoad {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyFile: string;
  /** Open at any time. */
  readonly streams: number;
  /** No stream is begun after this; those that run are heard to their end. */
  readonly seconds: number;
  /** Between two deltas at the upstream. */
  readonly gapMs: number;
}

export interface StreamLoadResult {
  readonly deltas: number;
  /** Share of all deltas asked for that came, and came at most 1 s later than the upstream sent them. */
  readonly inTimeShare: number;
  readonly firstP50Ms: number;
  readonly gapP50Ms: number;
  readonly gapP99Ms: number;
}

const LATE_MS = 1_000;
const PATIENCE_MS = 10_000;
/** Streams begin over this time, as callers do, not all at once. */
const SPREAD_MS = 1_000;
const LAST_CHUNK = '0\r\n\r\n';
const DELTA_START = /data: \{/g;

interface Heard {
  begun: number;
  inTime: number;
  readonly firstsMs: number[];
  readonly gapsMs: number[];
}

/** One stream to its end; false when the connection ended first. */
function listen(
  request: Buffer,
  url: URL,
  gapMs: number,
  heard: Heard,
): { next: () => Promise<boolean>; close: () => void } {
  const socket = connect({ port: Number(url.port), host: url.hostname, noDelay: true });
  let ended: ((whole: boolean) => void) | null = null;
  let beganMs = 0;
  let lastMs = 0;
  let deltas = 0;
  let tail = '';

  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    const nowMs = performance.now();
    // Starts of deltas are counted once the text up to the next event's blank line is here.
    const seen = tail + text;
    const whole = seen.lastIndexOf('\n\n') + 1;
    const arrived = seen.slice(0, whole).match(DELTA_START)?.length ?? 0;
    tail = seen.slice(whole);
    for (let index = 0; index < arrived; index++) {
      deltas += 1;
      if (deltas === 1) heard.firstsMs.push(nowMs - beganMs);
      else heard.gapsMs.push(nowMs - lastMs);
      lastMs = nowMs;
      if (nowMs - beganMs <= deltas * gapMs + LATE_MS) heard.inTime += 1;
    }
    if (seen.endsWith(LAST_CHUNK)) ended?.(true);
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => ended?.(false));
  return {
    next() {
      deltas = 0;
      tail = '';
      heard.begun += 1;
      beganMs = performance.now();
      socket.write(request);
      return new Promise((resolve) => (ended = resolve));
    },
    close: () => socket.destroy(),
  };
}

async function generate(options: StreamLoad): Promise<StreamLoadResult> {
  const url = new URL(options.url);
  const request = requestBytes(url, options.headers, readFileSync(options.bodyFile));
  const heard: Heard = { begun: 0, inTime: 0, firstsMs: [], gapsMs: [] };
  const endMs = performance.now() + SPREAD_MS + options.seconds * 1_000;
  const open = new Set<() => void>();
  const patience = setTimeout(() => open.forEach((close) => close()), endMs - performance.now() + PATIENCE_MS);

  async function hold(index: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, (index / options.streams) * SPREAD_MS));
    while (performance.now() < endMs) {
      const stream = listen(request, url, options.gapMs, heard);
      open.add(stream.close);
      while (performance.now() < endMs && (await stream.next()));
      stream.close();
      open.delete(stream.close);
    }
  }

  await Promise.all(Array.from({ length: options.streams }, (_, index) => hold(index)));
  clearTimeout(patience);
  return {
    deltas: heard.firstsMs.length + heard.gapsMs.length,
    inTimeShare: heard.inTime / (heard.begun * STREAM_DELTAS),
    firstP50Ms: percentile(heard.firstsMs, 0.5),
    gapP50Ms: percentile(heard.gapsMs, 0.5),
    gapP99Ms: percentile(heard.gapsMs, 0.99),
  };
}

function percentile(values: readonly number[], share: number): number {
  return Float64Array.from(values).toSorted()[Math.floor(values.length * share)] ?? Infinity;
}

const [json] = process.argv.slice(2);
if (json === undefined) throw new Error("usage: stream-load.ts '<StreamLoad as JSON>'");
const options: StreamLoad = JSON.parse(json);
process.stdout.write(JSON.stringify(await generate(options)));
