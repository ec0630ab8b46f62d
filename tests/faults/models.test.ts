/** The list of models while the hub cannot ask a provider for its own. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { startUpstream } from '../helpers/upstream.ts';
import { startBench } from './harness.ts';

it('a list of models that could not be asked for is asked for again, and holds the routes meanwhile', async (t) => {
  const upstream = await startUpstream(t);
  const routes = { m: { groups: [[{ provider: 'one', model: 'x' }]] }, 'one/*': { groups: [[{ provider: 'one' }]] } };
  const bench = startBench(t, { providers: { one: upstream.baseUrl }, routes });
  const ids = async (): Promise<string[]> => {
    const models = await bench.gateway.models(bench.call().caller, new AbortController().signal);
    return models.map(({ id }) => id);
  };
  const full = t.mock.method(bench.breakers, 'get', () => {
    throw new RangeError('10000 breakers are in use, and none of them is idle');
  });
  assert.deepEqual(await ids(), ['m']);
  full.mock.restore();
  await bench.clock.advance(60_000);
  await ids();
  for (let turn = 0; turn < 10_000 && (await ids()).length === 1; turn++)
    await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(await ids(), ['m', 'one/test-model']);
});
