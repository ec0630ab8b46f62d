/**
 * Settings that cannot both hold: both were written, and the lesser one is greater than the one that bounds it, which would cut it short
 * without a word. Timers that end each other are none: whichever comes first is what was meant.
 */
import { dotted, escapePointer } from './file.ts';
import type { Config } from './schema.ts';

type Found = [pointer: string, message: string];

interface Pair {
  readonly lesser: readonly [pointer: string, value: number | undefined];
  readonly greater: readonly [pointer: string, value: number | undefined];
  readonly because: string;
}

/** `isWritten`: whether somebody gave the value at this pointer. Of a configuration that its schema has nothing against. */
export function* contradictions(config: Config, isWritten: (pointer: string) => boolean): Generator<Found> {
  for (const { lesser, greater, because } of pairsOf(config)) {
    const [pointer, least] = lesser;
    const [other, most] = greater;
    if (least === undefined || most === undefined || least <= most) continue;
    if (isWritten(pointer) && isWritten(other))
      yield [pointer, `is ${least}, and ${dotted(other)} is ${most}: ${because}. Lower this one, or raise that`];
  }
}

function* pairsOf({ resilience, external }: Config): Generator<Pair> {
  yield* within('/resilience', resilience);
  for (const [name, api] of Object.entries(external)) yield* within(`/external/${escapePointer(name)}`, api);
}

type Bounded = Pick<Config['external'][string], 'breaker' | 'retry'>;

function* within(at: string, { breaker, retry }: Bounded): Generator<Pair> {
  yield {
    lesser: [`${at}/breaker/openMs`, breaker?.openMs],
    greater: [`${at}/breaker/openMsMax`, breaker?.openMsMax],
    because: 'no circuit would stay open so long',
  };
  yield {
    lesser: [`${at}/retry/baseMs`, retry.baseMs],
    greater: [`${at}/retry/maxMs`, retry.maxMs],
    because: 'no wait would be so long',
  };
}
