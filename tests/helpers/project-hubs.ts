/** Whole hubs in this process over one database, and keys of several projects for them. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { loadConfig } from '#config/index';
import { SCOPES } from '#contract/gateway';
import { generateKey, providerKinds, startHub } from '#hub/index';
import type { StorageTarget } from '#storage/index';
import { keyOf, newProject } from '../conformance/records.ts';
import { temporaryFolder } from './hub-process.ts';
import { openTestStorage, POOL } from './storage.ts';
import type { Cleanup } from './suite.ts';

export interface ProjectHub {
  readonly url: string;
  /** With the headers that are given besides the key; a body is sent as JSON. */
  ask(key: string, method: string, at: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Before the test ends. */
  close(): Promise<void>;
}

/** For the hub that is started next on the same folder, or on the same PostgreSQL: keys with every scope, as many of each new project as said. */
export async function makeKeys(target: StorageTarget, perProject: readonly number[]): Promise<string[][]> {
  const { storage } = await openTestStorage(target);
  const made: string[][] = [];
  let wallMs = 1;
  for (const count of perProject) {
    const projectId = await newProject(storage);
    const secrets: string[] = [];
    for (let number = 0; number < count; number++) {
      const { id, text, secretHash } = generateKey(wallMs++);
      await storage.stores.keys.insert(keyOf(projectId, { id, secretHash, scopes: SCOPES }));
      secrets.push(text);
    }
    made.push(secrets);
  }
  await storage.close();
  return made;
}

export function postgresTarget(url: string): StorageTarget {
  return { kind: 'postgres', url, pool: POOL };
}

export async function startProjectHub(
  t: Cleanup,
  config: Record<string, unknown>,
  storage: Record<string, unknown>,
): Promise<ProjectHub> {
  const folder = await temporaryFolder(t);
  const file = path.join(folder, 'revoagent.json');
  const server = { port: 0, shutdownGraceMs: 0 };
  await writeFile(
    file,
    JSON.stringify({ server, ...config, storage: { dataDir: path.join(folder, 'data'), ...storage } }),
  );
  const loaded = loadConfig({ file, kinds: providerKinds, env: {} });
  const hub = await startHub(loaded.config, [], { logTo: { write: () => undefined } });
  const close = (): Promise<void> => hub.shutdown('the test is over');
  t.after(close);
  return {
    url: hub.url,
    close,
    ask: (key, method, at, body, headers = {}) =>
      fetch(hub.url + at, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
  };
}
