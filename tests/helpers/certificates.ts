/** An authority of its own and a certificate for this machine, in a folder that goes when the test ends. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Cleanup } from './suite.ts';
import { requireTool } from './tools.ts';

export interface Certificates {
  /** Files. */
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** PEM. */
  readonly ca: string;
}

export function makeCertificates(t: Cleanup): Certificates {
  const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-tls-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const at = (name: string): string => path.join(folder, name);
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  openssl(['req', '-x509', ...ec, '-subj', '/CN=Test authority', '-keyout', at('ca.key'), '-out', at('ca.pem')]);
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const authority = ['-CA', at('ca.pem'), '-CAkey', at('ca.key')];
  openssl(['req', '-x509', ...ec, ...names, ...authority, '-keyout', at('server.key'), '-out', at('server.pem')]);
  chmodSync(at('server.key'), 0o600);
  return {
    caFile: at('ca.pem'),
    certFile: at('server.pem'),
    keyFile: at('server.key'),
    ca: readFileSync(at('ca.pem'), 'utf8'),
  };
}

function openssl(args: readonly string[]): void {
  const { status, stderr } = spawnSync(requireTool('openssl'), [...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`openssl failed: ${stderr}`);
}
