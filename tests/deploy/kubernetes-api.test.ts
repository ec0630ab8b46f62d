/**
 * The manifests as Kubernetes itself sees them, without a cluster: what kustomize builds of the tree, the schemas of the API and of the
 * operators, and the compiler over the objects they are written as. Each is shown to find what was planted for it.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { HTTPRoute } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute';
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject';
import { PrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule';
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import { Namespace } from 'kubernetes-models/v1/Namespace';
import { Service } from 'kubernetes-models/v1/Service';
import { parseAllDocuments } from 'yaml';
import { temporaryFolder } from '../helpers/hub-process.ts';
import { FOLDERS, KUBERNETES, manifestTexts } from '../helpers/kubernetes-files.ts';
import { at, text } from '../helpers/lint-kubernetes.ts';
import type { Json } from '../helpers/lint-kubernetes.ts';
import type { Cleanup } from '../helpers/suite.ts';
import { requireTool } from '../helpers/tools.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const manifestsIn = (yaml: string): Json[] => parseAllDocuments(yaml).map((document) => document.toJS() as Json);
const nameOf = (manifest: Json): string => `${text(at(manifest, 'kind'))} ${text(at(manifest, 'metadata', 'name'))}`;

/** kubectl carries kustomize. */
function built(folder: string): Json[] {
  const { status, stdout, stderr } = spawnSync(requireTool('kubectl'), ['kustomize', folder], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return manifestsIn(stdout);
}

/** Since 1.21 kustomize in kubectl knows components. Debian 12 has an older one, which builds the base alone. */
function knowsComponents(): boolean {
  const { stdout } = spawnSync(requireTool('kubectl'), ['version', '--client', '--output', 'json'], {
    encoding: 'utf8',
  });
  const { clientVersion } = JSON.parse(stdout) as { clientVersion: { minor: string } };
  return Number.parseInt(clientVersion.minor, 10) >= 21;
}

/** A copy of the tree, with an overlay `tried` in it. */
async function treeWith(t: Cleanup, kustomization: string): Promise<string> {
  const folder = path.join(await temporaryFolder(t), 'kubernetes');
  cpSync(KUBERNETES, folder, { recursive: true });
  mkdirSync(path.join(folder, 'overlays/tried'));
  writeFileSync(path.join(folder, 'overlays/tried/kustomization.yaml'), kustomization);
  return folder;
}

describe('kustomize', () => {
  it('builds of the base what is checked in as one file', () => {
    const shipped = manifestsIn(readFileSync(path.join(KUBERNETES, 'revoagent.yaml'), 'utf8'));
    const sorted = (manifests: Json[]): Json[] => manifests.toSorted((a, b) => nameOf(a).localeCompare(nameOf(b)));
    assert.deepEqual(sorted(built(path.join(KUBERNETES, 'base'))), sorted(shipped));
  });

  it('notices a base that is no longer the checked-in file', async (t) => {
    const folder = await treeWith(t, 'resources: [../../base]\n');
    const file = path.join(folder, 'base/service.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('port: 80', 'port: 81'));
    const shipped = manifestsIn(readFileSync(path.join(KUBERNETES, 'revoagent.yaml'), 'utf8'));
    const service = (manifests: Json[]): Json | undefined => manifests.find((each) => nameOf(each) === 'Service hub');
    assert.notDeepEqual(service(built(path.join(folder, 'base'))), service(shipped));
  });

  if (knowsComponents()) componentsAreBuilt();
  else
    it('is too old here for components: kubectl 1.21 builds them', () =>
      assert.throws(() => built(path.join(KUBERNETES, 'overlays/production'))));
});

function componentsAreBuilt(): void {
  const kinds = (manifests: Json[]): string[] => manifests.map((each) => text(at(each, 'kind'))).toSorted();

  it('builds both overlays and valid manifests of them', () => {
    const production = built(path.join(KUBERNETES, 'overlays/production'));
    for (const kind of ['ServiceMonitor', 'PrometheusRule', 'HTTPRoute', 'HorizontalPodAutoscaler'])
      assert.ok(kinds(production).includes(kind), kind);
    assert.equal(
      kinds(production).filter((kind) => kind === 'ConfigMap').length,
      8,
      'a configuration, seven dashboards',
    );
    const deployment = production.find((each) => nameOf(each) === 'Deployment hub');
    const constraints = at(deployment, 'spec', 'template', 'spec', 'topologySpreadConstraints') as Json[];
    assert.equal(at(constraints[0], 'whenUnsatisfiable'), 'DoNotSchedule');
    const single = built(path.join(KUBERNETES, 'overlays/single-node'));
    assert.equal(kinds(single).filter((kind) => kind === 'StatefulSet').length, 3, 'PostgreSQL and two Redis');
    const hub = single.find((each) => nameOf(each) === 'Deployment hub');
    const [container] = at(hub, 'spec', 'template', 'spec', 'containers') as Json[];
    const told = (at(container, 'env') as Json[]).map((variable) => at(variable, 'name'));
    for (const role of ['CACHE', 'STATE']) assert.ok(told.includes(`REVOAGENT_REDIS_${role}_URL`));
    for (const manifest of [...production, ...single]) assert.deepEqual(apiProblems(manifest), []);
  });

  it('adds the balancer to what is there', async (t) => {
    const folder = await treeWith(t, 'resources: [../../base]\ncomponents: [../../components/balancer]\n');
    const names = built(path.join(folder, 'overlays/tried')).map(nameOf);
    assert.ok(names.includes('Deployment balancer') && names.includes('Deployment hub'));
  });

  it('puts the ScaledObject in place of the autoscaler, and its rate changes in the one line of the guide', async (t) => {
    const [, patch = ''] =
      /```yaml\n(patches:\n[^`]*threshold[^`]*)```/.exec(readFileSync(path.join(ROOT, 'docs/kubernetes.md'), 'utf8')) ??
      [];
    const folder = await treeWith(t, `resources: [../../base]\ncomponents: [../../components/request-rate]\n${patch}`);
    const manifests = built(path.join(folder, 'overlays/tried'));
    assert.ok(!kinds(manifests).includes('HorizontalPodAutoscaler'));
    const scaled = manifests.find((each) => at(each, 'kind') === 'ScaledObject');
    const triggers = at(scaled, 'spec', 'triggers') as Json[];
    assert.equal(at(triggers[2], 'metadata', 'threshold'), '20000');
  });
}

describe('the guide', () => {
  it('makes, by its own commands, every Secret and key that the pods mount', async (t) => {
    const folder = await temporaryFolder(t);
    writeFileSync(path.join(folder, 'admin-key'), 'a key');
    const guide = readFileSync(path.join(ROOT, 'docs/kubernetes.md'), 'utf8');
    const commands = guide.match(/^kubectl -n revoagent create secret (?:.*\\\n)*.*$/gm) ?? [];
    const made = new Map<string, string[]>();
    for (const command of commands) {
      const script = `${command} --dry-run=client --output json`;
      const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { cwd: folder, encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      const secret = JSON.parse(stdout) as { metadata: { name: string; namespace: string }; data: object };
      assert.equal(secret.metadata.namespace, 'revoagent');
      made.set(secret.metadata.name, Object.keys(secret.data));
    }
    const mounted = everyManifest.join('\n');
    for (const [, name = '', key = ''] of mounted.matchAll(/secretKeyRef:\n +name: (\S+)\n +key: (\S+)/g))
      assert.ok(made.get(name)?.includes(key), `${name} ${key}`);
    assert.deepEqual(made.get('hub-secrets')?.toSorted(), ['admin-key', 'database-url']);
    assert.deepEqual([...made.keys()].toSorted(), ['hub-providers', 'hub-secrets', 'postgres-secrets']);
  });
});

const models = [
  ConfigMap,
  Deployment,
  HTTPRoute,
  HorizontalPodAutoscaler,
  Namespace,
  NetworkPolicy,
  PodDisruptionBudget,
  PrometheusRule,
  ScaledObject,
  Service,
  ServiceMonitor,
  StatefulSet,
];

/** What the schema of its API says against it. */
function apiProblems(manifest: Json): string[] {
  const model = models.find(
    ({ apiVersion, kind }) => apiVersion === at(manifest, 'apiVersion') && kind === at(manifest, 'kind'),
  );
  if (model === undefined) return [`${nameOf(manifest)}: no such API`];
  try {
    new model(manifest as never).validate();
    return [];
  } catch (error) {
    return [`${nameOf(manifest)}: ${(error as Error).message}`];
  }
}

const everyManifest = FOLDERS.flatMap(manifestTexts);

/** What is written over in the text of every manifest, and what the API has to say about it. */
const PLANTED: readonly (readonly [what: string, from: string | RegExp, to: string, said: RegExp])[] = [
  ['a count that is a word', 'maxReplicas: 10', 'maxReplicas: ten', /HorizontalPodAutoscaler hub: .*maxReplicas/],
  [
    'a metric of no kind',
    'averageUtilization: 70',
    'averageUtilization: most',
    /HorizontalPodAutoscaler hub: .*averageUtilization/,
  ],
  [
    'a Deployment that selects nothing',
    /(kind: Deployment[^]*?)  selector:\n/,
    '$1  selectors:\n',
    /Deployment hub: .*selector/,
  ],
  ['a probe of a path that is a figure', 'path: /health/ready', 'path: 80', /Deployment hub: .*path/],
  [
    'a budget that is a truth',
    'maxUnavailable: 1\n',
    'maxUnavailable: true\n',
    /PodDisruptionBudget hub: .*maxUnavailable/,
  ],
  ['a route whose port is a word', /(backendRefs:[^]*?port: )80/, '$1http', /HTTPRoute hub: .*port/],
  ['a trigger without a kind', '- type: prometheus\n', '- types: prometheus\n', /ScaledObject hub: .*type/],
  ['a rule without an expression', 'expr: ', 'expression: ', /PrometheusRule hub: .*expr/],
  ['an endpoint whose scheme is unknown', 'path: /metrics', 'scheme: gopher', /ServiceMonitor hub: .*scheme/],
  [
    'an API that is not there',
    'apiVersion: autoscaling/v2\n',
    'apiVersion: autoscaling/v3\n',
    /HorizontalPodAutoscaler hub: no such API/,
  ],
];

describe('the API', () => {
  it('takes every manifest', () => {
    assert.ok(everyManifest.length > 15);
    assert.deepEqual(everyManifest.flatMap(manifestsIn).flatMap(apiProblems), []);
  });

  for (const [what, from, to, said] of PLANTED)
    it(`refuses ${what}`, () => {
      const changed = everyManifest.map((yaml) => yaml.replace(from, to));
      assert.notDeepEqual(changed, everyManifest, 'the fault was planted');
      assert.match(changed.flatMap(manifestsIn).flatMap(apiProblems).join('\n'), said);
    });
});

/** What is written over in the source of the manifests, and where the compiler has to stop. */
const MISSPELT: readonly (readonly [file: string, from: string, to: string])[] = [
  ['hub.ts', 'preStop: { sleep:', 'preStop: { sleeps:'],
  ['hub.ts', 'readOnlyRootFilesystem: true', 'readonlyRootFilesystem: true'],
  ['hub.ts', 'averageUtilization: bounds.memoryPercent', 'averageUtilisation: bounds.memoryPercent'],
  ['hub.ts', 'unhealthyPodEvictionPolicy:', 'unhealthyPodEviction:'],
  ['hub.ts', 'policyTypes:', 'policies:'],
  ['postgres.ts', 'volumeClaimTemplates:', 'volumeClaims:'],
  ['components.ts', 'pollingInterval:', 'pollInterval:'],
  ['components.ts', 'targetLabel: ', 'target: '],
  ['components.ts', 'backendRefs:', 'backends:'],
];

describe('the compiler', () => {
  it('stops at each misspelt field of a manifest, however deep', async (t) => {
    const source = path.join(ROOT, 'scripts/deploy/kubernetes');
    // Below the project, so that imports lead to where they lead.
    mkdirSync(path.join(ROOT, 'node_modules/.cache'), { recursive: true });
    const folder = mkdtempSync(path.join(ROOT, 'node_modules/.cache/misspelt-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const files = MISSPELT.map(([file, from, to], index) => {
      const written = readFileSync(path.join(source, file), 'utf8');
      assert.ok(written.includes(from), `${file} has ${from}`);
      const name = `${index}-${file}`;
      const elsewhere = written.replaceAll(/from '\.\/(\w+)\.ts'/g, `from '${source}/$1.ts'`);
      writeFileSync(path.join(folder, name), elsewhere.replace(from, to));
      return name;
    });
    const config = path.join(folder, 'tsconfig.json');
    writeFileSync(config, JSON.stringify({ extends: path.join(ROOT, 'tsconfig.json'), include: [], files }));
    const { stdout } = spawnSync(path.join(ROOT, 'node_modules/.bin/tsc'), ['-p', config, '--pretty', 'false'], {
      encoding: 'utf8',
    });
    const stopped = files.filter((file) =>
      new RegExp(`${file}\\(\\d+,\\d+\\): error TS2(353|561|322|769)`).test(stdout),
    );
    assert.deepEqual(stopped, files, stdout);
  });
});
