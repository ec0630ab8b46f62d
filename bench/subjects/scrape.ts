/** One measurement of bench/telemetry.ts, in a process of its own: what a scrape takes where there are so many breakers. Prints milliseconds as JSON. */
import { systemClock } from '#core/clock';
import { systemRandom } from '#core/random';
import { figuresOfBreakers } from '#hub/breakers';
import { BreakerRegistry } from '#resilience/index';
import { createTelemetry } from '#telemetry/telemetry';
import { median } from '../statistics.ts';

const SCRAPES = 200;
const WARM_UP = 50;

const [breakers = 0, notClosed = 0] = process.argv.slice(2).map(Number);
const ignore = (): void => undefined;
const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
const registry = new BreakerRegistry({ clock: systemClock, random: systemRandom });
for (let index = 0; index < breakers; index++) {
  const breaker = registry.get(`provider:bench/model-${index}`);
  if (index < notClosed) breaker.forceOpen({ by: 'bench', reason: 'to be shown' });
}
const telemetry = createTelemetry({ clock: systemClock, instance: 'bench', version: '0.0.0', logger });
const lookups = { hits: 0, misses: 0, shared: 0, staleServed: 0 };
telemetry.attach({
  breakers: () => figuresOfBreakers(registry),
  pool: () => ({ max: 10, total: 3, idle: 2, waiting: 1 }),
  backlog: () => 0,
  ledger: () => ({ backlog: 0, journalBytes: 0, reserved: 0 }),
  cache: () => ({ ...lookups, entries: 0, bytes: 0, evictions: 0 }),
  keyLookups: () => lookups,
  admittedShare: () => 1,
  instances: () => ({ live: 1, draining: [], degraded: false }),
  limits: () => ({ mode: 'share', dividedBy: 1 }),
  checks: () => [],
});
const tookMs: number[] = [];
let bytes = 0;
for (let scrape = -WARM_UP; scrape < SCRAPES; scrape++) {
  const began = performance.now();
  const { body } = await telemetry.metrics();
  if (scrape >= 0) tookMs.push(performance.now() - began);
  bytes = body.length;
}
telemetry.close();
process.stdout.write(JSON.stringify({ medianMs: median(tookMs), leastMs: Math.min(...tookMs), bytes }));
