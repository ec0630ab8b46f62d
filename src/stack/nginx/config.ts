/**
 * nginx's configuration for a set of hubs: pools that lose no request while instances come and go, sockets that stay with their
 * instance, a bound on floods, TLS, errors in the form of the surface that was asked, and one JSON line a request. Why each line is
 * as it is stands in docs/balancer.md.
 */
import { errorLocations, errorMaps } from './errors.ts';
import type { NginxOptions } from './options.ts';
import { isAtLeast, problemsOf } from './options.ts';

/** Of its bound an instance takes so much more as one that stands in: nginx counts that by itself. */
const STAND_IN_PART = 8;
/** Of a worker. With fewer, hubs under load would make and end connections all the time. */
const KEPT_IDLE = 512;
const HSTS = 'add_header Strict-Transport-Security "max-age=31536000" always;';

/** Throws with everything that is wrong. */
export function nginxConfig(options: NginxOptions): string {
  const problems = problemsOf(options);
  if (problems.length > 0)
    throw new Error(`nginx cannot be configured so:\n${problems.map((each) => `  ${each}`).join('\n')}`);
  const { folder, tls } = options;
  const servers = [
    ...(tls === undefined ? [server(options)] : [toTls(options.listen, tls.listen), server(options)]),
    statusServer(options.statusListen),
  ];
  return `# Made by \`revoagent nginx\` for nginx ${versionText(options)}. Make it again instead of changing it here.
worker_processes auto;
worker_rlimit_nofile 65536;
pid "${folder}/nginx.pid";
error_log "${folder}/error.log" warn;
# A reload cuts what lasts longer: only instances that are added or removed for good need one.
worker_shutdown_timeout ${options.shutdownTimeoutS}s;

events {
  worker_connections 16384;
}

http {
${indent(http(options))}

${servers.map(indent).join('\n\n')}
}
`;
}

function http(options: NginxOptions): string {
  const { folder, bodyBytesMax, headerBytesMax, requestsPerSecond, connectionsMax } = options;
  return `${accessLog(folder)}

server_tokens off;
tcp_nodelay on;
keepalive_timeout 75s;${isAtLeast(options.version, [1, 27, 4]) ? '\nkeepalive_min_timeout 1s;' : ''}
client_header_timeout 30s;
client_body_timeout 30s;
send_timeout 60s;
large_client_header_buffers 4 ${headerBytesMax};
client_max_body_size ${bodyBytesMax};
client_body_buffer_size 256k;
${temporaryPaths(folder)}

# Floods of one address; this machine's own callers are nobody's flood. Who may do how much is the hub's to say, by key.
geo $is_local {
  default 0;
  127.0.0.1 1;
  ::1 1;
}
map $is_local $flooding_address {
  0 $binary_remote_addr;
  default "";
}
limit_req_zone $flooding_address zone=requests_by_address:10m rate=${requestsPerSecond}r/s;
limit_conn_zone $flooding_address zone=connections_by_address:10m;
limit_req_status 429;
limit_conn_status 429;
limit_req zone=requests_by_address burst=${requestsPerSecond * 2} nodelay;
limit_conn connections_by_address ${connectionsMax};

map $http_x_request_id $asked_id {
  "~^[A-Za-z0-9._:/+=-]{1,128}$" $http_x_request_id;
  default $request_id;
}
map $http_upgrade $connection_header {
  default upgrade;
  "" "";
}
${errorMaps()}

${pools(options)}

proxy_http_version 1.1;
proxy_set_header Host $http_host;
proxy_set_header Connection $connection_header;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header X-Request-Id $asked_id;
proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_connect_timeout 1s;
proxy_send_timeout 60s;
proxy_read_timeout ${options.readTimeoutS}s;
# An instance that refuses or dies before it was sent anything; a POST that was sent is never sent again. Each may be asked twice, as one of the
# pool and as one of those that stand in: with fewer tries the one that lives is missed among many that are not there.
proxy_next_upstream error timeout;
proxy_next_upstream_tries ${options.instances.length * 2};
proxy_next_upstream_timeout 5s;`;
}

function accessLog(folder: string): string {
  const fields = [
    ['time', '$time_iso8601'],
    ['requestId', '$asked_id'],
    ['address', '$remote_addr'],
    ['method', '$request_method'],
    ['path', '$uri'],
    ['protocol', '$server_protocol'],
    ['status', '$status'],
    ['requestBytes', '$request_length'],
    ['bytes', '$bytes_sent'],
    ['seconds', '$request_time'],
    ['upstream', '$upstream_addr'],
    ['upstreamStatus', '$upstream_status'],
    ['connectSeconds', '$upstream_connect_time'],
    ['headerSeconds', '$upstream_header_time'],
    ['upstreamSeconds', '$upstream_response_time'],
  ].map(([name, value]) => `"${name}":"${value}"`);
  // Without the query: people put keys there.
  return `log_format lines escape=json '{${fields.join(',')}}';
access_log "${folder}/access.log" lines buffer=16k flush=1s;`;
}

function temporaryPaths(folder: string): string {
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return kinds.map((kind) => `${kind}_temp_path "${folder}/${kind}";`).join('\n');
}

function pools(options: NginxOptions): string {
  const { instances, requestsInFlightMax } = options;
  const keepalive = `keepalive ${KEPT_IDLE};
  keepalive_timeout 4s;
  keepalive_requests 10000;`;
  const pool = (name: string, bound: string, boundAgain: string): string => {
    const servers = instances.map(({ address }) => `  server ${address} max_fails=3 fail_timeout=10s${bound};`);
    // The same again: a pool whose servers all failed lately still tries them, instead of answering for them.
    const again = instances.map(({ address }) => `  server ${address} backup max_fails=0${boundAgain};`);
    return `upstream ${name} {
  zone ${name} 256k;
  least_conn;
${[...servers, ...again].join('\n')}
  # Below the hub's own 75 s, so that no request is written on a connection that just closed.
  ${keepalive}
}`;
  };
  const standIn = Math.ceil(requestsInFlightMax / STAND_IN_PART);
  const own = instances.map(({ name, address }) => {
    const others = instances.filter((other) => other.name !== name);
    return `upstream hub_${name} {
  zone hub_${name} 64k;
  server ${address} max_fails=0;
${others.map((other) => `  server ${other.address} backup max_fails=1 fail_timeout=2s;`).join('\n')}${others.length > 0 ? '\n' : ''}  ${keepalive}
}`;
  });
  const names = instances.map(({ name }) => `  "${name}" "hub_${name}";`).join('\n');
  return `${pool('hub', '', '')}
# What calls upstreams. More at once than the hubs may have is turned away here, where that costs next to nothing: a hub that has to turn
# away what it cannot answer has less time for what it can.
${pool('work', ` max_conns=${requestsInFlightMax}`, ` max_conns=${standIn}`)}
# Where nothing was left to ask, one that was not asked is busy; where each was, they are gone.
map $upstream_addr $is_overloaded {
${notAsked(options)}  default "";
}

# A socket comes back to the instance that knows it: by the cookie that the hub sets, or by ?route= where there are no cookies.
map $arg_route $route_asked {
  "" $cookie_revoagent_route;
  default $arg_route;
}
map $route_asked $pool_of_route {
${names}
  default "hub";
}
${own.join('\n')}`;
}

/** NGINX writes down whom it asked, and the pool's name where nobody was left. A name is none of the addresses it asks: that one counts as busy. */
function notAsked({ instances, requestsInFlightMax }: NginxOptions): string {
  if (requestsInFlightMax === 0) return '';
  return instances
    .map(({ address }) => `  "~^(?!(.*, )?${address.replaceAll(/[.[\]]/g, '[$&]')},)(.*, )?work$" 1;\n`)
    .join('');
}

function server(options: NginxOptions): string {
  const { tls } = options;
  return `server {
${indent(tls === undefined ? `listen ${options.listen};` : tlsListener(options, tls))}

${indent(errorLocations(tls === undefined ? '' : HSTS))}

  # The hub's figures are for Prometheus, which asks each instance.
  location = /metrics {
    return 404;
  }
  # Probes are never limited: a flood must not look like a death.
  location /health {
    limit_req_dry_run on;
    limit_conn_dry_run on;
    proxy_read_timeout 5s;
    proxy_pass http://hub;
  }
  location /ws/ {
    proxy_pass http://$pool_of_route;
    proxy_buffering off;
  }
  # One that is turned away is a line of the access log, not of this one too.
  location ~ ^/(?:v1|api/(?:chat|agents|external))(?:/|$) {
    error_log "${options.folder}/error.log" crit;
    proxy_pass http://work;
  }
  # Event streams say X-Accel-Buffering: no themselves; everything else is buffered, so that a slow reader holds no hub.
  location / {
    proxy_pass http://hub;
  }
}`;
}

function tlsListener({ version }: NginxOptions, tls: NonNullable<NginxOptions['tls']>): string {
  // The parameter of \`listen\` was replaced by a directive in 1.25.1.
  const listen = isAtLeast(version, [1, 25, 1])
    ? `listen ${tls.listen} ssl;\nhttp2 on;`
    : `listen ${tls.listen} ssl http2;`;
  return `${listen}
ssl_certificate "${tls.certificate}";
ssl_certificate_key "${tls.key}";
ssl_protocols TLSv1.2 TLSv1.3;
ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;
ssl_prefer_server_ciphers off;
ssl_session_cache shared:tls:10m;
ssl_session_timeout 1d;
ssl_session_tickets off;
${HSTS}`;
}

function toTls(listen: string, secure: string): string {
  const port = secure.slice(secure.lastIndexOf(':') + 1);
  return `server {
  listen ${listen};
  # 308 keeps the method and the body.
  return 308 https://$host${port === '443' ? '' : `:${port}`}$request_uri;
}`;
}

function statusServer(listen: string): string {
  return `# For the exporter on this machine.
server {
  listen ${listen};
  access_log off;
  limit_req_dry_run on;
  location = /nginx_status {
    stub_status;
  }
  location / {
    return 404;
  }
}`;
}

function versionText({ version }: NginxOptions): string {
  return `${version.major}.${version.minor}.${version.patch}`;
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}
