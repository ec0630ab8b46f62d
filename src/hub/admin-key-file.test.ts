/** Instances that are given the same key file, over a real database. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock } from '#core/clock';
import { generateKey } from '#gateway/keys';
import { temporaryFolder } from '../../tests/helpers/hub-process.ts';
import { readyDatabase } from '../../tests/helpers/ready-database.ts';
import { openTestStorage } from '../../tests/helpers/storage.ts';
import { ensureAdminKey } from './admin-key-file.ts';

test('instances that start together on a new database all take the key, and another with its id is refused', async (t) => {
  const dataDir = await temporaryFolder(t);
  await readyDatabase(dataDir);
  const { storage } = await openTestStorage({ kind: 'embedded', dataDir, queryTimeoutMs: 10_000 });
  t.after(() => storage.close());
  const { keys } = storage.stores;
  const file = path.join(dataDir, 'admin.key');
  const key = generateKey(1);
  await writeFile(file, key.text);
  // None inserts before all have found nothing.
  let asked = 0;
  const { promise: allAsked, resolve } = Promise.withResolvers<void>();
  const together = {
    ...keys,
    async findById(id: string) {
      const found = await keys.findById(id);
      if (++asked === 3) resolve();
      if (asked <= 3) await allAsked;
      return found;
    },
  };
  await Promise.all([1, 2, 3].map(() => ensureAdminKey(file, together, systemClock)));
  assert.equal((await keys.findById(key.id))?.secretHash.toString(), Uint8Array.from(key.secretHash).toString());

  const [prefix, id] = key.text.split('_');
  await writeFile(file, `${prefix}_${id}_${generateKey(2).text.split('_').slice(2).join('_')}`);
  await assert.rejects(ensureAdminKey(file, keys, systemClock), /the id of another key/);
});
