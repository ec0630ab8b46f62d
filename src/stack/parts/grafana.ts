/** Grafana of a stack, where it is installed: everybody on this machine may look, its data source and dashboards come along. */
import { cpSync, existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { environmentWith } from '#config/index';
import type { Layout } from '../layout.ts';
import { shipped } from '../layout.ts';
import type { Part } from '../part.ts';
import { answersOk } from '../probes.ts';

/** `file`: the program `grafana`, which has lain in `bin/` of its own folder since version 9.4. */
export function grafanaPart(layout: Layout, file: string): Part {
  const address = layout.local('grafana');
  const folder = layout.in('grafana');
  const provisioning = path.join(folder, 'provisioning');
  return {
    name: 'grafana',
    needs: ['prometheus'],
    command: [file, 'server', '--homepath', path.dirname(path.dirname(realpathSync(file)))],
    env: environmentWith({
      GF_SERVER_HTTP_ADDR: '127.0.0.1',
      GF_SERVER_HTTP_PORT: String(layout.port('grafana')),
      GF_PATHS_DATA: path.join(folder, 'data'),
      GF_PATHS_LOGS: path.join(folder, 'data'),
      GF_PATHS_PLUGINS: path.join(folder, 'plugins'),
      GF_PATHS_PROVISIONING: provisioning,
      // It listens on loopback alone, beside a Prometheus that asks nobody for a password either.
      GF_AUTH_ANONYMOUS_ENABLED: 'true',
      GF_AUTH_ANONYMOUS_ORG_ROLE: 'Viewer',
      GF_AUTH_DISABLE_LOGIN_FORM: 'true',
      GF_ANALYTICS_REPORTING_ENABLED: 'false',
      GF_ANALYTICS_CHECK_FOR_UPDATES: 'false',
      // What deploy/grafana/datasource.yml reads.
      PROMETHEUS_URL: `http://${layout.local('prometheus')}`,
    }),
    binds: [address],
    prepare: () => {
      for (const name of ['data', 'plugins']) mkdirSync(path.join(folder, name), { recursive: true, mode: 0o700 });
      mkdirSync(path.join(provisioning, 'datasources'), { recursive: true });
      cpSync(shipped('deploy', 'grafana', 'datasource.yml'), path.join(provisioning, 'datasources', 'prometheus.yml'));
      provisionDashboards(provisioning);
    },
    isReady: (signal) => answersOk(`http://${address}/api/health`, signal),
    readyMs: 60_000,
    stopSignal: 'SIGTERM',
    stopMs: 10_000,
    shown: { what: 'Grafana', url: `http://${address}` },
  };
}

function provisionDashboards(provisioning: string): void {
  const dashboards = path.join(shipped('deploy', 'grafana'), 'dashboards');
  if (!existsSync(dashboards)) return;
  mkdirSync(path.join(provisioning, 'dashboards'), { recursive: true });
  const provider = { name: 'revoagent', type: 'file', allowUiUpdates: false, options: { path: dashboards } };
  // JSON is YAML.
  writeFileSync(
    path.join(provisioning, 'dashboards', 'revoagent.yml'),
    JSON.stringify({ apiVersion: 1, providers: [provider] }),
  );
}
