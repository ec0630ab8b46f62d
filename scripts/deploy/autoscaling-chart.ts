/**
 * What the autoscaler does under three loads, drawn: the very `Hpa` that `revoagent up --autoscale` follows, once by CPU and memory and
 * once by 100 requests a minute a pod as well. The loads are made, not recorded; the same source draws the same picture.
 */
import { Hpa } from '#stack/hpa';
import { bounds } from './kubernetes/hub.ts';

interface Load {
  readonly title: string;
  readonly minutes: number;
  /** Requests a minute to all hubs, by the minute. */
  at(minute: number): number;
}

/** Seconds of a core that one request costs: nearly twice what docs/benchmarks.md has, where a core answers 3,670 requests a second. */
const CORE_SECONDS = 0.000_5;
/** What a pod asks for: half a core. Of its memory it holds a third, whatever the load. */
const POD_CORES = 0.5;
const MEMORY_PERCENT = 33;
/** Kubernetes looks every 15 s; the rate is that of the last two minutes. */
const STEP_MINUTES = 0.25;
const RATE_MINUTES = 2;

const loads: readonly Load[] = [
  {
    title: 'An office day in two hours: up to 700 requests a minute',
    minutes: 120,
    at: (minute) => 60 + 640 * Math.sin((Math.PI * minute) / 120) ** 2,
  },
  {
    title: 'A burst: 150 requests a minute, for ten minutes 2,500',
    minutes: 60,
    at: (minute) => (minute >= 10 && minute < 20 ? 2_500 : 150),
  },
  {
    title: 'What hubs are made for: up to 250,000 requests a minute',
    minutes: 60,
    at: (minute) => 1_000 + 249_000 * Math.max(0, Math.sin((Math.PI * (minute - 8)) / 34)),
  },
];

/** Pods at each step of 15 s. */
export function simulate(load: Pick<Load, 'minutes' | 'at'>, byRequests: boolean): number[] {
  const hpa = new Hpa();
  const counts: number[] = [];
  let count: number = bounds.min;
  for (let minute = 0; minute < load.minutes; minute += STEP_MINUTES) {
    const perMinute = Math.max(0, load.at(minute));
    const lately = meanOf(load, Math.max(0, minute - RATE_MINUTES), minute);
    const cpuPercent = (((perMinute / 60) * CORE_SECONDS) / (count * POD_CORES)) * 100;
    count = hpa.decide(minute * 60_000, count, [
      // A pod has one event loop: it cannot use more than about a core, twice what it asks for.
      { value: Math.min(200, cpuPercent), target: bounds.cpuPercent },
      { value: MEMORY_PERCENT, target: bounds.memoryPercent },
      ...(byRequests ? [{ value: lately / count, target: bounds.requestsPerMinute }] : []),
    ]);
    counts.push(count);
  }
  return counts;
}

function meanOf({ at }: Pick<Load, 'at'>, from: number, to: number): number {
  const minutes = Array.from(
    { length: Math.floor((to - from) / STEP_MINUTES) + 1 },
    (_, step) => from + step * STEP_MINUTES,
  );
  return minutes.reduce((sum, minute) => sum + at(minute), 0) / minutes.length;
}

const [WIDTH, PANEL, LEFT, TOP, HEIGHT] = [860, 190, 60, 70, 120];

/** The text of docs/images/autoscaling.svg. */
export function autoscalingChart(): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 ${TOP + loads.length * PANEL}" role="img" aria-labelledby="t d" font-family="system-ui, sans-serif" font-size="14">
  <title id="t">Pods under three loads</title>
  <desc id="d">For each load the requests a minute as an area, the pods by CPU and memory as a dashed line, and the pods by requests as well as a solid line, between two and ten.</desc>
  <style>
    text { fill: #0f172a } .dim { fill: #475569; font-size: 12px } .load { fill: #e2e8f0 } .axis { stroke: #94a3b8 }
    .cpu { stroke: #16a34a; stroke-dasharray: 6 4 } .requests { stroke: #4f46e5 } .cpu, .requests { fill: none; stroke-width: 2 }
    @media (prefers-color-scheme: dark) { text { fill: #f1f5f9 } .dim { fill: #94a3b8 } .load { fill: #334155 } .cpu { stroke: #4ade80 } .requests { stroke: #a5b4fc } }
  </style>
  <path class="cpu" d="M60 28h40"/><text x="108" y="33">pods by CPU and memory</text>
  <path class="requests" d="M310 28h40"/><text x="358" y="33">pods by 100 requests a minute a pod as well</text>
  <rect class="load" x="680" y="18" width="40" height="16"/><text x="728" y="33">requests a minute</text>
${loads.map(panel).join('\n')}
</svg>
`;
}

function panel(load: Load, index: number): string {
  const bottom = TOP + index * PANEL + 20 + HEIGHT;
  const most = Math.max(...Array.from({ length: load.minutes }, (_, minute) => load.at(minute)));
  const x = (minute: number): string => (LEFT + (minute / load.minutes) * (WIDTH - LEFT)).toFixed(1);
  const y = (share: number): string => (bottom - share * HEIGHT).toFixed(1);
  const area = Array.from(
    { length: load.minutes * 2 + 1 },
    (_, half) => `L${x(half / 2)} ${y(load.at(half / 2) / most)}`,
  );
  const line = (counts: readonly number[]): string =>
    counts
      .map((count, step) => ({ count, step }))
      .filter(({ count, step }) => step === 0 || count !== counts[step - 1])
      .map(({ count, step }) =>
        step === 0 ? `M${LEFT} ${y(count / bounds.max)}` : `H${x(step * STEP_MINUTES)}V${y(count / bounds.max)}`,
      )
      .join('');
  const marks = [2, 6, 10].map(
    (count) =>
      `<text class="dim" x="${LEFT - 8}" y="${Number(y(count / bounds.max)) + 4}" text-anchor="end">${count}</text>`,
  );
  return `  <text x="${LEFT}" y="${bottom - HEIGHT - 10}" font-weight="600">${load.title}</text>
  <path class="load" d="M${LEFT} ${bottom}${area.join('')}V${bottom}Z"/>
  <path class="axis" d="M${LEFT} ${bottom}H${WIDTH}"/>${marks.join('')}
  <text class="dim" x="${WIDTH}" y="${bottom + 16}" text-anchor="end">${load.minutes} min</text>
  <path class="cpu" d="${line(simulate(load, false))}H${WIDTH}"/><path class="requests" d="${line(simulate(load, true))}H${WIDTH}"/>`;
}
