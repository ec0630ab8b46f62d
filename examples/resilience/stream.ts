// A stream counts once, at its end: whole, cut, or left by its reader.
// Run: npx node -C revoagent-source examples/resilience/stream.ts
import { Breaker, BREAKER_DEFAULTS, pipeline, systemClock, systemRandom } from 'revoagent/resilience';

const breaker = new Breaker('tokens', BREAKER_DEFAULTS, { clock: systemClock, random: systemRandom });
const tokens = pipeline().breaker(breaker).timeout(1_000).build();

async function* upstream(words: readonly string[], cutAfter = Infinity): AsyncGenerator<string> {
  for (const [index, word] of words.entries()) {
    if (index === cutAfter) throw new Error('the connection was cut');
    yield word;
  }
}

async function read(source: () => AsyncIterable<string>, until = Infinity): Promise<string> {
  const seen: string[] = [];
  try {
    for await (const word of tokens.stream(source, { idleMs: 500 })) {
      seen.push(word);
      if (seen.length === until) break;
    }
    return seen.join(' ');
  } catch (error) {
    return `${seen.join(' ')} … ${String(error)}`;
  }
}

const words = ['circuits', 'that', 'heal'];
const show = (text: string): void => console.log(`${text}  ${JSON.stringify(breaker.counts())}`);
show(await read(() => upstream(words)));
show(await read(() => upstream(words, 2)));
show(await read(() => upstream(words), 1));

// Prints:
// circuits that heal  {"failures":0,"calls":1}
// circuits that … Error: the connection was cut  {"failures":1,"calls":2}
// circuits  {"failures":1,"calls":2}
