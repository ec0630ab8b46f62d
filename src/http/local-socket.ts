/** The hub's local socket: a file only its own user can open, which is what stands for a key there. */
import { lstatSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { umask } from 'node:process';

/** For files: no rights for group and others from the moment that it exists. */
const PRIVATE_UMASK = 0o177;

/** Throws where something that is no socket has this name. */
export function bindLocalSocket(server: Server, path: string): void {
  // A named pipe of Windows is no file.
  if (path.startsWith('\\\\')) {
    server.listen({ path });
    return;
  }
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there !== undefined && !there.isSocket()) throw new Error(`${path} is there and is no socket: remove it.`);
  rmSync(path, { force: true });
  // The runtime binds in this very call; setting the mode afterwards would leave a moment in which anybody may connect.
  const before = umask(PRIVATE_UMASK);
  try {
    server.listen({ path });
  } finally {
    umask(before);
  }
}
