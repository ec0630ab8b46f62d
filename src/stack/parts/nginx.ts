/**
 * The balancer of a stack. Its pools hold the places of all hubs that there may be: one that is not there refuses, and the next is
 * asked. So hubs come and go without a reload, at which nginx before 1.27.4 closes idle connections of clients: other bounds alone need one.
 */
import type { Layout } from '../layout.ts';
import { HUBS_MAX } from '../layout.ts';
import { nginxConfig } from '../nginx/config.ts';
import { defaults } from '../nginx/options.ts';
import type { Part } from '../part.ts';
import { nginxServer } from '../servers/nginx.ts';
import { hubName } from './hub.ts';

/** For bodies that are on their way to it. Then hubs have to be told to end: they close idle sockets, which would hold it for ever. */
const HOLDS_MS = 10_000;

export function nginxPart(layout: Layout, file: string): Part {
  const folder = layout.in('nginx');
  const status = layout.local('balancerStatus');
  const { listen } = layout;
  const { tls } = layout.options;
  const bounds = { ...defaults, ...layout.options.hubBounds };
  const instances = Array.from({ length: HUBS_MAX }, (_, at) => ({
    name: hubName(at + 1),
    address: layout.hubAddress(at + 1),
  }));
  const server = nginxServer({
    file,
    folder,
    config: (version) =>
      nginxConfig({
        ...bounds,
        // A reload cuts nothing that a hub still answers. The end has its own bound: this part's.
        shutdownTimeoutS: bounds.readTimeoutS,
        instances,
        listen,
        statusListen: status,
        folder,
        tls,
        version,
      }),
    statusUrl: `http://${status}/nginx_status`,
  });
  return {
    ...server,
    needs: [hubName(1)],
    holdsMs: HOLDS_MS,
    stopMs: bounds.shutdownTimeoutS * 1_000,
    reload: { signal: 'SIGHUP', rewrite: () => server.rewrite() },
    binds: [listen, status, ...(tls === undefined ? [] : [tls.listen])],
    logs: { files: ['access', 'error'].map((name) => layout.in('nginx', `${name}.log`)), reopen: 'SIGUSR1' },
    isAlive: (signal) => server.isReady(signal),
    shown: { what: 'the hub, balanced', url: tls === undefined ? `http://${listen}` : `https://${tls.listen}` },
  };
}
