/** What a cluster may have besides: KEDA, the Prometheus operator, the Gateway API. Each is a kustomize component of its own. */
import type { IHTTPRoute } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute';
import type { IScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject';
import type { IPrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule';
import type { IServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap';
import { labelsOf, metadataOf } from './manifest.ts';
import { bounds, scalingBehaviour } from './hub.ts';

/** Takes the autoscaler's place: two of them on one target would pull at it from both sides. */
export const scaledObject: IScaledObject = {
  apiVersion: 'keda.sh/v1alpha1',
  kind: 'ScaledObject',
  metadata: metadataOf('hub'),
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'hub' },
    minReplicaCount: bounds.min,
    maxReplicaCount: bounds.max,
    pollingInterval: 15,
    advanced: { horizontalPodAutoscalerConfig: { behavior: scalingBehaviour } },
    triggers: [
      { type: 'cpu', metricType: 'Utilization', metadata: { value: String(bounds.cpuPercent) } },
      { type: 'memory', metricType: 'Utilization', metadata: { value: String(bounds.memoryPercent) } },
      {
        type: 'prometheus',
        metricType: 'AverageValue',
        metadata: {
          serverAddress: 'http://prometheus-operated.monitoring.svc:9090',
          // Requests a minute; probes and scrapes are nobody's.
          query:
            'sum(rate(http_server_request_duration_seconds_count{job="hub",namespace="revoagent",http_route!~"/health.*|/metrics"}[2m])) * 60',
          threshold: String(bounds.requestsPerMinute),
        },
      },
    ],
  },
};

export const serviceMonitor: IServiceMonitor = {
  apiVersion: 'monitoring.coreos.com/v1',
  kind: 'ServiceMonitor',
  metadata: metadataOf('hub'),
  spec: {
    // The job is "hub", as the rules call it.
    jobLabel: 'app.kubernetes.io/component',
    selector: { matchLabels: labelsOf('hub') },
    endpoints: [
      {
        port: 'http',
        path: '/metrics',
        interval: '15s',
        authorization: { type: 'Bearer', credentials: { name: 'hub-secrets', key: 'admin-key' } },
        relabelings: [{ sourceLabels: ['__meta_kubernetes_pod_name'], targetLabel: 'instance' }],
      },
    ],
  },
};

export type RuleGroups = NonNullable<IPrometheusRule['spec']['groups']>;

/** `groups`: those of deploy/prometheus/rules that speak of hubs; the cluster watches its machines and databases by itself. */
export function prometheusRule(groups: RuleGroups): IPrometheusRule {
  return {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: metadataOf('hub'),
    spec: { groups },
  };
}

/** Grafana's sidecar, as its charts and the Prometheus stack's set it up, collects what has this label. */
export function dashboardMap(name: string, file: string, json: string): IConfigMap {
  const metadata = metadataOf(name);
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { ...metadata, labels: { ...metadata.labels, grafana_dashboard: '1' } },
    data: { [file]: json },
  };
}

export const httpRoute: IHTTPRoute = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: metadataOf('hub'),
  spec: {
    parentRefs: [{ name: 'gateway', namespace: 'gateway' }],
    hostnames: ['hub.example.com'],
    rules: [
      {
        matches: [{ path: { type: 'PathPrefix', value: '/' } }],
        // No limit: the hub has its own, and a stream may go on for minutes.
        timeouts: { request: '0s' },
        backendRefs: [{ name: 'hub', port: 80 }],
      },
    ],
  },
};
