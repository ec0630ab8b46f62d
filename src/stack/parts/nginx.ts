/**
 * The balancer of a stack. Its pools hold the places of all hubs that there may be: one that is not there refuses, and the next is
 * asked. So hubs come and go without a reload, which would reset the connections of clients.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { environmentWith } from '#config/index';
import type { Layout } from '../layout.ts';
import { HUBS_MAX } from '../layout.ts';
import { nginxConfig } from '../nginx/config.ts';
import { defaults, parseVersion } from '../nginx/options.ts';
import type { Part } from '../part.ts';
import { answersOk } from '../probes.ts';
import { hubName } from './hub.ts';

export function nginxPart(layout: Layout, file: string): Part {
  const folder = layout.in('nginx');
  const config = layout.in('nginx', 'nginx.conf');
  const status = layout.local('balancerStatus');
  const { tls } = layout.options;
  return {
    name: 'nginx',
    needs: [hubName(1)],
    command: [file, '-p', folder, '-c', config, '-g', 'daemon off;'],
    env: environmentWith({}),
    binds: [layout.listen, status, ...(tls === undefined ? [] : [tls.listen])],
    prepare: () => {
      // Its workers are another user's where root starts it, and reach their folders through this one.
      mkdirSync(folder, { recursive: true, mode: 0o755 });
      const { stderr } = spawnSync(file, ['-v'], { encoding: 'utf8' });
      const instances = Array.from({ length: HUBS_MAX }, (_, at) => ({
        name: hubName(at + 1),
        address: layout.hubAddress(at + 1),
      }));
      const options = { ...defaults, instances, listen: layout.listen, statusListen: status, folder, tls };
      writeFileSync(config, nginxConfig({ ...options, version: parseVersion(stderr) }));
      const { status: code, stderr: said } = spawnSync(file, ['-t', '-q', '-p', folder, '-c', config], {
        encoding: 'utf8',
      });
      if (code !== 0) throw new Error(`nginx does not take its configuration: ${said.trim()}`);
    },
    isReady: (signal) => answersOk(`http://${status}/nginx_status`, signal),
    isAlive: (signal) => answersOk(`http://${status}/nginx_status`, signal),
    readyMs: 10_000,
    // Requests in flight are served to their end.
    stopSignal: 'SIGQUIT',
    stopMs: 10_000,
    shown: { what: 'the hub, balanced', url: tls === undefined ? `http://${layout.listen}` : `https://${tls.listen}` },
  };
}
