/**
 * What can be known of manifests without a cluster: selectors reach pods, ports and probes lead somewhere, every Secret and ConfigMap
 * is there, a pod has the time it needs to end, and figures that something scales or alarms by exist.
 */
import { parse } from 'yaml';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface Facts {
  /** Paths of schema/openapi.json. */
  readonly paths: ReadonlySet<string>;
  /** Of schema/metrics.json, with the names that a histogram becomes. */
  readonly metrics: ReadonlySet<string>;
  /** Keys of the Secrets that the guide tells to make. */
  readonly secrets: ReadonlyMap<string, readonly string[]>;
}

export function manifestProblems(manifests: readonly Json[], facts: Facts): string[] {
  const pods = manifests.filter((manifest) => at(manifest, 'spec', 'template', 'spec') !== undefined);
  return manifests.flatMap((manifest) => {
    const name = `${text(at(manifest, 'kind'))} ${text(at(manifest, 'metadata', 'name'))}`;
    const problems = [
      ...selectors(manifest, pods),
      ...ports(manifest, pods),
      ...named(manifest, manifests, facts),
      ...(pods.includes(manifest) ? pod(manifest, manifests, facts) : []),
      ...figures(manifest, facts),
      ...(text(at(manifest, 'kind')) === 'Namespace' || at(manifest, 'metadata', 'namespace') === 'revoagent'
        ? []
        : ['is in no namespace']),
    ];
    return problems.map((problem) => `${name}: ${problem}`);
  });
}

/** Every selector that means pods of this project reaches some. */
function selectors(manifest: Json, pods: readonly Json[]): string[] {
  const found = [
    at(manifest, 'spec', 'selector', 'matchLabels'),
    at(manifest, 'kind') === 'Service' ? at(manifest, 'spec', 'selector') : undefined,
    at(manifest, 'spec', 'podSelector', 'matchLabels'),
    ...list(at(manifest, 'spec', 'template', 'spec', 'topologySpreadConstraints')).map((each) =>
      at(each, 'labelSelector', 'matchLabels'),
    ),
  ].filter((selector) => selector !== undefined);
  const own = at(manifest, 'spec', 'template', 'metadata', 'labels');
  return found
    .filter((selector) =>
      own === undefined
        ? !pods.some((one) => isWithin(selector, at(one, 'spec', 'template', 'metadata', 'labels')))
        : !isWithin(selector, own),
    )
    .map((selector) => `the selector ${JSON.stringify(selector)} reaches no pod`);
}

function isWithin(selector: Json, labels: Json | undefined): boolean {
  return Object.entries(record(selector)).every(([key, value]) => at(labels, key) === value);
}

function ports(manifest: Json, pods: readonly Json[]): string[] {
  const known = pods.flatMap(containers).flatMap((container) => list(at(container, 'ports')));
  const names = known.map((port) => text(at(port, 'name')));
  const problems = everyKey(manifest, 'ports')
    .flatMap(list)
    .map((port) => at(port, 'name'))
    .filter((name) => name !== undefined && !/^(?=.{1,15}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text(name)))
    .map((name) => `the port name ${text(name)} is not of 1 to 15 small letters`);
  const meant = [
    ...everyKey(manifest, 'targetPort'),
    ...everyKey(manifest, 'httpGet').map((probe) => at(probe, 'port')),
    ...(at(manifest, 'kind') === 'NetworkPolicy' ? everyKey(manifest, 'port') : []),
  ].filter((port) => typeof port === 'string');
  return [...problems, ...meant.filter((port) => !names.includes(port)).map((port) => `no pod has the port ${port}`)];
}

/** What is referred to by name is there. */
function named(manifest: Json, manifests: readonly Json[], { secrets }: Facts): string[] {
  const has = (kind: string, name: Json | undefined): boolean =>
    manifests.some((one) => at(one, 'kind') === kind && at(one, 'metadata', 'name') === name);
  const problems: string[] = [];
  for (const target of everyKey(manifest, 'scaleTargetRef'))
    if (!has(text(at(target, 'kind')), at(target, 'name')))
      problems.push(`there is no ${text(at(target, 'name'))} to scale`);
  for (const backend of everyKey(manifest, 'backendRefs').flatMap(list))
    if (!has('Service', at(backend, 'name'))) problems.push(`there is no Service ${text(at(backend, 'name'))}`);
  const wanted = [
    ...everyKey(manifest, 'secret').flatMap((secret) =>
      list(at(secret, 'items')).map((item) => [at(secret, 'secretName'), at(item, 'key')] as const),
    ),
    ...[...everyKey(manifest, 'secretKeyRef'), ...everyKey(manifest, 'credentials')].map(
      (reference) => [at(reference, 'name'), at(reference, 'key')] as const,
    ),
  ];
  for (const [name, key] of wanted)
    if (secrets.get(text(name))?.includes(text(key)) !== true)
      problems.push(`the guide makes no Secret ${text(name)} with ${text(key)}`);
  for (const reference of everyKey(manifest, 'secretRef'))
    if (!secrets.has(text(at(reference, 'name'))))
      problems.push(`the guide makes no Secret ${text(at(reference, 'name'))}`);
  const volumes = list(at(manifest, 'spec', 'template', 'spec', 'volumes'));
  for (const volume of volumes) {
    const config = at(volume, 'configMap', 'name');
    if (config !== undefined && !has('ConfigMap', config)) problems.push(`there is no ConfigMap ${text(config)}`);
  }
  return problems;
}

function pod(manifest: Json, manifests: readonly Json[], { paths }: Facts): string[] {
  const spec = at(manifest, 'spec', 'template', 'spec');
  const problems: string[] = [];
  const claims = list(at(manifest, 'spec', 'volumeClaimTemplates')).map((claim) => at(claim, 'metadata', 'name'));
  const volumes = [...claims, ...list(at(spec, 'volumes')).map((volume) => at(volume, 'name'))];
  for (const container of everyContainer(manifest)) {
    if (!/:v?\d+\.\d+[\w.-]*$/.test(text(at(container, 'image'))))
      problems.push(`${text(at(container, 'image'))} is not pinned`);
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
      const asked = at(container, probe, 'httpGet', 'path');
      if (asked !== undefined && !paths.has(text(asked)))
        problems.push(`${probe} asks ${text(asked)}, which is no path of the API`);
    }
    const live = at(container, 'livenessProbe', 'httpGet', 'path');
    if (live !== undefined && live !== '/health/live') problems.push('livenessProbe asks for more than life');
    const memory = [at(container, 'resources', 'requests', 'memory'), at(container, 'resources', 'limits', 'memory')];
    if (memory[0] === undefined || memory[0] !== memory[1]) problems.push('asks for other memory than it may have');
    for (const mount of list(at(container, 'volumeMounts')))
      if (!volumes.includes(at(mount, 'name'))) problems.push(`there is no volume ${text(at(mount, 'name'))}`);
    problems.push(...restricted(container, spec));
    const sleep = Number(at(container, 'lifecycle', 'preStop', 'sleep', 'seconds') ?? 0);
    // A hub closes its stores after its grace.
    const needed = sleep + (text(at(container, 'name')) === 'hub' ? graceSeconds(manifests) + 15 : 5);
    if (Number(at(spec, 'terminationGracePeriodSeconds')) < needed) problems.push(`needs ${needed} s to end`);
  }
  return problems;
}

/** Kubernetes' Pod Security Standard "restricted", and a root that is not written to. */
function restricted(container: Json, spec: Json | undefined): string[] {
  const own = at(container, 'securityContext');
  const kept =
    at(own, 'allowPrivilegeEscalation') === false &&
    at(own, 'readOnlyRootFilesystem') === true &&
    JSON.stringify(at(own, 'capabilities', 'drop')) === '["ALL"]' &&
    at(spec, 'securityContext', 'runAsNonRoot') === true &&
    at(spec, 'securityContext', 'seccompProfile', 'type') === 'RuntimeDefault';
  return kept ? [] : ['is not restricted'];
}

/** Names of the project's figures in what scales and alarms. */
function figures(manifest: Json, { metrics }: Facts): string[] {
  const recorded = new Set(everyKey(manifest, 'record').map(text));
  return [...everyKey(manifest, 'query'), ...everyKey(manifest, 'expr')]
    .flatMap((query) => text(query).match(/\b(?:revoagent[a-z0-9_:]+|[a-z_][a-z0-9_:]*(?=[{[]))/g) ?? [])
    .filter((name) => !metrics.has(name) && !recorded.has(name) && name !== 'up')
    .map((name) => `there is no metric ${name}`);
}

/** `server.shutdownGraceMs` of the configuration that the hub is given. */
function graceSeconds(manifests: readonly Json[]): number {
  const config = manifests.find((manifest) => at(manifest, 'metadata', 'name') === 'hub-config');
  const settings = parse(text(at(config, 'data', 'revoagent.yaml'))) as Json;
  return Number(at(settings, 'server', 'shutdownGraceMs')) / 1_000;
}

/** Those that come first included. */
function everyContainer(manifest: Json): readonly Json[] {
  return [...containers(manifest), ...list(at(manifest, 'spec', 'template', 'spec', 'initContainers'))];
}

function containers(manifest: Json): readonly Json[] {
  return list(at(manifest, 'spec', 'template', 'spec', 'containers'));
}

export function at(value: Json | undefined, ...keys: readonly string[]): Json | undefined {
  return keys.reduce<Json | undefined>((inner, key) => record(inner)[key], value);
}

/** The values of that key, however deep. */
function everyKey(value: Json, key: string): Json[] {
  if (Array.isArray(value)) return (value as readonly Json[]).flatMap((each) => everyKey(each, key));
  return Object.entries(record(value)).flatMap(([name, inner]) => [
    ...(name === key ? [inner] : []),
    ...everyKey(inner, key),
  ]);
}

function record(value: Json | undefined): { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as { [key: string]: Json }) : {};
}

function list(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

export function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? '');
}
