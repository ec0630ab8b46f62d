/**
 * Alertmanager's configuration: who hears of an alert by its severity and its service, what is told together, and what is not told because
 * something above it is the news.
 */
import { stringify } from 'yaml';
import type { Receiver, Receivers, Severity } from '#config/index';

const NOBODY = 'nobody';

/** How soon each severity is told, what comes after that, and when it is told again. */
const PACE: Readonly<Record<Severity, Readonly<Record<string, string>>>> = {
  critical: { group_wait: '0s', group_interval: '1m', repeat_interval: '1h' },
  warning: { group_wait: '10s', group_interval: '1m', repeat_interval: '4h' },
  info: { group_wait: '1m', group_interval: '15m', repeat_interval: '24h' },
};

/**
 * What is not news beside what: what a part that is down causes, and the weaker word for the same thing. One Redis that is down says nothing of
 * the other.
 */
const INHIBITIONS: readonly { readonly by: readonly string[]; readonly silent: readonly string[] }[] = [
  {
    by: ['alertname = PostgresDown'],
    silent: ['alertname =~ "DatabasePoolExhausted|QueriesSlow|LedgerBacklogHigh|HealthCheckUnhealthy"'],
  },
  { by: ['alertname = RedisDown', 'job = redis-cache'], silent: ['alertname =~ "CacheTierFailing|CacheBusGaps"'] },
  { by: ['alertname = HubDown'], silent: ['service = hub', 'alertname != HubDown'] },
  { by: ['alertname = LatencyVeryHigh'], silent: ['alertname = LatencyHigh'] },
  { by: ['alertname = ErrorBudgetBurnsFast'], silent: ['alertname =~ "ErrorBudgetBurns|ErrorBudgetBurnsSlowly"'] },
  { by: ['alertname = ErrorBudgetBurns'], silent: ['alertname = ErrorBudgetBurnsSlowly'] },
];

/** YAML, to be kept where only its reader may read it: receivers' addresses are secrets. */
export function alertmanagerConfig(receivers: Receivers): string {
  const { services = {}, ...severities } = receivers;
  const byService = Object.entries(services).map(([service, receiver]) => ({ service, receiver }));
  const named = (severity: Severity): string => (severities[severity] === undefined ? NOBODY : severity);
  return stringify({
    global: { resolve_timeout: '5m' },
    route: {
      receiver: named('warning'),
      group_by: ['alertname', 'service'],
      ...PACE.warning,
      routes: [
        ...byService.map(({ service }) => ({
          matchers: [`service = ${service}`],
          receiver: `service ${service}`,
          continue: true,
        })),
        ...(['critical', 'warning', 'info'] as const).map((severity) => ({
          matchers: [`severity = ${severity}`],
          receiver: named(severity),
          ...PACE[severity],
        })),
      ],
    },
    inhibit_rules: INHIBITIONS.map(({ by, silent }) => ({ source_matchers: by, target_matchers: silent })),
    receivers: [
      { name: NOBODY },
      ...(['critical', 'warning', 'info'] as const).flatMap((severity) => receiverOf(severity, severities[severity])),
      ...byService.flatMap(({ service, receiver }) => receiverOf(`service ${service}`, receiver)),
    ],
  });
}

function receiverOf(name: string, receiver: Receiver | undefined): Record<string, unknown>[] {
  if (receiver === undefined) return [];
  const { webhook, email, slack } = receiver;
  return [
    {
      name,
      ...(webhook === undefined ? {} : { webhook_configs: [{ url: webhook.url, send_resolved: true }] }),
      ...(email === undefined ? {} : { email_configs: [emailOf(email)] }),
      ...(slack === undefined ? {} : { slack_configs: [slackOf(slack)] }),
    },
  ];
}

function emailOf({ to, from, smarthost, username, password, requireTls = true }: NonNullable<Receiver['email']>) {
  return {
    to,
    from,
    smarthost,
    require_tls: requireTls,
    ...(username === undefined ? {} : { auth_username: username }),
    ...(password === undefined ? {} : { auth_password: password }),
    send_resolved: true,
  };
}

function slackOf({ url, channel }: NonNullable<Receiver['slack']>) {
  return {
    api_url: url,
    ...(channel === undefined ? {} : { channel }),
    title:
      '{{ .Status | toUpper }} {{ .CommonLabels.alertname }} ({{ .CommonLabels.severity }}, {{ .CommonLabels.service }})',
    text: '{{ range .Alerts }}{{ .Annotations.summary }}\n{{ .Annotations.runbook }}\n{{ end }}',
    send_resolved: true,
  };
}
