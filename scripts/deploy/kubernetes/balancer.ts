/**
 * Our balancer before the hubs, for clusters without a gateway: its limits by address, its errors in the hub's own form and its one more
 * try, by the same source as in the other forms. It keeps no socket at its hub, since pods come and go under one address.
 */
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap';
import type { IContainer } from 'kubernetes-models/v1/Container';
import type { IService } from 'kubernetes-models/v1/Service';
import { readVersion } from '#hub/version';
import { balancerConfig } from '../balancer.ts';
import type { Manifest } from './manifest.ts';
import { NAMESPACE, labelsOf, metadataOf } from './manifest.ts';

const NAME = 'balancer';
const LABELS = labelsOf(NAME);
const PORT = 8080;
/** As the balancer's own `worker_shutdown_timeout`. */
const GRACE_S = 60;
const PRE_STOP_S = 10;

const config: IConfigMap = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: metadataOf('balancer-config', NAME),
  data: {
    // Behind the one address are all pods there are.
    'nginx.conf': balancerConfig([{ name: 'hub', address: `hub.${NAMESPACE}.svc.cluster.local:80` }], {
      requestsInFlightMax: 0,
    }),
  },
};

const IMAGE = `revoagent-balancer:${readVersion()}`;

/** The volume lies over the links of the image, by which the logs are the container's output: without them they would fill it. */
const links: IContainer = {
  name: 'logs-to-output',
  image: IMAGE,
  command: ['sh', '-c'],
  args: ['ln -sf /dev/stdout /var/lib/balancer/access.log && ln -sf /dev/stderr /var/lib/balancer/error.log'],
  volumeMounts: [{ name: 'own', mountPath: '/var/lib/balancer' }],
  resources: { requests: { cpu: '10m', memory: '32Mi' }, limits: { memory: '32Mi' } },
  securityContext: {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  },
};

const container: IContainer = {
  name: 'nginx',
  image: IMAGE,
  ports: [{ name: 'http', containerPort: PORT }],
  volumeMounts: [
    { name: 'own', mountPath: '/var/lib/balancer' },
    { name: 'config', mountPath: '/etc/balancer', readOnly: true },
  ],
  // The hubs' readiness is not its own: it answers in their place while there is none.
  readinessProbe: { tcpSocket: { port: 'http' }, periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2 },
  lifecycle: { preStop: { sleep: { seconds: PRE_STOP_S } } },
  resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '256Mi' } },
  securityContext: {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  },
};

const deployment: IDeployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: metadataOf(NAME, NAME),
  spec: {
    replicas: 2,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    selector: { matchLabels: LABELS },
    template: {
      metadata: { labels: LABELS },
      spec: {
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        terminationGracePeriodSeconds: PRE_STOP_S + GRACE_S + 5,
        // Debian's www-data.
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 33,
          runAsGroup: 33,
          fsGroup: 33,
          seccompProfile: { type: 'RuntimeDefault' },
        },
        topologySpreadConstraints: [
          {
            maxSkew: 1,
            topologyKey: 'kubernetes.io/hostname',
            whenUnsatisfiable: 'ScheduleAnyway',
            labelSelector: { matchLabels: LABELS },
          },
        ],
        initContainers: [links],
        containers: [container],
        volumes: [
          { name: 'own', emptyDir: { sizeLimit: '1Gi' } },
          { name: 'config', configMap: { name: 'balancer-config' } },
        ],
      },
    },
  },
};

const service: IService = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: metadataOf(NAME, NAME),
  spec: {
    type: 'LoadBalancer',
    // Callers keep their addresses, by which floods are limited.
    externalTrafficPolicy: 'Local',
    selector: LABELS,
    ports: [{ name: 'http', port: 80, targetPort: 'http' }],
  },
};

const disruptionBudget: IPodDisruptionBudget = {
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: metadataOf(NAME, NAME),
  spec: { maxUnavailable: 1, selector: { matchLabels: LABELS } },
};

const networkPolicy: INetworkPolicy = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: metadataOf(NAME, NAME),
  spec: {
    podSelector: { matchLabels: LABELS },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ ports: [{ protocol: 'TCP', port: 'http' }] }],
    egress: [
      {
        ports: [
          { protocol: 'UDP', port: 53 },
          { protocol: 'TCP', port: 53 },
        ],
      },
      { to: [{ podSelector: { matchLabels: labelsOf('hub') } }], ports: [{ protocol: 'TCP', port: 12_001 }] },
    ],
  },
};

/** File names in the component, in the order in which they are applied. */
export const balancer: Readonly<Record<string, Manifest>> = {
  'balancer-config': config,
  balancer: deployment,
  'balancer-service': service,
  'balancer-disruption-budget': disruptionBudget,
  'balancer-network-policy': networkPolicy,
};
