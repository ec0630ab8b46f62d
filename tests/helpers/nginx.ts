/** A real NGINX of one test, with the configuration that `revoagent nginx` makes; it ends with the test. */
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '#core/clock';
import { nginxConfig, nginxDefaults } from '#stack/index';
import type { NginxInstance, NginxOptions } from '#stack/index';
import { nginxServer } from '#stack/servers/nginx';
import { startServer } from '#stack/servers/start';
import { temporaryFolder, waitFor } from './hub-process.ts';
import { freePorts } from './ports.ts';
import type { Cleanup } from './suite.ts';
import { requireTool } from './tools.ts';

export interface TestNginx {
  readonly url: string;
  readonly statusUrl: string;
  /** Null without TLS. */
  readonly tlsUrl: string | null;
  /** The certificate that its TLS address shows. */
  readonly certificate: string;
  /** Its access log, a line a request, as soon as there are `lines`. */
  log(lines: number): Promise<Record<string, string>[]>;
  close(): Promise<void>;
}

export async function startNginx(
  t: Cleanup,
  instances: readonly NginxInstance[],
  given: Partial<NginxOptions> & { readonly secure?: boolean } = {},
): Promise<TestNginx> {
  const { secure = false, ...settings } = given;
  const folder = await temporaryFolder(t);
  // Its workers are another user's where root starts it.
  chmodSync(folder, 0o755);
  const [port = 0, statusPort = 0, tlsPort = 0] = await freePorts(3);
  const files = secure ? makeCertificate(folder) : null;
  const statusUrl = `http://127.0.0.1:${statusPort}`;
  const recipe = nginxServer({
    file: requireTool('nginx'),
    folder,
    config: (version) =>
      nginxConfig({
        ...nginxDefaults,
        ...settings,
        instances,
        folder,
        version,
        listen: `127.0.0.1:${port}`,
        statusListen: `127.0.0.1:${statusPort}`,
        tls: files === null ? undefined : { ...files, listen: `127.0.0.1:${tlsPort}` },
      }),
    statusUrl: `${statusUrl}/nginx_status`,
  });
  // Nobody is left to wait for when a test ends.
  const server = await startServer({ ...recipe, stopSignal: 'SIGTERM' }, path.join(folder, 'said.log'), systemClock);
  const close = (): Promise<void> => server.stop();
  t.after(close);
  return {
    url: `http://127.0.0.1:${port}`,
    statusUrl,
    tlsUrl: files === null ? null : `https://127.0.0.1:${tlsPort}`,
    certificate: files === null ? '' : readFileSync(files.certificate, 'utf8'),
    log: (lines) =>
      waitFor(
        () => {
          const written = readFileSync(path.join(folder, 'access.log'), 'utf8').split('\n').filter(Boolean);
          return written.length < lines ? null : written.map((line): Record<string, string> => JSON.parse(line));
        },
        10_000,
        () => `no ${lines} lines in nginx's log`,
      ),
    close,
  };
}

/** For 127.0.0.1, signed by itself. */
function makeCertificate(folder: string): { certificate: string; key: string } {
  const [certificate, key] = [path.join(folder, 'certificate.pem'), path.join(folder, 'key.pem')];
  const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const name = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const { status, stderr } = spawnSync(
    requireTool('openssl'),
    [...words, ...name, '-keyout', key, '-out', certificate],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`openssl failed: ${stderr}`);
  return { certificate, key };
}
