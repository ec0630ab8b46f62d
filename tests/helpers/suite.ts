/** What a suite starts once for all its tests, and ends after the last of them, in the reverse order. */
import { after } from 'node:test';

export interface Cleanup {
  after(end: () => unknown): void;
}

/** Call it in a `describe`; give it to what wants a test's context. */
export function forTheSuite(): Cleanup {
  const ends: (() => unknown)[] = [];
  after(async () => {
    for (const end of ends.toReversed()) await end();
  });
  return { after: (end) => void ends.push(end) };
}
