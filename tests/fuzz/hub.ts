/** A real hub to be fuzzed: simulator without delay, an external API that echoes, an admin key; embedded, on a free port. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadConfig } from '#config/index';
import { generateKey, providerKinds, startHub } from '#hub/index';
import { readyDatabase } from '../helpers/ready-database.ts';
import type { FuzzOptions, FuzzReport } from './fuzz.ts';
import { fuzz } from './fuzz.ts';
import { isSchema } from './values.ts';

export interface FuzzedHub extends AsyncDisposable {
  readonly url: string;
  /** Entries of the log that nobody expects. */
  errors(): string[];
  fuzz(options: Pick<FuzzOptions, 'seed' | 'requests' | 'progress'>): Promise<FuzzReport>;
}

const DEADLINE_MS = 10_000;
const GOOD_TRIES = 400;

export async function startFuzzedHub(): Promise<FuzzedHub> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), 'revoagent-fuzz-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const echo = await startEcho(stack);
  const key = generateKey(1).text;
  const adminKeyFile = path.join(folder, 'admin.key');
  await writeFile(adminKeyFile, key);
  const file = path.join(folder, 'revoagent.json');
  const config = {
    server: { port: 0, shutdownGraceMs: 0 },
    security: { adminKeyFile },
    storage: { dataDir: path.join(folder, 'data') },
    providers: {
      simulator: { kind: 'simulator', firstTokenMs: { p50: 0, p95: 0 }, tokensPerSecond: 0, reply: 'Yes.' },
    },
    routes: { '*': { groups: [[{ provider: 'simulator' }]], content: 'redacted', cache: {} } },
    external: { echo: { baseUrl: echo, methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'], cache: {} } },
    // Forced open and reset again and again: what is open must not stay so for long.
    resilience: { breaker: { openMs: 10, openMsMax: 10 } },
  };
  await Promise.all([writeFile(file, JSON.stringify(config)), readyDatabase(config.storage.dataDir)]);
  const log: string[] = [];
  const loaded = loadConfig({ file, kinds: providerKinds, env: {} });
  const hub = await startHub(loaded.config, [], { logTo: { write: (text) => void log.push(text) } });
  stack.defer(() => hub.shutdown('the fuzzing is over'));
  const headers = { authorization: `Bearer ${key}` };
  const document: unknown = await (await fetch(`${hub.url}/openapi.json`, { headers })).json();
  if (!isSchema(document)) throw new TypeError('/openapi.json is no object');
  const owned = stack.move();
  return {
    url: hub.url,
    // The one act whose audit cannot be written is to force the database's own circuit open, which the fuzzer does.
    errors: () =>
      log.filter(
        (entry) =>
          entry.includes('"level":"error"') &&
          !(entry.includes('"event":"audit-failed"') && entry.includes('"subject":"database"')),
      ),
    fuzz: ({ seed, requests, progress }) => {
      // What the fuzzer itself puts out of service is no failure of the hub: it is put back at once.
      const reset = async (asked: string): Promise<void> => {
        const response = await fetch(hub.url + asked.replace(/(force-open|close)(\?.*)?$/, 'reset'), {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json' },
          body: '{"reason":"fuzzed"}',
        });
        if (!response.ok) throw new Error(`a circuit cannot be reset: ${response.status} ${await response.text()}`);
      };
      return fuzz({
        url: hub.url,
        document,
        seed,
        requests,
        tries: GOOD_TRIES,
        headers,
        deadlineMs: DEADLINE_MS,
        secrets: [key, folder],
        given: [{ name: 'name', value: 'echo' }],
        spared: [`key_${key.slice(4, 30)}`],
        after: {
          forceOpenBreaker: ({ path: asked }) => reset(asked),
          closeBreaker: ({ path: asked }) => reset(asked),
        },
        ...(progress === undefined ? {} : { progress }),
      });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** An API that takes anything and says yes. Returns where it is. */
async function startEcho(stack: AsyncDisposableStack): Promise<string> {
  const server = createServer((request, response) => {
    request
      .resume()
      .on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}
