/** How long what is closed may hold the end of a hub. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { briefly, withinFlush } from './ending.ts';

it('a closing that hangs is left after a second, and one that fails is heard of', async () => {
  const clock = new VirtualClock();
  const left = briefly(clock, () => new Promise(() => undefined));
  await clock.advance(1_000);
  await left;
  await assert.rejects(
    briefly(clock, () => Promise.reject(new Error('it failed'))),
    /it failed/,
  );
});

it('last writes have five seconds, and hear of their end', async () => {
  const clock = new VirtualClock();
  const heard = withinFlush(
    clock,
    (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  );
  const refused = assert.rejects(heard, /within 5000 ms/);
  await clock.advance(5_000);
  await refused;
  const deaf = assert.rejects(
    withinFlush(clock, () => new Promise(() => undefined)),
    /within 5000 ms/,
  );
  await clock.advance(6_000);
  await deaf;
});
