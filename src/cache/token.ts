/** Random names for leases and instances: from the operating system, because two instances must never draw the same. */
import { randomBytes } from 'node:crypto';

export function newToken(): string {
  return randomBytes(12).toString('base64url');
}
