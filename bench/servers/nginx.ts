/**
 * nginx in its three parts: the upstream that answers at once, the proxy that is the limit for any proxy, and the balancer as it ships. The
 * first two run in one worker, as the user who runs the benchmark; everything they write is inside the lab.
 */
import { chmod } from 'node:fs/promises';
import { nginxConfig, nginxDefaults } from '#stack/index';
import type { NginxVersion } from '#stack/nginx/options';
import { findPrograms } from '#stack/programs';
import { nginxServer } from '#stack/servers/nginx';
import { freePort } from '../../tests/helpers/free-port.ts';
import type { Lab, Running, Side } from '../lab.ts';
import { CHAT_ANSWER } from '../load/chat.ts';
import { chatUrl, untilAnswering } from './subject.ts';
import type { Subject } from './subject.ts';

/** An upstream that reads a request and answers the fixed completion without delay. */
export function startNginxUpstream(lab: Lab, port: number): Promise<Running> {
  const answer = `location / { default_type application/json; return 200 '${CHAT_ANSWER}'; }`;
  return startNginx(lab, 'nginx-upstream', 'load', `server { listen 127.0.0.1:${port} backlog=4096; ${answer} }`);
}

export function startNginxProxy(lab: Lab, port: number, upstreamPort: number): Promise<Running> {
  return startNginx(
    lab,
    'nginx-proxy',
    'measured',
    `upstream model { server 127.0.0.1:${upstreamPort} max_fails=0; keepalive 1024; keepalive_requests 1000000000; }
     server {
       listen 127.0.0.1:${port} backlog=4096;
       location / { proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
     }`,
  );
}

/** In front of one hub, beside it. */
export async function startBalancer(lab: Lab, hub: Subject): Promise<Subject> {
  const [port, statusPort] = [await freePort(), await freePort()];
  const name = 'nginx-balancer';
  const folder = lab.file(name);
  const config = (version: NginxVersion): string =>
    nginxConfig({
      ...nginxDefaults,
      instances: [{ name: 'hub', address: new URL(hub.url).host }],
      listen: `127.0.0.1:${port}`,
      statusListen: `127.0.0.1:${statusPort}`,
      version,
      folder,
    });
  const { nginx: file } = findPrograms(['nginx']);
  const server = nginxServer({ file, folder, config, statusUrl: '' });
  // Its workers are another user's where root starts it.
  await chmod(lab.folder, 0o755);
  server.prepare?.();
  await lab.startServer({ ...server, name, stopSignal: 'SIGTERM' }, 'load');
  const balanced = { ...hub, name: 'hub behind its balancer', url: chatUrl(port) };
  await untilAnswering(balanced);
  return balanced;
}

async function startNginx(lab: Lab, name: string, side: Side, servers: string): Promise<Running> {
  const { nginx: file } = findPrograms(['nginx']);
  const folder = lab.file(name);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  const config = `${process.getuid?.() === 0 ? 'user root;' : ''}
     worker_processes 1; pid ${folder}/nginx.pid; error_log stderr error; worker_rlimit_nofile 20000;
     events { worker_connections 16384; }
     http {
       access_log off; keepalive_timeout 3600s; keepalive_requests 1000000000;
       client_max_body_size 0; client_body_buffer_size 1m; ${temporary.join(' ')}
       ${servers}
     }`;
  // It has no page of its own to be asked for: whoever starts it waits for an answer through it.
  const server = nginxServer({ file, folder, config: () => config, statusUrl: '' });
  server.prepare?.();
  return lab.startServer({ ...server, name, stopSignal: 'SIGTERM' }, side);
}
