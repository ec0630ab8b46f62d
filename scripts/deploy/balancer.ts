/** The balancer's configuration in compose.yaml, for two hubs and for four: what `revoagent nginx` prints, at the addresses fixed there. */
import { nginxConfig, nginxDefaults, parseVersion } from '#stack/index';

export function composeBalancer(hubs: number): string {
  return nginxConfig({
    ...nginxDefaults,
    instances: Array.from({ length: hubs }, (_, at) => ({
      name: `hub${at + 1}`,
      address: `172.30.57.${11 + at}:12001`,
    })),
    listen: '0.0.0.0:8080',
    // Not published: for the exporter beside it.
    statusListen: '0.0.0.0:8081',
    folder: '/var/lib/balancer',
    // Debian 12's.
    version: parseVersion('1.22.1'),
  });
}
