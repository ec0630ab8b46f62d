/** `nginx`: prints the balancer's configuration. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { hubBounds, nginxConfig, nginxDefaults, parseVersion } from '#stack/index';
import type { NginxInstance } from '#stack/index';
import { load } from './load.ts';

export interface NginxCommand {
  readonly instance: readonly NginxInstance[];
  readonly config?: string;
  readonly listen: string;
  readonly statusListen: string;
  readonly tlsListen?: string;
  readonly tlsCertificate?: string;
  readonly tlsKey?: string;
  readonly folder: string;
  readonly nginxVersion?: string;
  readonly bodyBytesMax?: string;
  readonly requestsPerSecond: string;
  readonly connectionsMax: string;
  readonly requestsInFlightMax?: string;
}

/** Throws with everything that is wrong. */
export function printNginx(options: NginxCommand): void {
  const { instance: instances, config: file, listen, statusListen, folder, nginxVersion } = options;
  const bounds = { ...nginxDefaults, ...(file === undefined ? {} : hubBounds(load({ config: file }).config)) };
  const config = nginxConfig({
    ...bounds,
    instances,
    listen,
    statusListen,
    tls: tlsOf(options),
    folder: path.resolve(folder),
    version: parseVersion(nginxVersion ?? installedVersion()),
    bodyBytesMax: Number(options.bodyBytesMax ?? bounds.bodyBytesMax),
    requestsPerSecond: Number(options.requestsPerSecond),
    connectionsMax: Number(options.connectionsMax),
    requestsInFlightMax: Number(options.requestsInFlightMax ?? bounds.requestsInFlightMax),
  });
  process.stdout.write(config);
}

function tlsOf({ tlsListen: listen, tlsCertificate, tlsKey }: NginxCommand) {
  if (listen === undefined && tlsCertificate === undefined && tlsKey === undefined) return undefined;
  if (listen === undefined || tlsCertificate === undefined || tlsKey === undefined)
    throw new Error('TLS needs all three: --tls-listen, --tls-certificate and --tls-key.');
  return { listen, certificate: path.resolve(tlsCertificate), key: path.resolve(tlsKey) };
}

function installedVersion(): string {
  const { error, stderr } = spawnSync('nginx', ['-v'], { encoding: 'utf8' });
  if (error !== undefined)
    throw new Error('There is no nginx here to ask for its version. Say what it is for: --nginx-version 1.22.1');
  return stderr;
}
