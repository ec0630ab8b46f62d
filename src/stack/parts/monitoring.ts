/** What watches a stack: exporters, Prometheus with the project's rules, Alertmanager, and Grafana where it is installed. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { environmentWith } from '#config/index';
import { alertmanagerConfig } from '../alerting/alertmanager.ts';
import { fasterAlertmanager, fasterRules } from '../drill/faster.ts';
import type { Layout, PortName } from '../layout.ts';
import { shipped } from '../layout.ts';
import type { Part } from '../part.ts';
import { answersOk } from '../probes.ts';
import type { ProgramName } from '../programs.ts';
import { grafanaPart } from './grafana.ts';
import { hubName } from './hub.ts';
import { postgresUrl } from './postgres.ts';
import { redisUrl } from './redis.ts';

export const MONITORING_PROGRAMS = [
  'prometheus',
  'prometheus-alertmanager',
  'prometheus-node-exporter',
  'prometheus-redis-exporter',
  'prometheus-postgres-exporter',
  'prometheus-nginx-exporter',
] as const satisfies readonly ProgramName[];

/** Alerts in a stack for drills: two minutes become twelve seconds. */
const DRILLS_FASTER = 10;

type Files = Readonly<Record<(typeof MONITORING_PROGRAMS)[number], string>>;

export function monitoringParts(layout: Layout, files: Files, grafana: string | undefined): Part[] {
  const shown = grafana === undefined ? [] : [grafanaPart(layout, grafana)];
  return [...exporters(layout, files), alertmanager(layout, files), prometheus(layout, files), ...shown];
}

function exporters(layout: Layout, files: Files): Part[] {
  const redis = (role: 'cache' | 'state', port: PortName): Part =>
    exporter(layout, `redis-${role}-exporter`, port, [`redis-${role}`], files['prometheus-redis-exporter'], [
      `-redis.addr=${redisUrl(layout, role)}`,
      `-web.listen-address=${layout.local(port)}`,
    ]);
  return [
    exporter(layout, 'node-exporter', 'nodeExporter', [], files['prometheus-node-exporter'], [
      `--web.listen-address=${layout.local('nodeExporter')}`,
      '--collector.disable-defaults',
      ...['cpu', 'meminfo', 'filesystem', 'loadavg', 'netdev', 'diskstats', 'time', 'uname'].map(
        (collector) => `--collector.${collector}`,
      ),
      '--collector.textfile',
      `--collector.textfile.directory=${layout.textfiles}`,
    ]),
    redis('cache', 'redisCacheExporter'),
    redis('state', 'redisStateExporter'),
    exporter(
      layout,
      'postgres-exporter',
      'postgresExporter',
      ['postgres'],
      files['prometheus-postgres-exporter'],
      [`--web.listen-address=${layout.local('postgresExporter')}`, '--disable-settings-metrics'],
      { DATA_SOURCE_NAME: `${postgresUrl(layout)}?sslmode=disable` },
    ),
    exporter(layout, 'nginx-exporter', 'nginxExporter', ['nginx'], files['prometheus-nginx-exporter'], [
      `-nginx.scrape-uri=http://${layout.local('balancerStatus')}/nginx_status`,
      `-web.listen-address=${layout.local('nginxExporter')}`,
    ]),
  ];
}

function exporter(
  layout: Layout,
  name: string,
  port: PortName,
  needs: readonly string[],
  file: string,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Part {
  return {
    name,
    needs,
    command: [file, ...words],
    env: environmentWith(env),
    binds: [layout.local(port)],
    isReady: (signal) => answersOk(`http://${layout.local(port)}/metrics`, signal),
    readyMs: 20_000,
    stopSignal: 'SIGTERM',
    stopMs: 5_000,
  };
}

function alertmanager(layout: Layout, files: Files): Part {
  const address = layout.local('alertmanager');
  const data = layout.in('alertmanager');
  const { drills, receivers = {} } = layout.options;
  const config = layout.in('alertmanager', 'alertmanager.yml');
  return {
    name: 'alertmanager',
    needs: [],
    command: [
      files['prometheus-alertmanager'],
      `--config.file=${config}`,
      `--storage.path=${data}`,
      `--web.listen-address=${address}`,
      // One of it: there are no others to talk to.
      '--cluster.listen-address=',
    ],
    env: environmentWith({}),
    binds: [address],
    prepare: () => {
      mkdirSync(data, { recursive: true, mode: 0o700 });
      const text = alertmanagerConfig(receivers);
      // It holds the addresses of receivers, which are secrets.
      writeFileSync(config, drills === true ? fasterAlertmanager(text, DRILLS_FASTER) : text, { mode: 0o600 });
    },
    isReady: (signal) => answersOk(`http://${address}/-/ready`, signal),
    readyMs: 20_000,
    stopSignal: 'SIGTERM',
    stopMs: 10_000,
    shown: { what: 'Alertmanager', url: `http://${address}` },
  };
}

function prometheus(layout: Layout, files: Files): Part {
  const address = layout.local('prometheus');
  const folder = layout.in('prometheus');
  const config = layout.in('prometheus', 'prometheus.json');
  return {
    name: 'prometheus',
    needs: ['alertmanager'],
    command: [
      files.prometheus,
      `--config.file=${config}`,
      `--storage.tsdb.path=${layout.in('prometheus', 'data')}`,
      '--storage.tsdb.retention.time=31d',
      '--storage.tsdb.retention.size=4GB',
      `--web.listen-address=${address}`,
      '--web.enable-lifecycle',
    ],
    env: environmentWith({}),
    binds: [address],
    prepare: () => {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      if (layout.options.drills === true) writeFasterRules(layout);
      // JSON is YAML.
      writeFileSync(config, `${JSON.stringify(prometheusConfig(layout), null, 2)}\n`);
    },
    isReady: (signal) => answersOk(`http://${address}/-/ready`, signal),
    readyMs: 30_000,
    stopSignal: 'SIGTERM',
    stopMs: 20_000,
    shown: { what: 'Prometheus', url: `http://${address}` },
  };
}

/** Which hubs Prometheus asks: it looks at the file itself. */
export function writeTargets(layout: Layout, hubs: readonly number[]): void {
  const targets = hubs.map((number) => ({
    targets: [layout.hubAddress(number)],
    labels: { service: 'hub', instance: hubName(number) },
  }));
  mkdirSync(layout.in('prometheus'), { recursive: true, mode: 0o700 });
  writeFileSync(layout.in('prometheus', 'hubs.json'), JSON.stringify(targets));
}

function writeFasterRules(layout: Layout): void {
  const [from, to] = [shipped('deploy', 'prometheus', 'rules'), layout.in('prometheus', 'rules')];
  mkdirSync(to, { recursive: true, mode: 0o700 });
  for (const file of readdirSync(from))
    writeFileSync(path.join(to, file), fasterRules(readFileSync(path.join(from, file), 'utf8'), DRILLS_FASTER));
}

function prometheusConfig(layout: Layout): Record<string, unknown> {
  const drills = layout.options.drills === true;
  const fixed = (job: string, service: string, port: PortName): Record<string, unknown> => ({
    job_name: job,
    static_configs: [{ targets: [layout.local(port)], labels: { service } }],
  });
  return {
    global: drills
      ? { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' }
      : { scrape_interval: '5s', scrape_timeout: '4s', evaluation_interval: '5s' },
    rule_files: [`${drills ? layout.in('prometheus', 'rules') : shipped('deploy', 'prometheus', 'rules')}/*.yml`],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [layout.local('alertmanager')] }] }] },
    scrape_configs: [
      {
        job_name: 'hub',
        file_sd_configs: [{ files: [layout.in('prometheus', 'hubs.json')], refresh_interval: '5s' }],
        ...authorizationOf(layout),
      },
      fixed('node', 'machine', 'nodeExporter'),
      fixed('redis-cache', 'redis-cache', 'redisCacheExporter'),
      fixed('redis-state', 'redis-state', 'redisStateExporter'),
      fixed('postgres', 'postgres', 'postgresExporter'),
      fixed('nginx', 'balancer', 'nginxExporter'),
      fixed('prometheus', 'prometheus', 'prometheus'),
      fixed('alertmanager', 'alertmanager', 'alertmanager'),
    ],
  };
}

/** A hub with keys shows its figures to a key. */
function authorizationOf({ options: { adminKeyFile } }: Layout): Record<string, unknown> {
  return adminKeyFile === undefined ? {} : { authorization: { type: 'Bearer', credentials_file: adminKeyFile } };
}
