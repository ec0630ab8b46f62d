/**
 * `load <hub> <callers> <seconds> [path]`: so many callers that ask again as soon as they have their answer, for so long. They chat, or GET
 * the path. A program of its own, so that a drill does not slow itself down. What is answered does not matter here.
 */
import { systemClock } from '#core/clock';
import { chat } from './traffic.ts';

const [hub = '', callers = '1', seconds = '10', path] = process.argv.slice(2);
const endsAt = systemClock.now() + Number(seconds) * 1_000;

async function caller(): Promise<void> {
  while (systemClock.now() < endsAt) {
    const answer = await (path === undefined ? chat(hub, { model: 'drill' }) : fetch(hub + path)).catch(() => null);
    await answer?.arrayBuffer().catch(() => null);
  }
}

await Promise.all(Array.from({ length: Number(callers) }, caller));
