/** `keys create | list | revoke | generate`. */
import { systemClock } from '#core/clock';
import { limits } from '#core/limits';
import { generateKey, openHubAdmin } from '#hub/index';
import type { HubAdmin, Scope } from '#hub/index';
import { load } from './load.ts';
import { writeJson } from './options.ts';
import type { StoreOptions } from './options.ts';

export async function createKey(
  options: StoreOptions & { readonly name: string; readonly scopes: readonly Scope[] },
): Promise<void> {
  const { name, scopes } = options;
  // As the API has it; without a hub nobody else would say so.
  if (name === '' || name.length > limits.keyNameCharsMax)
    throw new Error(`--name wants 1 to ${limits.keyNameCharsMax} characters: whose key it is.`);
  const { made, store } = await withAdmin(options, async (admin) => ({
    made: await admin.createKey({ name, scopes }),
    store: admin.store,
  }));
  // A key that another store has opens no door of the hub that was meant.
  if (store !== null) console.error(`No running hub was asked; the key is in this storage: ${store}.`);
  if (options.json === true) writeJson(made);
  else
    console.log(
      `${made.secret}\n\nThis is the only time it is shown. Its id is ${made.id}; its scopes: ${scopes.join(', ')}.`,
    );
}

export async function listKeys(options: StoreOptions): Promise<void> {
  const keys = await withAdmin(options, (admin) => admin.listKeys());
  if (options.json === true) writeJson(keys);
  else if (keys.length === 0) console.log('There is no key yet. Make one: revoagent keys create --name me');
  else
    for (const { id, name, scopes, createdAt, revokedAt } of keys)
      console.log(
        `${id}  ${createdAt}  ${revokedAt === null ? 'active ' : 'revoked'}  ${scopes.join(',').padEnd(15)}  ${name}`,
      );
}

export async function revokeKey(id: string, options: StoreOptions): Promise<void> {
  const revoked = await withAdmin(options, (admin) => admin.revokeKey(id));
  if (!revoked) throw new Error(`There is no active key ${id}. See: revoagent keys list`);
  if (options.json === true) writeJson({ id, revoked });
  else console.log(`${id} is revoked.`);
}

export function generate(): void {
  console.log(generateKey(systemClock.wallMs()).text);
}

async function withAdmin<T>(options: StoreOptions, act: (admin: HubAdmin) => Promise<T>): Promise<T> {
  const admin = await openHubAdmin(load(options).config);
  try {
    return await act(admin);
  } finally {
    await admin.close();
  }
}
