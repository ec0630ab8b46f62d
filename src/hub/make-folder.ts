/** Makes the folders that the hub keeps its data in. */
import { makeFolder as make } from '#config/index';
import { messageOf } from '#core/errors';

/** For this user alone. Throws an `Error` that names `storage.dataDir`. */
export function makeFolder(folder: string): void {
  try {
    make(folder, 0o700);
  } catch (error) {
    throw new Error(`storage.dataDir cannot be used: ${messageOf(error)}.`, { cause: error });
  }
}
