/** The cheap histogram says what prom-client's own would say of the same values. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Histogram, Registry } from 'prom-client';
import { TallyHistogram } from './tally.ts';

it('a scrape reads the same as prom-client’s own histogram: bounds, values on a bound, beyond the last, several series', async () => {
  const settings = { name: 'took_seconds', help: 'How long.', labelNames: ['route', 'status'], buckets: [0.1, 0.5, 2] };
  const [ours, theirs] = [new Registry(), new Registry()];
  const tally = new TallyHistogram({ ...settings, registers: [ours] });
  const histogram = new Histogram({ ...settings, registers: [theirs] });
  for (const [route, status, value] of [
    ['/a', '200', 0.1],
    ['/a', '200', 0.3],
    ['/b "quoted"', '500', 7],
    ['/a', '200', 0],
    ['/a', '404', 2],
  ] as const) {
    tally.series(route, status).observe(value);
    histogram.labels(route, status).observe(value);
  }
  assert.equal(await ours.metrics(), await theirs.metrics());
});
