/**
 * `load <hub> <callers> <seconds> [path]`: so many callers that ask again as soon as they have their answer, for so long. They chat, or GET
 * the path. A program of its own, so that a drill does not slow itself down. What is answered does not matter here.
 */
import { systemClock } from '#core/clock';
import { chat } from './traffic.ts';

const [hub, callers, seconds, path] = process.argv.slice(2);
if (hub === undefined || !(Number(callers) > 0) || !(Number(seconds) > 0))
  throw new Error('usage: load <callers> <seconds> [path]');
const endsAt = systemClock.now() + Number(seconds) * 1_000;

async function caller(url: string, number: number): Promise<void> {
  for (let count = 0; systemClock.now() < endsAt; count++) {
    // Each another question, so that none is answered from the cache.
    const text = `Load ${number}.${count}`;
    const asking = path === undefined ? chat(url, { model: 'drill', text }) : fetch(url + path);
    const answer = await asking.catch(() => null);
    await answer?.arrayBuffer().catch(() => null);
  }
}

await Promise.all(Array.from({ length: Number(callers) }, (_, number) => caller(hub, number)));
