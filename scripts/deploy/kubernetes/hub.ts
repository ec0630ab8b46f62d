/** The hub in a cluster: its Deployment, how it is reached, scaled, spread, protected. Core APIs only: `kubectl apply -f` takes them anywhere. */
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import type { IHorizontalPodAutoscalerBehavior } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscalerBehavior';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap';
import type { IContainer } from 'kubernetes-models/v1/Container';
import type { INamespace } from 'kubernetes-models/v1/Namespace';
import type { IProbe } from 'kubernetes-models/v1/Probe';
import type { IService } from 'kubernetes-models/v1/Service';
import { readVersion } from '#hub/version';
import type { Manifest } from './manifest.ts';
import { NAMESPACE, labelsOf, metadataOf } from './manifest.ts';

/** Long enough for endpoints to be gone from every proxy of the cluster before the hub closes its door. */
const PRE_STOP_S = 10;
/** How long streams may go on. */
const SHUTDOWN_GRACE_S = 60;
/** What it needs after that to write its records down and to close its stores; as much as in the other forms. */
const CLOSE_S = 15;
const PORT = 12_001;
const HUB = labelsOf('hub');

const namespace: INamespace = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: {
    name: NAMESPACE,
    labels: { ...labelsOf('namespace'), 'pod-security.kubernetes.io/enforce': 'restricted' },
  },
};

const configMap: IConfigMap = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: metadataOf('hub-config'),
  data: {
    'revoagent.yaml': `# Providers are found by the keys in the Secret hub-providers until they are named here (docs/configuration.md).
server:
  shutdownGraceMs: ${SHUTDOWN_GRACE_S * 1_000}
`,
  },
};

const deployment: IDeployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: metadataOf('hub'),
  spec: {
    revisionHistoryLimit: 5,
    minReadySeconds: 5,
    progressDeadlineSeconds: 300,
    // The new one serves before an old one goes. No count of replicas: the autoscaler owns it.
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    selector: { matchLabels: HUB },
    template: {
      metadata: { labels: HUB },
      spec: {
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        terminationGracePeriodSeconds: PRE_STOP_S + SHUTDOWN_GRACE_S + CLOSE_S,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 1000,
          runAsGroup: 1000,
          fsGroup: 1000,
          seccompProfile: { type: 'RuntimeDefault' },
        },
        topologySpreadConstraints: ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map((topologyKey) => ({
          maxSkew: 1,
          topologyKey,
          whenUnsatisfiable: 'ScheduleAnyway',
          labelSelector: { matchLabels: HUB },
          matchLabelKeys: ['pod-template-hash'],
        })),
        containers: [hubContainer()],
        volumes: [
          { name: 'data', emptyDir: { sizeLimit: '1Gi' } },
          { name: 'tmp', emptyDir: { sizeLimit: '64Mi' } },
          { name: 'config', configMap: { name: 'hub-config' } },
          {
            name: 'secrets',
            secret: {
              secretName: 'hub-secrets',
              items: [
                { key: 'admin-key', path: 'admin-key' },
                { key: 'database-url', path: 'database-url' },
              ],
            },
          },
        ],
      },
    },
  },
};

function hubContainer(): IContainer {
  const probe = (path: string, failureThreshold: number, periodSeconds: number): IProbe => ({
    httpGet: { path, port: 'http' },
    periodSeconds,
    timeoutSeconds: 3,
    failureThreshold,
  });
  return {
    name: 'hub',
    image: `revoagent:${readVersion()}`,
    ports: [{ name: 'http', containerPort: PORT }],
    env: [
      { name: 'REVOAGENT_CONFIG', value: '/etc/revoagent/revoagent.yaml' },
      { name: 'REVOAGENT_ADMIN_KEY_FILE', value: '/run/secrets/revoagent/admin-key' },
      { name: 'DATABASE_URL_FILE', value: '/run/secrets/revoagent/database-url' },
      { name: 'REVOAGENT_INSTANCE', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    ],
    // Keys of providers, and the addresses of Redis where it is somebody else's.
    envFrom: [{ secretRef: { name: 'hub-providers', optional: true } }],
    volumeMounts: [
      { name: 'data', mountPath: '/var/lib/revoagent' },
      { name: 'tmp', mountPath: '/tmp' },
      { name: 'config', mountPath: '/etc/revoagent', readOnly: true },
      { name: 'secrets', mountPath: '/run/secrets/revoagent', readOnly: true },
    ],
    // Two minutes for migrations and a database that comes up beside it.
    startupProbe: probe('/health/live', 60, 2),
    readinessProbe: probe('/health/ready', 2, 5),
    // Only whether the event loop turns: a database that is away must not get every hub killed.
    livenessProbe: probe('/health/live', 6, 10),
    lifecycle: { preStop: { sleep: { seconds: PRE_STOP_S } } },
    resources: { requests: { cpu: '500m', memory: '1Gi' }, limits: { memory: '1Gi' } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
  };
}

const service: IService = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: metadataOf('hub'),
  spec: { type: 'ClusterIP', selector: HUB, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
};

const disruptionBudget: IPodDisruptionBudget = {
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: metadataOf('hub'),
  spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow', selector: { matchLabels: HUB } },
};

/** The policies of `hpaDefaults` in src/stack/hpa.ts, which `revoagent up --autoscale` follows and the chart in the docs shows. */
export const scalingBehaviour: IHorizontalPodAutoscalerBehavior = {
  scaleUp: {
    stabilizationWindowSeconds: 0,
    selectPolicy: 'Max',
    policies: [
      { type: 'Pods', value: 4, periodSeconds: 15 },
      { type: 'Percent', value: 100, periodSeconds: 15 },
    ],
  },
  scaleDown: { stabilizationWindowSeconds: 300, policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] },
};

export const bounds = { min: 2, max: 10, cpuPercent: 70, memoryPercent: 80, requestsPerMinute: 100 } as const;

const autoscaler: IHorizontalPodAutoscaler = {
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: metadataOf('hub'),
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'hub' },
    minReplicas: bounds.min,
    maxReplicas: bounds.max,
    metrics: [
      {
        type: 'Resource',
        resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: bounds.cpuPercent } },
      },
      {
        type: 'Resource',
        resource: { name: 'memory', target: { type: 'Utilization', averageUtilization: bounds.memoryPercent } },
      },
    ],
    behavior: scalingBehaviour,
  },
};

const networkPolicy: INetworkPolicy = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: metadataOf('hub'),
  spec: {
    podSelector: { matchLabels: HUB },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      {
        // This namespace, and those of the gateway and of Prometheus once they are labelled.
        from: [{ podSelector: {} }, { namespaceSelector: { matchLabels: { 'revoagent/may-reach-hub': 'true' } } }],
        ports: [{ protocol: 'TCP', port: 'http' }],
      },
    ],
    egress: [
      {
        ports: [
          { protocol: 'UDP', port: 53 },
          { protocol: 'TCP', port: 53 },
          { protocol: 'TCP', port: 443 },
          { protocol: 'TCP', port: 5432 },
          { protocol: 'TCP', port: 6379 },
        ],
      },
    ],
  },
};

/** File names in the base, in the order in which they are applied. */
export const base: Readonly<Record<string, Manifest>> = {
  namespace,
  'config-map': configMap,
  deployment,
  service,
  'disruption-budget': disruptionBudget,
  autoscaler,
  'network-policy': networkPolicy,
};
