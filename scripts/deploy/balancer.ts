/** The balancer's configuration in containers: what `revoagent nginx` prints, for the nginx of the image and for addresses known before. */
import { nginxConfig, nginxDefaults, parseVersion } from '#stack/index';
import type { NginxInstance } from '#stack/index';

export function balancerConfig(
  instances: readonly NginxInstance[],
  { requestsInFlightMax = nginxDefaults.requestsInFlightMax }: { requestsInFlightMax?: number } = {},
): string {
  return nginxConfig({
    ...nginxDefaults,
    instances,
    requestsInFlightMax,
    listen: '0.0.0.0:8080',
    // Not published: for the exporter beside it.
    statusListen: '0.0.0.0:8081',
    folder: '/var/lib/balancer',
    // Debian 12's.
    version: parseVersion('1.22.1'),
  });
}

/** At the addresses that compose.yaml fixes, for two hubs and for four. */
export function composeBalancer(hubs: number): string {
  return balancerConfig(
    Array.from({ length: hubs }, (_, at) => ({ name: `hub${at + 1}`, address: `172.30.57.${11 + at}:12001` })),
  );
}
