/**
 * Load at a constant arrival rate. Every request has a moment at which it was meant to start, and its latency counts from
 * there: a server that stalls is charged for all who came meanwhile, which a closed loop forgives ("coordinated omission").
 * A program: `node open-loop.ts '<OpenLoop as JSON>'` prints one OpenLoopResult. Latencies carry up to 1 ms of timer grain.
 */
import { readFileSync } from 'node:fs';
import { openConnection, requestBytes } from './http-connection.ts';
import type { HttpConnection } from './http-connection.ts';

export interface OpenLoop {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyFile: string;
  readonly requestsPerSecond: number;
  /** Counted. */
  readonly seconds: number;
  /** Sent before, not counted: connections open, code is compiled. */
  readonly warmUpSeconds: number;
}

export interface OpenLoopResult {
  readonly sent: number;
  /** Answers other than 200, broken connections, and requests unanswered 2 s after the last was due. */
  readonly errors: number;
  /** Of these: answered 503, which says "come back later". */
  readonly shed: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly answeredPerSecond: number;
}

const CONNECTIONS_MAX = 4_096;
const PATIENCE_MS = 2_000;

async function generate(options: OpenLoop): Promise<OpenLoopResult> {
  const url = new URL(options.url);
  const request = requestBytes(url, options.headers, readFileSync(options.bodyFile));
  const total = Math.round(options.requestsPerSecond * (options.seconds + options.warmUpSeconds));
  const counted = Math.round(options.requestsPerSecond * options.seconds);
  const first = total - counted;
  const latenciesMs = new Float64Array(counted);
  const idle: HttpConnection[] = [];
  const connections: HttpConnection[] = [];
  const perMs = options.requestsPerSecond / 1_000;
  const startMs = performance.now();
  let begun = 0;
  let answered = 0;
  let good = 0;
  let shed = 0;

  function begin(index: number, connection: HttpConnection): void {
    connection.send(request, (status) => {
      idle.push(connection);
      if (index < first) return;
      answered += 1;
      if (status === 503) shed++;
      if (status === 200) latenciesMs[good++] = performance.now() - (startMs + index / perMs);
    });
  }

  function beginDue(): void {
    const due = Math.min(total, Math.floor((performance.now() - startMs) * perMs) + 1);
    while (begun < due) {
      let connection = idle.pop();
      if (connection === undefined) {
        // All are busy: the request waits, and its wait counts.
        if (connections.length === CONNECTIONS_MAX) return;
        connection = openConnection(Number(url.port), url.hostname);
        connections.push(connection);
      }
      begin(begun++, connection);
    }
  }

  const endMs = startMs + total / perMs + PATIENCE_MS;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      beginDue();
      if (answered < counted && performance.now() < endMs) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
  const tookMs = performance.now() - startMs - options.warmUpSeconds * 1_000;
  for (const connection of connections) connection.close();
  const sorted = latenciesMs.subarray(0, good).toSorted();
  const at = (share: number): number => sorted[Math.min(good - 1, Math.floor(good * share))] ?? Infinity;
  return {
    sent: counted,
    errors: counted - good,
    shed,
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
    answeredPerSecond: (good / tookMs) * 1_000,
  };
}

const [json] = process.argv.slice(2);
if (json === undefined) throw new Error("usage: open-loop.ts '<OpenLoop as JSON>'");
const options: OpenLoop = JSON.parse(json);
process.stdout.write(JSON.stringify(await generate(options)));
