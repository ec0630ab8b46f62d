/** Whether a certificate and a key can be what the balancer shows: looked at before anything is started, and told in words. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { messageOf } from '#core/errors';

interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Throws with what is wrong with which file. `now`: milliseconds since 1970. */
export function requireTlsFiles({ certificate, key }: TlsFiles, now: number): void {
  const shown = read(certificate, 'certificate', (pem) => new X509Certificate(pem));
  const secret = read(key, 'private key', (pem): KeyObject => createPrivateKey(pem));
  if (!shown.checkPrivateKey(secret))
    throw new Error(`The key in ${key} is not that of the certificate in ${certificate}.`);
  if (shown.validToDate.getTime() < now)
    throw new Error(`The certificate in ${certificate} has expired on ${shown.validToDate.toISOString()}.`);
}

function read<T>(file: string, what: string, parse: (pem: Buffer) => T): T {
  let pem: Buffer;
  try {
    pem = readFileSync(file);
  } catch (error) {
    throw new Error(`The ${what} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  try {
    return parse(pem);
  } catch (error) {
    throw new Error(`${file} holds no ${what} in PEM, without a password, that nginx could read.`, { cause: error });
  }
}
