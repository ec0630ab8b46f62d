import assert from 'node:assert/strict';
import { it } from 'node:test';
import { DatabaseTier } from './database/tier.ts';
import { createCache } from './create.ts';
import { FILL_DEFAULTS, fillOptions, leaseSettings, memorySettings, tierLimits } from './options.ts';
import { RedisTier } from './redis/tier.ts';

/** What a program hands on that has nothing to say, where its compiler lets it. */
const unsaid = (...names: string[]): object => Object.fromEntries(names.map((name) => [name, undefined]));

it('what is undefined is left to its default, in every setting', () => {
  assert.deepEqual(fillOptions(FILL_DEFAULTS, unsaid('ttlMs', 'jitter')), FILL_DEFAULTS);
  assert.deepEqual(memorySettings({ ...unsaid('bytesMax', 'ttlMs'), entryBytesMax: 5 }), {
    ...memorySettings(undefined),
    entryBytesMax: 5,
  });
  assert.deepEqual(leaseSettings(unsaid('leaseMs', 'leaseMsMax', 'waitMs')), leaseSettings(undefined));
  const none = (): void => undefined;
  const port = { run: () => Promise.reject(new Error('away')), subscribe: none, onReady: none, close: none };
  const limits = unsaid('readMs', 'writeMs', 'inFlightMax');
  assert.deepEqual(
    new RedisTier(port, { namespace: 'n', limits }).limits,
    new RedisTier(port, { namespace: 'n' }).limits,
  );
  const database = { query: async () => [], transaction: () => Promise.reject(new Error('away')) };
  const [one, other] = [limits, {}].map((each) => new DatabaseTier(database, { namespace: 'n', limits: each }));
  assert.deepEqual(one?.limits, other?.limits);
});

it('what is out of its bounds is refused by its name', () => {
  for (const memory of [{ bytesMax: 0 }, { ttlMs: -1 }, { entryBytesMax: Number.NaN }])
    assert.throws(() => createCache({ namespace: 'n', memory }), {
      name: 'RangeError',
      message: new RegExp(`^${Object.keys(memory)[0]} must be a number from [01] to`),
    });
  assert.throws(() => createCache({ namespace: 'n', lease: { leaseMs: 0 } }), /^RangeError: leaseMs must be/);
  assert.throws(() => tierLimits({ readMs: 1, writeMs: 1, inFlightMax: 1 }, { inFlightMax: 0 }), /inFlightMax must be/);
  assert.throws(() => fillOptions(FILL_DEFAULTS, { jitter: 0.6 }), /jitter must be a number from 0 to 0.5; got 0.6/);
});
