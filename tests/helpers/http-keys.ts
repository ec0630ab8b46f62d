/** Keys of a hub under test: one a scope, those that are made, and nothing in a database. */
import { newId } from '#core/ids';
import type { Scope } from '#contract/gateway';
import { SCOPES } from '#contract/gateway';
import type { Keys } from '#contract/keys';
import type { KeyRecord } from '#contract/stores';
import { DEFAULT_PROJECT_ID } from '#contract/stores';

export function keysOf(secrets: Readonly<Record<Scope, string>>): Keys {
  const records = new Map<string, KeyRecord>();
  return {
    async authenticate(presented) {
      const scope = SCOPES.find((each) => secrets[each] === presented);
      if (scope === undefined) return null;
      return { keyId: `key_${scope}`, projectId: DEFAULT_PROJECT_ID, scopes: new Set([scope]) };
    },
    async create({ projectId, name, scopes }) {
      const record: KeyRecord = {
        id: newId('key', 1_767_225_600_000),
        projectId,
        name,
        scopes,
        secretHash: new Uint8Array(32).fill(0xab),
        createdWallMs: 1_767_225_600_000,
        revokedWallMs: null,
      };
      records.set(record.id, record);
      return { record, secret: 'rvk_made' };
    },
    list: async () => [...records.values()],
    find: async (projectId, id) => {
      const record = records.get(id);
      if (record === undefined) return null;
      return { keyId: id, projectId, scopes: new Set(record.scopes), limits: { key: record.limits ?? {} } };
    },
    setLimits: async ({ id, limits }) => {
      const record = records.get(id);
      if (record !== undefined) records.set(id, { ...record, limits });
      return record !== undefined;
    },
    setProjectLimits: async () => undefined,
    projectLimits: async () => ({}),
    revoke: async ({ id }) => records.delete(id),
  };
}
