/** Moves a stack's hubs by what Prometheus says of them, with the algorithm of Kubernetes' autoscaler and the mission's targets. */
import type { Clock } from '#core/clock';
import type { HpaMetric } from './hpa.ts';
import { Hpa, hpaDefaults } from './hpa.ts';

/** As Kubernetes' controller looks. */
const EVERY_MS = 15_000;
const ANSWER_MS = 3_000;

export interface AutoscaleTargets {
  /** Of one core, in percent. */
  readonly cpuPercent: number;
  /** Of `memoryBytes`, in percent. */
  readonly memoryPercent: number;
  readonly memoryBytes: number;
  readonly requestsPerMinute: number;
  /** Milliseconds whose largest wish counts on the way down; a fifth of it lies between two that go. */
  readonly downWindowMs: number;
}

export const autoscaleDefaults: AutoscaleTargets = {
  cpuPercent: 70,
  memoryPercent: 80,
  memoryBytes: 2 * 1024 ** 3,
  requestsPerMinute: 100,
  downWindowMs: hpaDefaults.scaleDownWindowMs,
};

export interface AutoscaleParts {
  readonly clock: Clock;
  /** Where Prometheus is. */
  readonly prometheus: string;
  readonly targets: AutoscaleTargets;
  readonly current: () => number;
  readonly scale: (count: number) => Promise<void>;
  readonly onDecision: (from: number, to: number) => void;
  readonly onFailure: (error: unknown) => void;
}

/** Runs until it is told to end. */
export function startAutoscale(parts: AutoscaleParts): { stop(): void } {
  const { downWindowMs } = parts.targets;
  const hpa = new Hpa({ ...hpaDefaults, scaleDownWindowMs: downWindowMs, scaleDownEveryMs: downWindowMs / 5 });
  let stopped = false;
  const look = async (): Promise<void> => {
    const from = parts.current();
    const to = hpa.decide(parts.clock.now(), from, await metricsOf(parts, from));
    if (to === from || stopped) return;
    parts.onDecision(from, to);
    await parts.scale(to);
  };
  const again = (): void => {
    parts.clock.schedule(EVERY_MS, () => {
      if (stopped) return;
      void look().catch(parts.onFailure).finally(again);
    });
  };
  again();
  return { stop: () => void (stopped = true) };
}

async function metricsOf(parts: AutoscaleParts, count: number): Promise<HpaMetric[]> {
  const { targets } = parts;
  const [cpu, memory, requests] = await Promise.all(
    [
      'avg(rate(process_cpu_seconds_total{job="hub"}[1m]))',
      'avg(process_resident_memory_bytes{job="hub"})',
      'sum(rate(http_server_request_duration_seconds_count{job="hub",http_route!~"/health.*|/metrics"}[1m]))',
    ].map((query) => valueOf(parts, query)),
  );
  return [
    { value: (cpu ?? NaN) * 100, target: targets.cpuPercent },
    { value: ((memory ?? NaN) / targets.memoryBytes) * 100, target: targets.memoryPercent },
    { value: ((requests ?? NaN) * 60) / count, target: targets.requestsPerMinute },
  ];
}

/** Not a number where there is none. */
async function valueOf({ clock, prometheus }: AutoscaleParts, query: string): Promise<number> {
  const late = new AbortController();
  const timer = clock.schedule(ANSWER_MS, () => late.abort(new Error('Prometheus did not answer in time')), true);
  try {
    const response = await fetch(`${prometheus}/api/v1/query?query=${encodeURIComponent(query)}`, {
      signal: late.signal,
    });
    const answer = (await response.json()) as { data?: { result?: { value?: [number, string] }[] } };
    return Number(answer.data?.result?.[0]?.value?.[1] ?? NaN);
  } finally {
    timer.cancel();
  }
}
