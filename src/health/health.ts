/**
 * Runs the checks and says what follows: alive, able to serve, and how each part is. Each check has a deadline and one run at a
 * time; results are shared and kept for a second, so that a balancer's questions cost nothing. A check never throws out of here.
 */
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import { limits } from '#core/limits';
import type { CheckOutcome, CheckReport, Health, HealthChange, HealthCheck, HealthStatus } from '#contract/health';
import type { Logger } from '#contract/logger';

export interface HealthOptions {
  readonly checks: readonly HealthCheck[];
  readonly clock: Clock;
  readonly instance: string;
  readonly version: string;
  readonly logger: Logger;
  /** How long a result is good for. */
  readonly cacheMs?: number;
}

const CACHE_MS = 1_000;
const RANK: Readonly<Record<HealthStatus, number>> = { healthy: 0, degraded: 1, unhealthy: 2 };

export function createHealth({
  checks,
  clock,
  instance,
  version,
  logger,
  cacheMs = CACHE_MS,
}: HealthOptions): Health & { last(): readonly CheckReport[] } {
  const startedAt = clock.now();
  const history: HealthChange[] = [];
  const remember = (change: HealthChange): void => {
    history.push(change);
    if (history.length > limits.healthChangesMax) history.shift();
  };
  const runners = checks.map((check) => new CheckRunner(check, { clock, logger, remember }));
  let kept: { at: number; reports: readonly Promise<CheckReport>[] } | undefined;
  let lastReports: readonly CheckReport[] = [];
  let drainReason: string | undefined;

  function running(): readonly Promise<CheckReport>[] {
    const now = clock.now();
    if (kept === undefined || now - kept.at >= cacheMs) {
      const reports = runners.map((runner) => runner.run());
      kept = { at: now, reports };
      void Promise.all(reports).then((result) => (lastReports = result));
    }
    return kept.reports;
  }
  const uptimeSeconds = (): number => Math.round((clock.now() - startedAt) / 1000);

  return {
    live: () => ({ status: 'healthy', uptimeSeconds: uptimeSeconds() }),
    async ready() {
      if (drainReason !== undefined) return { ready: false, reason: drainReason };
      // A probe that waits for what the hub can serve without takes an instance away that serves.
      const needed = running().filter((_, index) => checks[index]?.servesWithout === false);
      const missing = (await Promise.all(needed)).filter(({ status }) => status === 'unhealthy');
      return {
        ready: missing.length === 0,
        reason: missing.map((report) => `${report.name}: ${report.detail}`).join(' '),
      };
    },
    async report() {
      const results = await Promise.all(running());
      // What the hub can serve without makes it degraded at worst.
      const ranks = results.map((report, index) =>
        Math.min(RANK[report.status], checks[index]?.servesWithout === true ? 1 : 2),
      );
      const worst = Math.max(0, drainReason === undefined ? 0 : 1, ...ranks);
      const status = worst === 0 ? 'healthy' : worst === 1 ? 'degraded' : 'unhealthy';
      return { status, version, instance, uptimeSeconds: uptimeSeconds(), checks: results };
    },
    history: () => history.toReversed(),
    drain(reason) {
      drainReason ??= reason;
    },
    get draining() {
      return drainReason !== undefined;
    },
    last() {
      // A scrape must not wait for a check that hangs: it gets the last results, and the next one these.
      void running();
      return lastReports;
    },
  };
}

interface RunnerParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly remember: (change: HealthChange) => void;
}

class CheckRunner {
  readonly #check: HealthCheck;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #remember: RunnerParts['remember'];
  /** A check that hangs is not started again beside itself. */
  #running: Promise<CheckOutcome> | undefined;
  #status: HealthStatus | undefined;
  #since = '';

  constructor(check: HealthCheck, { clock, logger, remember }: RunnerParts) {
    this.#check = check;
    this.#clock = clock;
    this.#logger = logger;
    this.#remember = remember;
  }

  async run(): Promise<CheckReport> {
    const startedAt = this.#clock.now();
    const { status, detail, data } = await this.#within(this.#check.timeoutMs);
    const { name, runbook } = this.#check;
    if (status !== this.#status) {
      const at = new Date(this.#clock.wallMs()).toISOString();
      this.#remember({ name, from: this.#status ?? null, to: status, detail, at });
      this.#status = status;
      this.#since = at;
    }
    const tookMs = Math.round((this.#clock.now() - startedAt) * 100) / 100;
    return { name, status, detail, ...(data === undefined ? {} : { data }), runbook, tookMs, since: this.#since };
  }

  #within(timeoutMs: number): Promise<CheckOutcome> {
    const controller = new AbortController();
    this.#running ??= this.#start(controller.signal);
    const running = this.#running;
    return new Promise((resolve) => {
      const timer = this.#clock.schedule(timeoutMs, () => {
        controller.abort(new Error('the deadline of the health check'));
        resolve({ status: 'unhealthy', detail: `The check did not answer within ${timeoutMs} ms.` });
      });
      void running.then((outcome) => {
        timer.cancel();
        resolve(outcome);
      });
    });
  }

  async #start(signal: AbortSignal): Promise<CheckOutcome> {
    try {
      return await this.#check.check(signal);
    } catch (error) {
      // The report has no words of the error's: they may hold addresses. Each check words the failures it knows.
      if (this.#status !== 'unhealthy')
        this.#logger.warn('health-check-failed', { check: this.#check.name, reason: messageOf(error) });
      return { status: 'unhealthy', detail: 'The check failed; the log says why.' };
    } finally {
      this.#running = undefined;
    }
  }
}
