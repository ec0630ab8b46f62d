/**
 * Chance, injected. Production draws from the runtime; a test or a simulation draws from a seed, so that a failure can be
 * run again. Not for secrets: those come from `node:crypto` where they are made.
 */

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

export const systemRandom: Random = { next: () => Math.random() };

/** Mulberry32: 32 bits of state, good enough for jitter and test data, the same sequence everywhere for one seed. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    },
  };
}
