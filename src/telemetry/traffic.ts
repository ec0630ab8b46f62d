/** Requests as they come and go: the figures of the last minute and since the start. */
import type { RequestFinished } from '#contract/observer';
import type { PerformanceReport } from '#contract/performance';
import { LatencyWindow } from './histogram.ts';
import { RateWindow } from './rate-window.ts';

const WINDOW_SECONDS = 60;
/** Routes that are no work for a caller: pages and what they load, probes, metrics. The alerts of latency leave out the same. */
const NO_WORK = /^\/(?:|docs|assets\/.*|health.*|metrics)$/;

export class Traffic {
  readonly #hub = new LatencyWindow();
  readonly #total = new LatencyWindow();
  readonly #requests = new RateWindow();
  readonly #errors = new RateWindow();
  readonly #startedAt: number;
  readonly totals = { requests: 0, errors: 0, attempts: 0 };
  inFlight = 0;

  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  finished(event: RequestFinished, failed: boolean, now: number): void {
    this.inFlight--;
    if (!NO_WORK.test(event.route)) {
      this.#total.record(event.durationMs, now);
      this.#hub.record(event.hubMs, now);
    }
    this.#count(failed, now);
  }

  /** Sent away at once: a request and an error, and no latency of the hub's work. */
  shed(now: number): void {
    this.#count(true, now);
  }

  #count(failed: boolean, now: number): void {
    this.totals.requests++;
    this.#requests.add(now);
    if (!failed) return;
    this.totals.errors++;
    this.#errors.add(now);
  }

  uptimeMs(now: number): number {
    return now - this.#startedAt;
  }

  report(now: number): Pick<PerformanceReport, 'uptimeSeconds' | 'window' | 'totals' | 'inFlight'> {
    const uptimeSeconds = Math.round(this.uptimeMs(now) / 1000);
    const requests = this.#requests.sum(now);
    const seconds = Math.min(WINDOW_SECONDS, Math.max(1, uptimeSeconds));
    return {
      uptimeSeconds,
      window: {
        seconds,
        requests,
        requestsPerSecond: Math.round((100 * requests) / seconds) / 100,
        errorRate: requests === 0 ? 0 : this.#errors.sum(now) / requests,
        hubTime: this.#hub.percentiles(now),
        totalTime: this.#total.percentiles(now),
      },
      totals: { ...this.totals },
      inFlight: this.inFlight,
    };
  }
}
