/** PostgreSQL beside the hubs, for one node and for trying: one copy on one volume. In production use one that is looked after. */
import type { IPodTemplateSpec } from 'kubernetes-models/v1/PodTemplateSpec';
import type { Manifest } from './manifest.ts';
import { labelsOf, metadataOf } from './manifest.ts';

const POSTGRES = labelsOf('postgres');

/** `settings`: deploy/postgres/postgresql.conf, word for word. */
export function postgresManifests(settings: string): Readonly<Record<string, Manifest>> {
  return {
    'postgres-config': {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: metadataOf('postgres-config', 'postgres'),
      data: { 'postgresql.conf': settings },
    },
    postgres: {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: metadataOf('postgres', 'postgres'),
      spec: {
        serviceName: 'postgres',
        replicas: 1,
        selector: { matchLabels: POSTGRES },
        template: template(),
        volumeClaimTemplates: [
          {
            metadata: { name: 'data' },
            spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '10Gi' } } },
          },
        ],
      },
    },
    'postgres-service': {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadataOf('postgres', 'postgres'),
      spec: {
        clusterIP: 'None',
        selector: POSTGRES,
        ports: [{ name: 'postgres', port: 5432, targetPort: 'postgres' }],
      },
    },
    'postgres-network-policy': {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: metadataOf('postgres', 'postgres'),
      spec: {
        podSelector: { matchLabels: POSTGRES },
        policyTypes: ['Ingress', 'Egress'],
        ingress: [
          {
            from: [{ podSelector: { matchLabels: labelsOf('hub') } }],
            ports: [{ protocol: 'TCP', port: 'postgres' }],
          },
        ],
        egress: [],
      },
    },
  };
}

function template(): IPodTemplateSpec {
  const asked = { command: ['pg_isready', '-h', '127.0.0.1', '-U', 'revoagent', '-d', 'revoagent'] };
  const probe = { exec: asked, periodSeconds: 5, timeoutSeconds: 3 };
  return {
    metadata: { labels: POSTGRES },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 60,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 999,
        runAsGroup: 999,
        fsGroup: 999,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          name: 'postgres',
          image: 'postgres:17.6-bookworm',
          args: ['postgres', '-c', 'config_file=/etc/revoagent/postgresql.conf', '-c', 'listen_addresses=*'],
          ports: [{ name: 'postgres', containerPort: 5432 }],
          env: [
            { name: 'POSTGRES_USER', value: 'revoagent' },
            { name: 'POSTGRES_DB', value: 'revoagent' },
            { name: 'PGDATA', value: '/var/lib/postgresql/data/database' },
            { name: 'POSTGRES_INITDB_ARGS', value: '--encoding=UTF8 --locale=C' },
            {
              name: 'POSTGRES_PASSWORD',
              valueFrom: { secretKeyRef: { name: 'postgres-secrets', key: 'password' } },
            },
          ],
          volumeMounts: [
            { name: 'data', mountPath: '/var/lib/postgresql/data' },
            { name: 'config', mountPath: '/etc/revoagent', readOnly: true },
            { name: 'run', mountPath: '/var/run/postgresql' },
            { name: 'tmp', mountPath: '/tmp' },
          ],
          startupProbe: { ...probe, failureThreshold: 60 },
          readinessProbe: { ...probe, failureThreshold: 3 },
          resources: { requests: { cpu: '250m', memory: '1Gi' }, limits: { memory: '1Gi' } },
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
        },
      ],
      volumes: [
        { name: 'config', configMap: { name: 'postgres-config' } },
        { name: 'run', emptyDir: { sizeLimit: '16Mi' } },
        { name: 'tmp', emptyDir: { sizeLimit: '64Mi' } },
      ],
    },
  };
}
