/** Where a hub's local socket is: beside its data, so that who may read the one may use the other. */
import { createHash } from 'node:crypto';
import path from 'node:path';

/** Sockets have no longer names than this (`sun_path` of Linux has 108 bytes with its end). */
const NAME_BYTES_MAX = 100;

export function socketPath(dataDir: string): string {
  const folder = path.resolve(dataDir);
  if (process.platform === 'win32') return `\\\\.\\pipe\\revoagent-${digest(folder)}`;
  const file = path.join(folder, 'hub.sock');
  if (Buffer.byteLength(file) <= NAME_BYTES_MAX) return file;
  throw new Error(`storage.dataDir is too long for the hub's local socket (${NAME_BYTES_MAX - 'hub.sock'.length - 1} bytes at most): ${folder}`);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
