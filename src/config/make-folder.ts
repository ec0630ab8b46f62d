/**
 * Makes the folders that a configuration or a command names. Not by the runtime's own recursion: where a parent is there and still takes
 * no folder (as /proc), that goes round for ever, on the only thread.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '#core/errors';

/** With its parents, of this mode; one that is there stays as it is. Throws an `Error` that names the folder. */
export function makeFolder(folder: string, mode: number): void {
  const full = path.resolve(folder);
  try {
    const missing: string[] = [];
    for (let at = full; !existsSync(at) && at !== path.dirname(at); at = path.dirname(at)) missing.unshift(at);
    for (const each of missing) makeOne(each, mode);
    if (!statSync(full).isDirectory()) throw new Error('a file stands there');
  } catch (error) {
    throw new Error(`${full} is no folder and cannot be made one: ${messageOf(error)}`, { cause: error });
  }
}

/** Another process may make it at the same moment. */
function makeOne(folder: string, mode: number): void {
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    if (!existsSync(folder)) throw error;
  }
}
