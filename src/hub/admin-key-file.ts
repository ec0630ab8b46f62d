/**
 * The first key of a container: a file, usually a mounted secret, whose one line is a key made with `revoagent keys generate`.
 * The hub stores its hash when it starts, so that the same file may be given to every instance and to every start.
 */
import { readFileSync } from 'node:fs';
import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import { SCOPES } from '#contract/gateway';
import type { KeyStore } from '#contract/stores';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import { parseKey } from '#gateway/keys';
import type { ParsedKey } from '#gateway/keys';

/** The key in the file. Throws an `Error` that names the file and what is wrong with it; the key itself is in no message. */
export function readAdminKey(file: string): ParsedKey {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new Error(`The admin key file ${file} cannot be read: ${messageOf(error)}.`, { cause: error });
  }
  const parsed = parseKey(text);
  if (parsed !== null) return parsed;
  throw new Error(`The admin key file ${file} holds no key. Make one with: revoagent keys generate > ${file}`);
}

/** Throws as `readAdminKey` does, and where the key is no other's to use. */
export async function ensureAdminKey(file: string, keys: KeyStore, clock: Clock): Promise<void> {
  const parsed = readAdminKey(file);
  if (await isKept(file, parsed, keys)) return;
  try {
    await keys.insert({
      id: parsed.id,
      projectId: DEFAULT_PROJECT_ID,
      name: 'admin (from file)',
      scopes: SCOPES,
      secretHash: parsed.secretHash,
      createdWallMs: clock.wallMs(),
      revokedWallMs: null,
    });
  } catch (error) {
    // Instances that start together on a new database all find nothing, and one of them is the first.
    if (!(await isKept(file, parsed, keys))) throw error;
  }
}

/** Throws where what is kept is not this key, or may not be used any more. */
async function isKept(file: string, { id, secretHash }: ParsedKey, keys: KeyStore): Promise<boolean> {
  const known = await keys.findById(id);
  if (known === null) return false;
  if (known.revokedWallMs !== null)
    throw new Error(`The key in ${file} was revoked. Put a new one there: revoagent keys generate > ${file}`);
  if (!timingSafeEqual(known.secretHash, secretHash))
    throw new Error(`The key in ${file} has the id of another key. Make a new one: revoagent keys generate > ${file}`);
  return true;
}
