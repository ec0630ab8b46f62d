/**
 * Settings that cannot both hold: the lesser one was written and is greater than the one above it, which would cut it short without a
 * word. Where only the greater one was written, it is meant to cut: `totalMs: 10000` alone is no contradiction to a default.
 */
import { dotted, escapePointer } from './file.ts';
import type { Config } from './schema.ts';

type Found = [pointer: string, message: string];

interface Pair {
  /** The pointer of the lesser one, and what it says. */
  readonly lesser: readonly [pointer: string, value: number | undefined];
  /** The other one, and what it says, or is by default. */
  readonly greater: readonly [pointer: string, value: number];
  readonly because: string;
}

/** `isWritten`: whether somebody gave the value at this pointer. Of a configuration that its schema has nothing against. */
export function* contradictions(config: Config, isWritten: (pointer: string) => boolean): Generator<Found> {
  for (const pair of [...sectionPairs(config), ...routePairs(config), ...externalPairs(config)]) {
    const [pointer, least] = pair.lesser;
    const [other, most] = pair.greater;
    if (least !== undefined && least > most && isWritten(pointer))
      yield [pointer, `is ${least}, and ${dotted(other)} is ${most}: ${pair.because}. Lower this one, or raise that`];
  }
}

const CUT = 'the whole call would end before';
const CLIPPED_OPEN = 'no circuit would stay open so long';
const CLIPPED_WAIT = 'no wait would be so long';

function* sectionPairs({ resilience, server, storage }: Config): Generator<Pair> {
  const { breaker, retry, timeouts } = resilience;
  yield {
    lesser: ['/resilience/breaker/openMs', breaker.openMs],
    greater: ['/resilience/breaker/openMsMax', breaker.openMsMax],
    because: CLIPPED_OPEN,
  };
  yield {
    lesser: ['/resilience/retry/baseMs', retry.baseMs],
    greater: ['/resilience/retry/maxMs', retry.maxMs],
    because: CLIPPED_WAIT,
  };
  yield* within('/resilience/timeouts', timeouts, ['/resilience/timeouts/totalMs', timeouts.totalMs]);
  yield {
    lesser: ['/server/webSocket/runsMax', server.webSocket.runsMax],
    greater: ['/server/webSocket/runsInFlightMax', server.webSocket.runsInFlightMax],
    because: 'all sockets together may have no more',
  };
  yield {
    lesser: ['/storage/slowQueryMs', storage.slowQueryMs],
    greater: ['/storage/pool/statementTimeoutMs', storage.pool.statementTimeoutMs],
    because: 'a query would end before it is called slow',
  };
}

/** Each deployment with the time that it has of its own, of its route, or of all. */
function* routePairs({ routes, resilience }: Config): Generator<Pair> {
  for (const [name, { timeouts, hedge, groups }] of Object.entries(routes)) {
    const at = `/routes/${escapePointer(name)}`;
    const total: Pair['greater'] =
      timeouts?.totalMs === undefined
        ? ['/resilience/timeouts/totalMs', resilience.timeouts.totalMs]
        : [`${at}/timeouts/totalMs`, timeouts.totalMs];
    yield* within(`${at}/timeouts`, timeouts, total);
    yield {
      lesser: [`${at}/hedge/afterMs`, hedge?.afterMs],
      greater: total,
      because: 'no second deployment would be asked',
    };
    for (const [row, group] of groups.entries())
      for (const [column, target] of group.entries()) {
        const own = target.timeouts?.totalMs;
        yield* within(
          `${at}/groups/${row}/${column}/timeouts`,
          target.timeouts,
          own === undefined ? total : [`${at}/groups/${row}/${column}/timeouts/totalMs`, own],
        );
      }
  }
}

function* externalPairs({ external, resilience }: Config): Generator<Pair> {
  for (const [name, { timeoutMs, deadlineMs, retry, breaker }] of Object.entries(external)) {
    const at = `/external/${escapePointer(name)}`;
    yield { lesser: [`${at}/timeoutMs`, timeoutMs], greater: [`${at}/deadlineMs`, deadlineMs], because: CUT };
    yield {
      lesser: [`${at}/retry/baseMs`, retry.baseMs],
      greater: [`${at}/retry/maxMs`, retry.maxMs],
      because: CLIPPED_WAIT,
    };
    yield {
      lesser: [`${at}/breaker/openMs`, breaker?.openMs],
      greater:
        breaker?.openMsMax === undefined
          ? ['/resilience/breaker/openMsMax', resilience.breaker.openMsMax]
          : [`${at}/breaker/openMsMax`, breaker.openMsMax],
      because: CLIPPED_OPEN,
    };
  }
}

/** The timers of a call, within the one of the whole. */
function* within(at: string, timers: Timers | undefined, total: Pair['greater']): Generator<Pair> {
  for (const name of ['connectMs', 'firstTokenMs', 'idleMs'] as const)
    yield { lesser: [`${at}/${name}`, timers?.[name]], greater: total, because: CUT };
}

type Timers = Partial<Config['resilience']['timeouts']>;
