/** Starts the load generators on the load side and reads what they found. Closed loop by wrk where it is installed. */
import { writeFile } from 'node:fs/promises';
import { isInstalled } from '../lab.ts';
import type { Lab } from '../lab.ts';
import type { Subject } from '../servers/subject.ts';
import type { ClosedLoop, ClosedLoopResult } from './closed-loop.ts';
import type { OpenLoop, OpenLoopResult } from './open-loop.ts';
import type { StreamLoad, StreamLoadResult } from './stream-load.ts';

type Target = Pick<Subject, 'url' | 'headers'>;

const MARK = 'measured ';

/** wrk calls `done` with latencies in microseconds; its own report rounds them. */
const LUA_REPORT = `
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('${MARK}{"requestsPerSecond":%f,"errors":%d,"p50Us":%f,"p99Us":%f}\\n',
    summary.requests / summary.duration * 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
`;

export interface Loads {
  /** What drives the closed loop here. */
  readonly closedLoopTool: string;
  closed(target: Target, load: Omit<ClosedLoop, keyof Target>): Promise<ClosedLoopResult>;
  open(target: Target, load: Omit<OpenLoop, keyof Target>): Promise<OpenLoopResult>;
  stream(target: Target, load: Omit<StreamLoad, keyof Target>): Promise<StreamLoadResult>;
  /** Keeps a request body in the lab and resolves with its file. */
  keepBody(name: string, body: string): Promise<string>;
}

export async function createLoads(lab: Lab): Promise<Loads> {
  const wrk = isInstalled('wrk');

  async function program<T>(name: string, options: unknown): Promise<T> {
    const file = new URL(`./${name}.ts`, import.meta.url).pathname;
    const args = [file, JSON.stringify(options)];
    const found: T = JSON.parse(await lab.run({ name, file: process.execPath, args, side: 'load' }));
    return found;
  }

  return {
    closedLoopTool: wrk ? 'wrk' : 'bench/load/closed-loop.ts',
    closed: ({ url, headers }, load) =>
      wrk ? runWrk(lab, { url, headers, ...load }) : program('closed-loop', { url, headers, ...load }),
    open: ({ url, headers }, load) => program('open-loop', { url, headers, ...load }),
    stream: ({ url, headers }, load) => program('stream-load', { url, headers, ...load }),
    async keepBody(name, body) {
      const file = lab.file(name);
      await writeFile(file, body);
      return file;
    },
  };
}

async function runWrk(lab: Lab, load: ClosedLoop): Promise<ClosedLoopResult> {
  const script = lab.file('post.lua');
  const headers = Object.entries({ 'content-type': 'application/json', ...load.headers });
  await writeFile(
    script,
    `local f = assert(io.open(${luaText(load.bodyFile)}, "rb")); wrk.body = f:read("*a"); f:close(); wrk.method = "POST"
     ${headers.map(([name, value]) => `wrk.headers[${luaText(name)}] = ${luaText(value)}`).join('\n')}
     ${LUA_REPORT}`,
    { mode: 0o600 },
  );
  const args = ['-t1', `-c${load.connections}`, `-d${load.seconds}s`, '--timeout', '10s', '-s', script, load.url];
  const printed = await lab.run({ name: 'wrk', file: 'wrk', args, side: 'load' });
  const report = printed.split('\n').find((line) => line.startsWith(MARK));
  if (report === undefined) throw new Error(`wrk reported nothing: ${printed.slice(-500)}`);
  const found: ClosedLoopResult = JSON.parse(report.slice(MARK.length));
  return found;
}

function luaText(text: string): string {
  // JSON's string escapes that can occur in paths and header values are Lua's too.
  return JSON.stringify(text);
}
