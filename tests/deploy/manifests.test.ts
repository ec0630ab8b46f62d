/** The Kubernetes manifests, as far as they can be proved without a cluster; each check is shown to find what was planted for it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { hpaDefaults } from '../../src/stack/hpa.ts';
import { generated } from '../../scripts/generate-schemas.ts';
import { temporaryFolder } from '../helpers/hub-process.ts';
import { FOLDERS, KUBERNETES, kustomization, manifestTexts } from '../helpers/kubernetes-files.ts';
import { at, manifestProblems, text } from '../helpers/lint-kubernetes.ts';
import type { Facts, Json } from '../helpers/lint-kubernetes.ts';
import { requireTool } from '../helpers/tools.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');

const manifestsOf = (folder: string): Json[] => manifestTexts(folder).map((yaml) => parse(yaml) as Json);

function facts(): Facts {
  const { paths } = JSON.parse(read('schema/openapi.json')) as { paths: Record<string, unknown> };
  const { metrics } = JSON.parse(read('schema/metrics.json')) as { metrics: { name: string; type: string }[] };
  const secrets = [...read('docs/kubernetes.md').matchAll(/create secret generic (\S+)((?:\s+|\\\n|--from-\S+)+)/g)];
  return {
    paths: new Set(Object.keys(paths)),
    metrics: new Set(
      metrics.flatMap(({ name, type }) =>
        type === 'histogram' ? ['_bucket', '_count', '_sum'].map((end) => name + end) : [name],
      ),
    ),
    secrets: new Map(
      secrets.map(([, name = '', words = '']) => [
        name,
        [...words.matchAll(/--from-\w+=([\w-]+)=/g)].map(([, key = '']) => key),
      ]),
    ),
  };
}

const base = manifestsOf('base');
const all = FOLDERS.flatMap(manifestsOf);

describe('the Kubernetes manifests', () => {
  it('lead somewhere with every selector, port, probe, name and figure, and are restricted and bounded', () => {
    assert.deepEqual(manifestProblems(all, facts()), []);
  });

  it('are the files that the kustomizations name, and no others', () => {
    const named = globSync('**/kustomization.yaml', { cwd: KUBERNETES }).flatMap((file) => {
      const folder = path.dirname(file);
      const { resources, components = [] } = kustomization(folder);
      return [file, ...[...resources, ...components].map((each) => path.join(folder, each))];
    });
    for (const file of named) assert.ok(existsSync(path.join(KUBERNETES, file)), file);
    const files = globSync('**/*.yaml', { cwd: KUBERNETES });
    assert.deepEqual(
      files.toSorted(),
      [...new Set(named.filter((file) => file.endsWith('.yaml'))), 'revoagent.yaml'].toSorted(),
    );
    const written = generated.map(({ file }) => file);
    for (const file of files) assert.ok(written.includes(`deploy/kubernetes/${file}`), `${file} is not generated`);
  });

  it('are in the rendered file exactly as in the base, with what others need first', () => {
    const rendered = parseAllDocuments(read('deploy/kubernetes/revoagent.yaml')).map(
      (document) => document.toJS() as Json,
    );
    assert.deepEqual(rendered, base);
    assert.equal(at(rendered[0], 'kind'), 'Namespace');
  });

  it('scale by the bounds, targets and policies that the local stack follows', () => {
    const autoscaler = base.find((manifest) => at(manifest, 'kind') === 'HorizontalPodAutoscaler');
    const scaled = all.find((manifest) => at(manifest, 'kind') === 'ScaledObject');
    const behaviour = at(autoscaler, 'spec', 'behavior');
    assert.deepEqual(at(scaled, 'spec', 'advanced', 'horizontalPodAutoscalerConfig', 'behavior'), behaviour);
    for (const [least, most] of [
      [at(autoscaler, 'spec', 'minReplicas'), at(autoscaler, 'spec', 'maxReplicas')],
      [at(scaled, 'spec', 'minReplicaCount'), at(scaled, 'spec', 'maxReplicaCount')],
    ])
      assert.deepEqual([least, most], [hpaDefaults.min, hpaDefaults.max]);
    assert.deepEqual(behaviour, {
      scaleUp: {
        stabilizationWindowSeconds: 0,
        selectPolicy: 'Max',
        policies: [
          { type: 'Pods', value: hpaDefaults.scaleUpStep, periodSeconds: 15 },
          { type: 'Percent', value: 100, periodSeconds: 15 },
        ],
      },
      scaleDown: {
        stabilizationWindowSeconds: hpaDefaults.scaleDownWindowMs / 1_000,
        policies: [
          { type: 'Pods', value: hpaDefaults.scaleDownStep, periodSeconds: hpaDefaults.scaleDownEveryMs / 1_000 },
        ],
      },
    });
  });

  it('never put two autoscalers on one target', () => {
    const component = read('deploy/kubernetes/components/request-rate/kustomization.yaml');
    const [{ patch }] = (parse(component) as { patches: [{ patch: string }] }).patches;
    const autoscaler = base.find((manifest) => at(manifest, 'kind') === 'HorizontalPodAutoscaler');
    const { $patch, ...target } = parse(patch) as Record<string, unknown>;
    assert.equal($patch, 'delete');
    assert.deepEqual(target, {
      apiVersion: at(autoscaler, 'apiVersion'),
      kind: at(autoscaler, 'kind'),
      metadata: { name: at(autoscaler, 'metadata', 'name'), namespace: at(autoscaler, 'metadata', 'namespace') },
    });
  });

  it('hold the alert rules, dashboards and settings that the other forms have, word for word', () => {
    interface Groups {
      readonly groups: readonly { readonly name: string }[];
    }
    // Databases and machines are the cluster's to watch.
    const groups = ['hub.yml', 'objective.yml'].flatMap(
      (file) => (parse(read(`deploy/prometheus/rules/${file}`)) as Groups).groups,
    );
    const rule = all.find((manifest) => at(manifest, 'kind') === 'PrometheusRule');
    assert.deepEqual(at(rule, 'spec', 'groups'), groups);
    const held = all.filter((manifest) => at(manifest, 'kind') === 'ConfigMap').map((manifest) => at(manifest, 'data'));
    const holds = (key: string, file: string): void =>
      assert.ok(
        held.some((data) => at(data, key) === read(file)),
        file,
      );
    holds('postgresql.conf', 'deploy/postgres/postgresql.conf');
    holds('cache.conf', 'deploy/redis/cache.conf');
    holds('state.conf', 'deploy/redis/state.conf');
    for (const file of globSync('deploy/grafana/dashboards/*.json', { cwd: ROOT })) holds(path.basename(file), file);
  });

  it('hold a balancer that is, but for its upstreams, the one of compose.yaml, and that a real nginx takes', async (t) => {
    const config = all.find((manifest) => at(manifest, 'metadata', 'name') === 'balancer-config');
    const conf = text(at(config, 'data', 'nginx.conf'));
    // Pools of hubs, what is told of whom they asked, the map of routes to them and how often they are tried: which hubs there are is what differs.
    const common = (whole: string): string =>
      whole
        .replaceAll(/^ {2}(upstream|map \$(?:route_asked|upstream_addr)) [^]*?^ {2}\}\n/gm, '')
        .replace(/proxy_next_upstream_tries \d+;/, '');
    assert.equal(common(conf), common(read('deploy/nginx/compose.conf')));
    assert.ok(common(conf).length > conf.length / 2);
    // The volume lies over the links of the image.
    const deployment = all.find(
      (manifest) => at(manifest, 'metadata', 'name') === 'balancer' && at(manifest, 'kind') === 'Deployment',
    );
    const first = text(at(deployment, 'spec', 'template', 'spec', 'initContainers'));
    const logs = [...conf.matchAll(/^ *(?:access|error)_log "([^"]+)"/gm)].map(([, file = '']) => file);
    assert.ok(logs.length > 1);
    for (const file of logs) {
      assert.match(first, new RegExp(`ln -sf /dev/std(out|err) ${file}`));
      assert.match(read('deploy/docker/nginx.Dockerfile'), new RegExp(`ln -s /dev/std(out|err) ${file}`));
    }
    assert.match(conf, /server hub\.revoagent\.svc\.cluster\.local:80 /);
    const folder = await temporaryFolder(t);
    const file = path.join(folder, 'nginx.conf');
    // The cluster's names mean nothing here.
    const here = conf
      .replaceAll('/var/lib/balancer', folder)
      .replaceAll('hub.revoagent.svc.cluster.local', '127.0.0.1');
    writeFileSync(file, here);
    const { status, stderr } = spawnSync(requireTool('nginx'), ['-t', '-q', '-p', folder, '-c', file], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
  });
});

/** What is written over in all manifests as one text, and what has to be said about it. */
const PLANTED: readonly (readonly [what: string, from: string | RegExp, to: string, said: RegExp])[] = [
  [
    'a Service that selects nothing',
    /(selector:\n +app.kubernetes.io\/name: )revoagent/,
    '$1revoagnt',
    /Service \w+: the selector .* reaches no pod/,
  ],
  [
    'a StatefulSet that does not select its own pods',
    /(replicas: 1\n +selector:\n +matchLabels:\n +app.kubernetes.io\/name: )revoagent/,
    '$1other',
    /StatefulSet [\w-]+: the selector .* reaches no pod/,
  ],
  ['a port name that is too long', 'name: http\n', 'name: the-port-of-the-hub\n', /port name the-port-of-the-hub/],
  ['a target port that no pod has', 'targetPort: http\n', 'targetPort: web\n', /Service hub: no pod has the port web/],
  ['a probe of a path that is not there', 'path: /health/ready', 'path: /healthz', /readinessProbe asks \/healthz/],
  [
    'a liveness that depends on others',
    /(livenessProbe:\n +httpGet:\n +path: \/health\/)live/,
    '$1ready',
    /asks for more than life/,
  ],
  [
    'a metric that nobody measures',
    'revoagent_heap_used_bytes',
    'revoagent_heap_bytes',
    /PrometheusRule hub: there is no metric revoagent_heap_bytes/,
  ],
  [
    'a rate by a metric that is not there',
    /http_server_request_duration_seconds_count(\{job)/,
    'http_requests_total$1',
    /ScaledObject hub: there is no metric http_requests_total/,
  ],
  [
    'a Secret that nobody makes',
    'secretName: hub-secrets',
    'secretName: hub-secret',
    /makes no Secret hub-secret with/,
  ],
  [
    'a key that a Secret does not have',
    'key: database-url',
    'key: database',
    /makes no Secret hub-secrets with database/,
  ],
  ['a ConfigMap that is not there', /(configMap:\n +name: )hub-config/, '$1hub-settings', /no ConfigMap hub-settings/],
  ['an image that is not pinned', /image: revoagent:.*/, 'image: revoagent:latest', /revoagent:latest is not pinned/],
  ['more memory than was asked for', /(limits:\n +memory: )1Gi/, '$12Gi', /other memory/],
  [
    'a pod that may write its root',
    'readOnlyRootFilesystem: true',
    'readOnlyRootFilesystem: false',
    /is not restricted/,
  ],
  [
    'too little time to end',
    'terminationGracePeriodSeconds: 85',
    'terminationGracePeriodSeconds: 84',
    /needs 85 s to end/,
  ],
  [
    'an autoscaler of something else',
    /(scaleTargetRef:\n +apiVersion: apps\/v1\n +kind: Deployment\n +name: )hub/,
    '$1hubs',
    /no hubs to scale/,
  ],
  ['a route to no Service', /(backendRefs:\n +- name: )hub/, '$1hubs', /no Service hubs/],
  [
    'a manifest in no namespace',
    /(kind: Service\nmetadata:\n +name: hub\n +namespace: )revoagent/,
    '$1default',
    /is in no namespace/,
  ],
  ['a volume that is not there', /(volumeMounts:\n +- name: )data/, '$1dat', /there is no volume dat/],
];

describe('the checks of the manifests', () => {
  for (const [what, from, to, said] of PLANTED)
    it(`find ${what}`, () => {
      const whole = all
        .map((manifest) => stringify(manifest, { lineWidth: 0, aliasDuplicateObjects: false }))
        .join('---\n');
      const changed = whole.replace(from, to);
      assert.notEqual(changed, whole, 'the fault was planted');
      const manifests = parseAllDocuments(changed).map((document) => document.toJS() as Json);
      assert.match(manifestProblems(manifests, facts()).join('\n'), said);
    });
});
