/** What Prometheus and Alertmanager say of one alert. */
import type { Clock } from '#core/clock';
import { pause } from '#core/clock';

const ANSWER_MS = 4_000;
const ASK_MS = 250;

export interface Watched {
  readonly clock: Clock;
  readonly prometheus: string;
  readonly alertmanager: string;
}

interface Alert {
  readonly name: string;
  /** What it waits for is so, but not for long enough yet; or it fires. */
  readonly state: 'pending' | 'firing';
}

/** Every alert whose expression holds, by Prometheus. */
export async function alerts({ clock, prometheus }: Watched): Promise<Alert[]> {
  const answer = (await getJson(clock, `${prometheus}/api/v1/alerts`)) as {
    data?: { alerts?: { state: Alert['state']; labels: Record<string, string> }[] };
  };
  return (answer.data?.alerts ?? []).map(({ state, labels }) => ({ name: labels['alertname'] ?? '', state }));
}

/** Names of alerts that fire, by Prometheus. */
export async function firing(watched: Watched): Promise<string[]> {
  return (await alerts(watched)).filter(({ state }) => state === 'firing').map(({ name }) => name);
}

/** Whether Prometheus has read every one of its targets. Before it has, what it has not read counts as gone. */
export async function allRead({ clock, prometheus }: Watched): Promise<boolean> {
  const answer = (await getJson(clock, `${prometheus}/api/v1/targets?state=active`)) as {
    data?: { activeTargets?: { health: string }[] };
  };
  const targets = answer.data?.activeTargets ?? [];
  return targets.length > 0 && targets.every(({ health }) => health === 'up');
}

/** Names of alerts that Alertmanager tells people of, silenced and inhibited ones included. */
export async function told({ clock, alertmanager }: Watched): Promise<string[]> {
  const answer = (await getJson(clock, `${alertmanager}/api/v2/alerts`)) as {
    labels: Record<string, string>;
    endsAt: string;
  }[];
  return answer
    .filter(({ endsAt }) => Date.parse(endsAt) > clock.wallMs())
    .map(({ labels }) => labels['alertname'] ?? '');
}

/** Asks until it is so; milliseconds it took, or null where it is not so within `limitMs`. What fails to answer is not so yet. */
export async function until(clock: Clock, limitMs: number, isSo: () => Promise<boolean>): Promise<number | null> {
  const startedAt = clock.now();
  for (;;) {
    const so = await isSo().catch(() => false);
    const tookMs = clock.now() - startedAt;
    if (so) return tookMs;
    if (tookMs > limitMs) return null;
    await pause(clock, ASK_MS);
  }
}

async function getJson(clock: Clock, url: string): Promise<unknown> {
  const late = new AbortController();
  const timer = clock.schedule(ANSWER_MS, () => late.abort(new Error(`${url} did not answer in time`)), true);
  try {
    return await (await fetch(url, { signal: late.signal })).json();
  } finally {
    timer.cancel();
  }
}
