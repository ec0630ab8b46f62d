/** The http room over a real embedded database: what it answers, and what is in the tables afterwards. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach } from 'node:test';
import { systemClock } from '#core/clock';
import type { External } from '#contract/external';
import { createMemory } from '#memory/memory';
import type { Storage } from '#storage/index';
import { startHttpHub } from './http-hub.ts';
import type { HttpHub } from './http-hub.ts';
import { readyDatabase } from './ready-database.ts';
import { listeners, nothingTold, openGuard, openTestStorage } from './storage.ts';

export interface StoredHub extends HttpHub {
  readonly storage: Storage;
  /** With the administrator's key unless another one is given. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Asked>;
}

export interface Asked {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The text as JSON; an empty object where it is none. */
  readonly body: Record<string, unknown>;
}

const external: Pick<External, 'list'> = {
  list: () => [{ name: 'shop', methods: ['GET', 'POST'], paths: ['/'], breaker: 'external:shop' }],
};

/** One for the tests of a suite, which each find its tables empty. */
export function storedHub(): () => StoredHub {
  let hub: StoredHub | undefined;
  const stack = new AsyncDisposableStack();
  const current = (): StoredHub => {
    if (hub === undefined) throw new Error('the hub is there inside of tests');
    return hub;
  };
  before(async () => {
    hub = await start(stack);
  });
  beforeEach(async () => {
    for (const table of ['memories', 'conversations', 'agents', 'audit'] as const)
      await current().storage.db.deleteFrom(table).execute();
  });
  after(() => stack.disposeAsync());
  return current;
}

async function start(stack: AsyncDisposableStack): Promise<StoredHub> {
  const folder = await mkdtemp(path.join(tmpdir(), 'revoagent-stored-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  await readyDatabase(folder);
  const { storage } = await openTestStorage({ kind: 'embedded', dataDir: folder, queryTimeoutMs: 10_000 });
  stack.defer(() => storage.close());
  const { agents: agentStore, conversations, audit } = storage.stores;
  const call = () => Promise.reject(new Error('nobody calls an API here'));
  const { observer, logger } = listeners(nothingTold());
  const guard = { ...openGuard, name: 'memory' };
  const store = storage.stores.memories;
  const memory = createMemory({
    store,
    embedder: null,
    guard,
    clock: systemClock,
    observer,
    logger,
    timeoutMs: 10_000,
  });
  const hub = await startHttpHub(
    { after: (end) => stack.defer(end) },
    {
      settings: { bodyBytesMax: 1_000_000 },
      deps: { agentStore, conversations, memory, audit, external: { ...external, call } },
    },
  );
  return { ...hub, storage, ask: (...asked) => ask(hub, ...asked) };
}

/** Text is sent as JSON Lines, everything else as JSON. */
async function ask(
  hub: HttpHub,
  ...[method, at, body, headers]: Parameters<StoredHub['ask']>
): ReturnType<StoredHub['ask']> {
  const type = typeof body === 'string' ? 'application/jsonl' : 'application/json';
  const response = await fetch(hub.url + at, {
    method,
    headers: {
      authorization: `Bearer ${hub.keys.admin}`,
      ...(body === undefined ? {} : { 'content-type': type }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: recordOf(text) };
}

function recordOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
