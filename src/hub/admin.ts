/**
 * Keys from the command line. A running hub is asked through its local socket, because it owns the embedded database and must
 * learn of a revocation at once; where none runs, storage is opened for the one command. Callers do not see which.
 */
import { systemClock } from '#core/clock';
import { systemRandom } from '#core/random';
import type { Scope } from '#contract/gateway';
import type { Logger } from '#contract/logger';
import type { Observer } from '#contract/observer';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import type { Config } from '#config/index';
import { createCache, RedisTier } from '#cache/index';
import { createKeys } from '#gateway/keys';
import { BreakerRegistry } from '#resilience/index';
import { LOOKUPS } from './cache.ts';
import { asRecord, localHubClient, problemOf } from './hub-client.ts';
import type { HubAnswer, HubClient } from './hub-client.ts';
import { openRedis } from './redis.ts';
import { openHubStorage } from './storage.ts';
import { storageInWords } from './summary.ts';

export interface KeySummary {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly createdAt: string;
  readonly revokedAt: string | null;
}

export interface HubAdmin {
  /** The storage that was opened, in words without credentials; null where a running hub was asked. */
  readonly store: string | null;
  createKey(request: { name: string; scopes: readonly Scope[] }): Promise<{ id: string; secret: string }>;
  /** Newest first, at most 200. */
  listKeys(): Promise<readonly KeySummary[]>;
  /** False where there is no such active key. */
  revokeKey(id: string): Promise<boolean>;
  close(): Promise<void>;
}

const KEYS_SHOWN = 200;

/** Throws an `Error` in words where neither way leads to the keys. */
export async function openHubAdmin(config: Config): Promise<HubAdmin> {
  const client = await localHubClient(config.storage.dataDir);
  return client === null ? openDirectly(config) : askRunningHub(client);
}

function askRunningHub(client: HubClient): HubAdmin {
  return {
    store: null,
    async createKey(request) {
      const answer = expectStatus(await client.ask('POST', '/api/keys', request), [201]);
      return { id: String(asRecord(answer['key'])['id']), secret: String(answer['secret']) };
    },
    async listKeys() {
      const answer = expectStatus(await client.ask('GET', `/api/keys?limit=${KEYS_SHOWN}`), [200]);
      const rows: unknown[] = Array.isArray(answer['data']) ? answer['data'] : [];
      return rows.map((row) => keySummary(asRecord(row)));
    },
    async revokeKey(id) {
      const answer = await client.ask('DELETE', `/api/keys/${encodeURIComponent(id)}`);
      expectStatus(answer, [200, 204, 404]);
      return answer.status !== 404;
    },
    close: () => client.close(),
  };
}

async function openDirectly(config: Config): Promise<HubAdmin> {
  const clock = systemClock;
  const random = systemRandom;
  const breakers = new BreakerRegistry({ clock, random });
  await using stack = new AsyncDisposableStack();
  // First, so that it is there when hubs elsewhere are to be told: they hear over it that a key was taken back.
  const redis = openRedis(stack, 'cache', { config, random, logger: silent });
  const storage = await openHubStorage({ config, clock, logger: silent, observer: unobserved, breakers });
  stack.defer(() => storage.close());
  const tiers = redis === null ? [] : [new RedisTier(redis, { namespace: LOOKUPS.namespace })];
  const lookups = createCache({ ...LOOKUPS, clock, tiers });
  stack.defer(() => lookups.close());
  const keys = createKeys({ keys: storage.stores.keys, audit: storage.stores.audit, lookups, clock, logger: silent });
  const projectId = DEFAULT_PROJECT_ID;
  const owned = stack.move();
  return {
    store: storageInWords(config),
    async createKey(request) {
      const { record, secret } = await keys.create({ ...request, projectId, actor: 'cli' });
      return { id: record.id, secret };
    },
    async listKeys() {
      const records = await keys.list(projectId, { limit: KEYS_SHOWN });
      return records.map(({ id, name, scopes, createdWallMs, revokedWallMs }) => ({
        id,
        name,
        scopes,
        createdAt: isoTime(createdWallMs),
        revokedAt: revokedWallMs === null ? null : isoTime(revokedWallMs),
      }));
    },
    revokeKey: (id) => keys.revoke({ projectId, id, actor: 'cli' }),
    close: () => owned.disposeAsync(),
  };
}

function expectStatus(answer: HubAnswer, expected: readonly number[]): Record<string, unknown> {
  if (expected.includes(answer.status)) return asRecord(answer.body);
  throw new Error(problemOf(answer));
}

function keySummary(row: Record<string, unknown>): KeySummary {
  const { id, name, scopes, createdAt, revokedAt } = row;
  return {
    id: String(id),
    name: String(name),
    scopes: Array.isArray(scopes) ? scopes.map(String) : [],
    createdAt: String(createdAt),
    revokedAt: typeof revokedAt === 'string' ? revokedAt : null,
  };
}

function isoTime(wallMs: number): string {
  return new Date(wallMs).toISOString();
}

const ignore = (): void => undefined;
/** One command logs nothing: what goes wrong is its own answer. */
const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
const unobserved: Observer = {
  configReloaded: ignore,
  requestStarted: ignore,
  requestFinished: ignore,
  requestShed: ignore,
  attemptFinished: ignore,
  runFinished: ignore,
  turnFinished: ignore,
  queryFinished: ignore,
  poolWaited: ignore,
  runsDropped: ignore,
  contentsDropped: ignore,
  retryBudgetExhausted: ignore,
  ledgerRow: ignore,
  ledgerUnjournalled: ignore,
  memoryFinished: ignore,
  cacheOperation: () => undefined,
  externalFinished: () => undefined,
  spansEnded: () => undefined,
  cacheLookup: () => undefined,
  cacheStored: () => undefined,
  cacheGap: () => undefined,
};
