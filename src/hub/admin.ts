/**
 * Keys from the command line. A running hub is asked through its local socket, because it owns the embedded database and must
 * learn of a revocation at once; where none runs, storage is opened for the one command. Callers do not see which.
 */
import { existsSync } from 'node:fs';
import { Client } from 'undici';
import { systemClock } from '#core/clock';
import { systemRandom } from '#core/random';
import type { Scope } from '#contract/gateway';
import type { Logger } from '#contract/logger';
import type { Observer } from '#contract/observer';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import type { Config } from '#config/index';
import { createKeys } from '#gateway/keys';
import { BreakerRegistry } from '#resilience/index';
import { socketPath } from './socket.ts';
import { openHubStorage } from './storage.ts';

export interface KeySummary {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly createdAt: string;
  readonly revokedAt: string | null;
}

export interface HubAdmin {
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
  const socket = socketPath(config.storage.dataDir);
  return (existsSync(socket) ? await askRunningHub(socket) : null) ?? (await openDirectly(config));
}

/** Null where the socket is what a killed hub left behind. */
async function askRunningHub(socket: string): Promise<HubAdmin | null> {
  const client = new Client('http://localhost', { socketPath: socket });
  try {
    const { body } = await client.request({ path: '/health/live', method: 'GET' });
    await body.dump();
  } catch {
    // Nobody listens there: the storage is free to be opened.
    await client.destroy();
    return null;
  }
  async function ask(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    payload?: unknown,
  ): Promise<{ status: number; answer: Record<string, unknown> }> {
    const headers = payload === undefined ? {} : { 'content-type': 'application/json' };
    const { statusCode, body } = await client.request({
      method,
      path,
      headers,
      body: payload === undefined ? null : JSON.stringify(payload),
    });
    const text = await body.text();
    const answer: unknown = text === '' ? {} : JSON.parse(text);
    return { status: statusCode, answer: asRecord(answer) };
  }
  return {
    async createKey(request) {
      const { answer } = expectStatus(await ask('POST', '/api/keys', request), [201]);
      return { id: String(asRecord(answer['key'])['id']), secret: String(answer['secret']) };
    },
    async listKeys() {
      const { answer } = expectStatus(await ask('GET', `/api/keys?limit=${KEYS_SHOWN}`), [200]);
      const rows: unknown[] = Array.isArray(answer['data']) ? answer['data'] : [];
      return rows.map((row) => keySummary(asRecord(row)));
    },
    async revokeKey(id) {
      return expectStatus(await ask('DELETE', `/api/keys/${encodeURIComponent(id)}`), [200, 204, 404]).status !== 404;
    },
    close: () => client.close(),
  };
}

async function openDirectly(config: Config): Promise<HubAdmin> {
  const clock = systemClock;
  const breakers = new BreakerRegistry({ clock, random: systemRandom });
  const storage = await openHubStorage({ config, clock, logger: silent, observer: unobserved, breakers });
  const keys = createKeys({ keys: storage.stores.keys, audit: storage.stores.audit, clock, logger: silent });
  const projectId = DEFAULT_PROJECT_ID;
  return {
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
    close: () => storage.close(),
  };
}

function expectStatus<T extends { status: number; answer: Record<string, unknown> }>(
  result: T,
  expected: readonly number[],
): T {
  if (expected.includes(result.status)) return result;
  const { detail, title } = result.answer;
  throw new Error(
    typeof detail === 'string'
      ? detail
      : typeof title === 'string'
        ? title
        : `The hub answered with status ${result.status}.`,
  );
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

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function isoTime(wallMs: number): string {
  return new Date(wallMs).toISOString();
}

const ignore = (): void => undefined;
/** One command logs nothing: what goes wrong is its own answer. */
const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
const unobserved: Observer = {
  requestStarted: ignore,
  requestFinished: ignore,
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
};
