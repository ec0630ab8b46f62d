/** The image and compose.yaml, as far as they can be proved without an engine; each check is shown to find what was planted for it. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { makeCertificates } from '../helpers/certificates.ts';
import { schemaProblems } from '../helpers/compose-schema.ts';
import { freePort } from '../helpers/free-port.ts';
import { temporaryFolder } from '../helpers/hub-process.ts';
import { composeProblems } from '../helpers/lint-compose.ts';
import type { Compose } from '../helpers/lint-compose.ts';
import { requireTool } from '../helpers/tools.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
const exists = (file: string): boolean => existsSync(path.join(ROOT, file));
const compose = (text: string): Compose => parse(text, { merge: true }) as Compose;

/** What the guide does with the image's program is done here with the checkout's. */
const IN_IMAGE = 'docker run --rm revoagent:0.1.0 node bin/revoagent.js';
const OUT_OF_IMAGE = `${process.execPath} ${ROOT}bin/revoagent.js`;

interface Scrape {
  readonly job_name: string;
  readonly params?: { readonly target: readonly string[] };
  readonly static_configs: readonly { readonly targets: readonly string[] }[];
  readonly dns_sd_configs?: readonly { readonly names: readonly string[] }[];
}

describe('compose.yaml', () => {
  const text = read('compose.yaml');
  const { services, secrets } = compose(text);

  it('is what the Compose specification says a compose file is', () => {
    assert.deepEqual(schemaProblems(compose(text)), []);
  });

  it('names only what exists, pinned, bounded, asked after and without a secret in it', () => {
    assert.deepEqual(composeProblems(compose(text), exists), []);
  });

  it('gives the hubs their grace and their end, and the balancer, through which streams pass, longer', () => {
    const secondsOf = (name: string): number => Number.parseInt(String(services[name]?.['stop_grace_period']), 10);
    const [, cutS] = /worker_shutdown_timeout (\d+)s;/.exec(read('deploy/nginx/compose.conf')) ?? [];
    assert.ok(secondsOf('nginx') > Number(cutS) && Number(cutS) > secondsOf('hub1'), 'streams pass through it');
    assert.equal(secondsOf('hub1'), 30 + 15, "the hub's grace, and its end");
  });

  it('has the parts of the local stack, Grafana, and two hubs more where they are asked for', () => {
    const always = Object.entries(services).filter(([, { profiles }]) => profiles === undefined);
    assert.deepEqual(
      always.map(([name]) => name).toSorted(),
      'alertmanager grafana hub1 hub2 nginx nginx-exporter node-exporter postgres postgres-exporter prometheus redis-cache redis-exporter redis-state'.split(
        ' ',
      ),
    );
    assert.deepEqual(
      Object.keys(services).filter((name) => services[name]?.profiles?.includes('scale')),
      ['hub3', 'hub4'],
    );
  });

  it('uses the rules, the routes of alerts, the dashboards and the settings that the local stack uses', () => {
    const mounted = Object.values(services).flatMap(({ volumes = [] }) =>
      volumes.map((volume) => volume.split(':')[0]),
    );
    for (const file of [
      'prometheus/rules',
      'alertmanager/alertmanager.yml',
      'redis/cache.conf',
      'redis/state.conf',
      'postgres/postgresql.conf',
      'grafana/dashboards',
    ])
      assert.ok(mounted.includes(`./deploy/${file}`), file);
  });

  it('has a balancer that a real nginx takes, with every hub at the address it has', async (t) => {
    for (const [file, hubs] of [
      ['compose', ['hub1', 'hub2']],
      ['compose-scale', ['hub1', 'hub2', 'hub3', 'hub4']],
    ] as const) {
      const config = read(`deploy/nginx/${file}.conf`);
      for (const name of hubs) {
        const networks = services[name]?.networks;
        const address = networks !== undefined && 'stack' in networks ? networks.stack?.ipv4_address : undefined;
        assert.match(
          config,
          new RegExp(`upstream hub_${name} \\{\\n\\s+zone hub_${name} 64k;\\n\\s+server ${address}:12001 `),
        );
      }
      const folder = await temporaryFolder(t);
      const copy = path.join(folder, 'nginx.conf');
      writeFileSync(copy, config.replaceAll('/var/lib/balancer', folder));
      const { status, stderr } = spawnSync(requireTool('nginx'), ['-t', '-q', '-p', folder, '-c', copy], {
        encoding: 'utf8',
      });
      assert.equal(status, 0, stderr);
    }
  });

  it('has a Prometheus that asks every part under the job that the rules speak of', () => {
    const file = path.join(ROOT, 'deploy/prometheus/compose.yml');
    const { status, stderr } = spawnSync(requireTool('promtool'), ['check', 'config', '--syntax-only', file], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    const { scrape_configs: scrapes } = parse(read('deploy/prometheus/compose.yml')) as { scrape_configs: Scrape[] };
    const jobs = scrapes.map(({ job_name }) => job_name);
    for (const [, operator, job = ''] of read('deploy/prometheus/rules/hub.yml').matchAll(/job(=~?)"([^"]+)"/g))
      assert.ok(
        jobs.some((name) => (operator === '=' ? name === job : new RegExp(`^(${job})$`).test(name))),
        job,
      );
    assert.deepEqual(
      jobs,
      'hub node redis-cache redis-state postgres nginx prometheus alertmanager'.split(' '),
      'as `revoagent up` names them',
    );
    const asked = scrapes.flatMap(({ static_configs, dns_sd_configs = [], params }) => [
      ...static_configs.flatMap(({ targets }) => targets.map((target) => target.split(':')[0] ?? '')),
      ...dns_sd_configs.flatMap(({ names }) => names),
      ...(params?.target ?? []).map((target) => new URL(target).hostname),
    ]);
    const parts = Object.keys(services).filter(
      (name) => !['nginx', 'postgres', 'grafana', 'prometheus'].includes(name),
    );
    assert.deepEqual([...new Set(asked)].filter((name) => name !== '127.0.0.1').toSorted(), parts.toSorted());
  });

  it('finds every secret that it mounts where the guide made it, readable by whoever reads it', async (t) => {
    const folder = await temporaryFolder(t);
    const [, hour = ''] = /## The first hour\n[^]*?```sh\n([^]*?)```/.exec(read('docs/containers.md')) ?? [];
    const own = hour.replace(
      'docker run --rm revoagent:0.1.0 node bin/revoagent.js',
      `${process.execPath} ${ROOT}bin/revoagent.js`,
    );
    assert.notEqual(own, hour);
    const script = own.replaceAll(/^docker .*$/gm, '');
    const { status, stderr } = spawnSync('sh', ['-eu', '-c', script], { cwd: folder, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    for (const [name, { file = '' }] of Object.entries(secrets)) {
      const made = path.join(folder, file);
      assert.equal(statSync(made).mode & 0o777, 0o444, name);
      assert.ok(readFileSync(made, 'utf8').trim().length > 20, name);
    }
    const secret = (name: string): string => readFileSync(path.join(folder, 'secrets', name), 'utf8').trim();
    assert.match(secret('admin_key'), /^rvk_/);
    const { username, password, hostname, pathname } = new URL(secret('database_url'));
    const { POSTGRES_USER, POSTGRES_DB } = services['postgres']?.environment ?? {};
    assert.deepEqual(
      [username, password, hostname, pathname],
      [POSTGRES_USER, secret('postgres_password'), 'postgres', `/${POSTGRES_DB}`],
    );
  });

  it('speaks TLS as the guide says: with a balancer that a real nginx takes, and an override that fits', async (t) => {
    const guide = read('docs/containers.md');
    const [, command = '', override = ''] = /### TLS\n[^]*?```sh\n([^]*?)```[^]*?```yaml\n([^]*?)```/.exec(guide) ?? [];
    const folder = await temporaryFolder(t);
    mkdirSync(path.join(folder, 'deploy/nginx'), { recursive: true });
    const own = command.replace(IN_IMAGE, OUT_OF_IMAGE);
    assert.notEqual(own, command);
    const made = spawnSync('sh', ['-eu', '-c', own], { cwd: folder, encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr);
    const file = path.join(folder, 'deploy/nginx/tls.conf');
    const { certFile, keyFile } = makeCertificates(t);
    const here = readFileSync(file, 'utf8')
      .replaceAll('/var/lib/balancer', folder)
      .replaceAll('/run/secrets/tls_certificate', certFile)
      .replaceAll('/run/secrets/tls_key', keyFile)
      .replaceAll('0.0.0.0:443', `127.0.0.1:${await freePort()}`);
    writeFileSync(file, here);
    const taken = spawnSync(requireTool('nginx'), ['-t', '-q', '-p', folder, '-c', file], { encoding: 'utf8' });
    assert.equal(taken.status, 0, taken.stderr);
    const more = compose(override);
    const nginx = { ...services['nginx'] };
    // As Compose merges: lists grow.
    nginx.ports = [...(nginx.ports ?? []), ...(more.services['nginx']?.ports ?? [])];
    nginx.secrets = [...(nginx.secrets ?? []), ...(more.services['nginx']?.secrets ?? [])];
    const whole = compose(text);
    const merged = { ...whole, services: { ...services, nginx }, secrets: { ...secrets, ...more.secrets } };
    assert.deepEqual([...schemaProblems(merged), ...composeProblems(merged, exists)], []);
  });

  it('keeps its secrets out of the repository and out of the image', () => {
    for (const { file } of Object.values(secrets)) assert.match(file ?? '', /^\.\/secrets\//);
    assert.match(read('.gitignore'), /^secrets\/$/m);
    assert.match(read('.dockerignore'), /^\*$/m);
  });
});

/** What is written over in compose.yaml, and what has to be said about it. */
const PLANTED: readonly (readonly [what: string, from: string, to: string, said: RegExp])[] = [
  [
    'an image that is not pinned',
    'redis:7.4.5-bookworm',
    'redis:latest',
    /redis-cache: image redis:latest is not pinned/,
  ],
  ['a service that nobody asks after', '    healthcheck: *redis-health\n', '', /redis-state: has no health check/],
  [
    'a health check that is switched off',
    '    healthcheck: *redis-health\n',
    '    healthcheck: { disable: true }\n',
    /redis-state: has no health check/,
  ],
  ['a service without a bound', '  mem_limit: 1g\n  cpus: 1.5\n', '  cpus: 1.5\n', /hub1: mem_limit is missing/],
  [
    'a secret that is not declared',
    'secrets: [postgres_password]',
    'secrets: [password]',
    /postgres: secret password is not declared/,
  ],
  [
    'a secret that is used and not mounted',
    'secrets: [grafana_password]',
    'secrets: [admin_key]',
    /grafana: secret grafana_password is not mounted/,
  ],
  [
    'a secret in the environment',
    'GF_SECURITY_ADMIN_PASSWORD__FILE: /run/secrets/grafana_password',
    'GF_SECURITY_ADMIN_PASSWORD: hunter2',
    /grafana: GF_SECURITY_ADMIN_PASSWORD holds a secret/,
  ],
  ['a secret outside of its folder', './secrets/admin_key', './admin_key', /secret admin_key is no file in secrets/],
  ['a port that is taken twice', '127.0.0.1:9093:9093', '127.0.0.1:9090:9093', /port 9090 is used twice/],
  ['an address that is given twice', '172.30.57.12', '172.30.57.11', /address 172.30.57.11 is used twice/],
  ['an address outside of the network', '172.30.57.14', '172.30.58.14', /172.30.58.14 is in none of the networks/],
  [
    'a file that is not there',
    './deploy/redis/cache.conf',
    './deploy/redis/cash.conf',
    /redis-cache: .\/deploy\/redis\/cash.conf is not there/,
  ],
  [
    'a Dockerfile that is not there',
    'dockerfile: nginx.Dockerfile',
    'dockerfile: Dockerfile.nginx',
    /nginx: Dockerfile.nginx is not there/,
  ],
  ['a volume that is not declared', '  grafana: {}\n', '', /grafana: grafana is not there to be mounted/],
  ['a volume that nobody uses', '  grafana: {}\n', '  grafana: {}\n  old: {}\n', /volume old is not used/],
  [
    'a wait that does not wait',
    'postgres: { condition: service_healthy }',
    'postgres: { condition: service_started }',
    /hub1: does not wait until postgres is healthy/,
  ],
  ['a wait for what may not be there', '      hub1: { condition', '      hub3: { condition', /nginx: waits for hub3/],
  ['a part that keeps its capabilities', '  cap_drop: [ALL]\n', '', /hub1: keeps capabilities/],
];

/** The same, and what the schema has to say about it. */
const PLANTED_AGAINST_SCHEMA: readonly (readonly [what: string, from: string, to: string, said: RegExp])[] = [
  ['a key that no service has', '    shm_size:', '    shmsize:', /^\/services\/postgres .*"shmsize"/m],
  ['a key that no compose file has', '\nsecrets:\n', '\nsecret:\n', /^\/ must NOT have additional .*"secret"/m],
  ['a health check with a key of its own', '      retries: 5\n', '      tries: 5\n', /healthcheck .*"tries"/],
  [
    'a wait for what does not come',
    'condition: service_healthy',
    'condition: service_ready',
    /depends_on\/.*condition/,
  ],
  ['a figure that is a word', 'pids_limit: 256', 'pids_limit: [256]', /^\/services\/hub1\/pids_limit must be/m],
  [
    'a secret that is a word',
    '{ file: ./secrets/admin_key }',
    './secrets/admin_key',
    /^\/secrets\/admin_key must be object/m,
  ],
  [
    'a name that no service may have',
    '  redis-state:\n    <<',
    '  redis/state:\n    <<',
    /^\/services .*"redis\/state"/m,
  ],
  ['an env_file of the wrong form', '{ path: .env, required: false }', '{ file: .env }', /hub1\/env_file/],
];

function planted(from: string, to: string): Compose {
  const whole = read('compose.yaml');
  const changed = whole.replace(from, to);
  assert.notEqual(changed, whole, 'the fault was planted');
  return compose(changed);
}

describe('the checks of compose.yaml', () => {
  for (const [what, from, to, said] of PLANTED_AGAINST_SCHEMA)
    it(`find, by the specification, ${what}`, () => {
      assert.match(schemaProblems(planted(from, to)).join('\n'), said);
    });
  for (const [what, from, to, said] of PLANTED)
    it(`find ${what}`, () => {
      assert.match(composeProblems(planted(from, to), exists).join('\n'), said);
    });
});

describe('the image', () => {
  const dockerfile = read('deploy/docker/Dockerfile');

  it('is made from files that exist and get past .dockerignore, and runs what the package runs', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names = '']) =>
      names.split(' '),
    );
    assert.ok(copied.length > 8);
    const kept = [...read('.dockerignore').matchAll(/^!(.+)$/gm)].map(([, name]) => name);
    for (const name of copied) {
      assert.ok(exists(name), name);
      assert.ok(kept.includes(name), `${name} is left out by .dockerignore`);
    }
    const { files } = JSON.parse(read('package.json')) as { files: string[] };
    for (const name of files) assert.match(dockerfile, new RegExp(`^COPY .*\\b${name}\\b`, 'm'));
    assert.match(dockerfile, /^CMD \["node", "bin\/revoagent\.js", "serve", "--json"\]$/m);
    const { version } = JSON.parse(read('package.json')) as { version: string };
    for (const text of [dockerfile, read('compose.yaml')])
      assert.ok(text.includes(version), 'the version of the package');
  });

  it('runs as a user without rights, under the memory of its container', () => {
    assert.match(dockerfile, /^USER 1000:1000$/m);
    const [, options = ''] = /NODE_OPTIONS=(\S+)/.exec(dockerfile) ?? [];
    const { status, stderr } = spawnSync(process.execPath, [options, '-e', '0'], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  });

  it('is unhealthy when the hub does not answer or says so, and healthy otherwise', async () => {
    const [, words = '[]'] = /^HEALTHCHECK [^]*?CMD (\[.*\])$/m.exec(dockerfile) ?? [];
    const [, ...command] = JSON.parse(words) as string[];
    let answer = 200;
    const asked: (string | undefined)[] = [];
    const server = createServer(({ url }, response) => {
      asked.push(url);
      response.writeHead(answer).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const check = async (): Promise<unknown> => {
      const child = spawn(process.execPath, command, { env: { ...process.env, REVOAGENT_PORT: String(port) } });
      return (await once(child, 'exit'))[0];
    };
    assert.equal(await check(), 0);
    answer = 503;
    assert.equal(await check(), 1);
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
    assert.equal(await check(), 1);
    assert.deepEqual(asked, ['/health/live', '/health/live']);
  });
});
