/**
 * Load from callers who each wait for their answer before they ask again, for machines without wrk. It is slower than wrk, so
 * a fast server's limit may be this program's: the note of the result says which of the two ran. A program:
 * `node closed-loop.ts '<ClosedLoop as JSON>'` prints one ClosedLoopResult.
 */
import { readFileSync } from 'node:fs';
import { openConnection, requestBytes } from './http-connection.ts';

export interface ClosedLoop {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyFile: string;
  readonly connections: number;
  readonly seconds: number;
}

export interface ClosedLoopResult {
  readonly requestsPerSecond: number;
  /** Answers other than 2xx and broken connections. */
  readonly errors: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** One more error than this and the server is not worth hammering on. */
const ERRORS_MAX = 1_000;

async function generate(options: ClosedLoop): Promise<ClosedLoopResult> {
  const url = new URL(options.url);
  const request = requestBytes(url, options.headers, readFileSync(options.bodyFile));
  const latenciesMs: number[] = [];
  const startMs = performance.now();
  const endMs = startMs + options.seconds * 1_000;
  let errors = 0;

  async function ask(): Promise<void> {
    const connection = openConnection(Number(url.port), url.hostname);
    while (performance.now() < endMs && errors < ERRORS_MAX) {
      const sentMs = performance.now();
      const status = await new Promise<number>((resolve) => connection.send(request, resolve));
      if (status === 200) latenciesMs.push(performance.now() - sentMs);
      else errors += 1;
    }
    connection.close();
  }

  await Promise.all(Array.from({ length: options.connections }, ask));
  const seconds = (performance.now() - startMs) / 1_000;
  const sorted = Float64Array.from(latenciesMs).toSorted();
  const at = (share: number): number => (sorted[Math.floor(sorted.length * share)] ?? Infinity) * 1_000;
  return { requestsPerSecond: sorted.length / seconds, errors, p50Us: at(0.5), p99Us: at(0.99) };
}

const [json] = process.argv.slice(2);
if (json === undefined) throw new Error("usage: closed-loop.ts '<ClosedLoop as JSON>'");
const options: ClosedLoop = JSON.parse(json);
process.stdout.write(JSON.stringify(await generate(options)));
