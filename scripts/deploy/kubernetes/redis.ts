/** The two Redis that hubs share, beside them: one may forget, the other may not. A managed service with two addresses does as well. */
import type { IStatefulSet } from 'kubernetes-models/apps/v1/StatefulSet';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import type { IContainer } from 'kubernetes-models/v1/Container';
import type { IService } from 'kubernetes-models/v1/Service';
import type { Manifest } from './manifest.ts';
import { labelsOf, metadataOf } from './manifest.ts';

const ROLES = ['cache', 'state'] as const;
type Role = (typeof ROLES)[number];

/** Of the cache half as much again as its maxmemory; of the state twice, because the rewrite of its file forks. */
const MEMORY: Readonly<Record<Role, string>> = { cache: '384Mi', state: '1Gi' };
const PORT = 6379;

/** What hubs are told of them. */
export const redisUrls = ROLES.map((role) => ({
  name: `REVOAGENT_REDIS_${role.toUpperCase()}_URL`,
  value: `redis://redis-${role}:${PORT}`,
}));

/** `settings`: deploy/redis/cache.conf and state.conf, word for word. */
export function redisManifests(settings: Readonly<Record<Role, string>>): Readonly<Record<string, Manifest>> {
  const config: Manifest = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: metadataOf('redis-config', 'redis'),
    data: { 'cache.conf': settings.cache, 'state.conf': settings.state },
  };
  const ofRole = (role: Role): Readonly<Record<string, Manifest>> => ({
    [`redis-${role}`]: statefulSet(role),
    [`redis-${role}-service`]: service(role),
    [`redis-${role}-network-policy`]: networkPolicy(role),
  });
  return { 'redis-config': config, ...ofRole('cache'), ...ofRole('state') };
}

function statefulSet(role: Role): IStatefulSet {
  const name = `redis-${role}`;
  const forgets = role === 'cache';
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: metadataOf(name, name),
    spec: {
      serviceName: name,
      replicas: 1,
      selector: { matchLabels: labelsOf(name) },
      template: {
        metadata: { labels: labelsOf(name) },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: 30,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 999,
            runAsGroup: 999,
            fsGroup: 999,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          containers: [container(role)],
          volumes: [
            { name: 'config', configMap: { name: 'redis-config' } },
            ...(forgets ? [{ name: 'data', emptyDir: { sizeLimit: '64Mi' } }] : []),
          ],
        },
      },
      ...(forgets
        ? {}
        : {
            volumeClaimTemplates: [
              {
                metadata: { name: 'data' },
                spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '4Gi' } } },
              },
            ],
          }),
    },
  };
}

function container(role: Role): IContainer {
  const asked = { exec: { command: ['redis-cli', 'ping'] }, periodSeconds: 5, timeoutSeconds: 3 };
  return {
    name: 'redis',
    image: 'redis:7.4.5-bookworm',
    // Who may reach it is the NetworkPolicy's to say.
    args: ['redis-server', `/etc/redis/${role}.conf`, '--dir', '/data', '--protected-mode', 'no'],
    ports: [{ name: 'redis', containerPort: PORT }],
    volumeMounts: [
      { name: 'data', mountPath: '/data' },
      { name: 'config', mountPath: '/etc/redis', readOnly: true },
    ],
    // It reads its file again before it answers: minutes, where that is large.
    startupProbe: { ...asked, failureThreshold: 60 },
    readinessProbe: { ...asked, failureThreshold: 3 },
    resources: { requests: { cpu: '100m', memory: MEMORY[role] }, limits: { memory: MEMORY[role] } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
  };
}

function service(role: Role): IService {
  const name = `redis-${role}`;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadataOf(name, name),
    spec: {
      clusterIP: 'None',
      selector: labelsOf(name),
      ports: [{ name: 'redis', port: PORT, targetPort: 'redis' }],
    },
  };
}

function networkPolicy(role: Role): INetworkPolicy {
  const name = `redis-${role}`;
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: metadataOf(name, name),
    spec: {
      podSelector: { matchLabels: labelsOf(name) },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        { from: [{ podSelector: { matchLabels: labelsOf('hub') } }], ports: [{ protocol: 'TCP', port: 'redis' }] },
      ],
      egress: [],
    },
  };
}
