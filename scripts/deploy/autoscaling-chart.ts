/**
 * What the autoscaler does under recorded loads, drawn: the very `Hpa` that `revoagent up --autoscale` follows, once by CPU and memory
 * and once by 100 requests a minute a pod as well. The recordings are checked in (`npm run record:load`); the third is the first one
 * multiplied, because the machine of the recording could not send as much.
 */
import { Hpa } from '#stack/hpa';
import { bounds } from './kubernetes/hub.ts';
import { readRecordedLoad } from './recorded-load.ts';
import type { LoadSample } from './recorded-load.ts';

/** What a pod asks for: half a core, 1 GiB. */
const POD_CORES = 0.5;
const POD_MB = 1024 ** 3 / 1e6;
/** A pod has one event loop: it cannot use more than about a core, twice what it asks for. */
const CPU_PERCENT_MAX = 200;
/** The rate of the ScaledObject is that of the last two minutes. */
const RATE_SECONDS = 120;
const TIMES = 40;

export interface DrawnLoad {
  readonly title: string;
  readonly samples: readonly LoadSample[];
}

export function drawnLoads(): readonly DrawnLoad[] {
  const [ramp, bursts] = [readRecordedLoad('ramp'), readRecordedLoad('bursts')];
  return [
    { title: `Recorded on ${ramp.recordedOn}: it fills, a wave comes on top, it empties`, samples: ramp.samples },
    { title: `Recorded on ${bursts.recordedOn}: three bursts of half a minute`, samples: bursts.samples },
    { title: `Computed: the first load, ${TIMES} times as large`, samples: times(ramp.samples, TIMES) },
  ];
}

/** What hubs use without any request is not multiplied. */
function times(samples: readonly LoadSample[], factor: number): LoadSample[] {
  const idle = Math.min(...samples.map(({ cores }) => cores));
  return samples.map((sample) => ({
    ...sample,
    requestsPerMinute: sample.requestsPerMinute * factor,
    cores: idle + (sample.cores - idle) * factor,
  }));
}

/** Pods at each sample, which are as far apart as Kubernetes' looks. Pods share the recorded work evenly; each holds what a hub held. */
export function simulate(samples: readonly LoadSample[], byRequests: boolean): number[] {
  const hpa = new Hpa();
  let count: number = bounds.min;
  return samples.map(({ seconds, cores, memoryMb }, index) => {
    const lately = samples.slice(0, index + 1).filter((sample) => sample.seconds > seconds - RATE_SECONDS);
    const perMinute = lately.reduce((sum, { requestsPerMinute }) => sum + requestsPerMinute, 0) / lately.length;
    count = hpa.decide(seconds * 1_000, count, [
      { value: Math.min(CPU_PERCENT_MAX, (cores / (count * POD_CORES)) * 100), target: bounds.cpuPercent },
      { value: (memoryMb / POD_MB) * 100, target: bounds.memoryPercent },
      ...(byRequests ? [{ value: perMinute / count, target: bounds.requestsPerMinute }] : []),
    ]);
    return count;
  });
}

const [WIDTH, PANEL, LEFT, TOP, HEIGHT] = [860, 190, 60, 70, 120];

/** The text of docs/images/autoscaling.svg. */
export function autoscalingChart(): string {
  const loads = drawnLoads();
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

function panel({ title, samples }: DrawnLoad, index: number): string {
  const bottom = TOP + index * PANEL + 20 + HEIGHT;
  const most = Math.max(...samples.map(({ requestsPerMinute }) => requestsPerMinute));
  const end = samples.at(-1)?.seconds ?? 0;
  const x = (seconds: number): string => (LEFT + (seconds / end) * (WIDTH - LEFT)).toFixed(1);
  const y = (share: number): string => (bottom - share * HEIGHT).toFixed(1);
  // A sample tells of the time before it.
  const area = samples.map(({ seconds, requestsPerMinute }) => `V${y(requestsPerMinute / most)}H${x(seconds)}`);
  const line = (counts: readonly number[]): string =>
    counts
      .map((count, step) =>
        count === counts[step - 1] ? '' : `H${x(samples[step]?.seconds ?? 0)}V${y(count / bounds.max)}`,
      )
      .join('');
  const drawn = (byRequests: boolean): string =>
    `M${LEFT} ${y(bounds.min / bounds.max)}${line(simulate(samples, byRequests))}H${WIDTH}`;
  const marks = [2, 6, 10].map(
    (count) =>
      `<text class="dim" x="${LEFT - 8}" y="${Number(y(count / bounds.max)) + 4}" text-anchor="end">${count}</text>`,
  );
  return `  <text x="${LEFT}" y="${bottom - HEIGHT - 10}" font-weight="600">${title}; at most ${most.toLocaleString('en')} a minute</text>
  <path class="load" d="M${LEFT} ${bottom}${area.join('')}V${bottom}Z"/>
  <path class="axis" d="M${LEFT} ${bottom}H${WIDTH}"/>${marks.join('')}
  <text class="dim" x="${WIDTH}" y="${bottom + 16}" text-anchor="end">${Math.round(end / 60)} min</text>
  <path class="cpu" d="${drawn(false)}"/><path class="requests" d="${drawn(true)}"/>`;
}
