/**
 * The one way from a repository to the database: through the guard, timed under a fixed name, slow ones logged, and a database
 * that cannot answer told apart from an answer of "nothing". Parameters are never logged: they may hold what people wrote.
 */
import type { Kysely } from 'kysely';
import type { Clock } from '#core/clock';
import { HubError, UnavailableError, messageOf } from '#core/errors';
import type { Guard } from '#contract/guard';
import type { Logger } from '#contract/logger';
import type { Observer } from '#contract/observer';
import { isFatal } from './postgres.ts';
import type { Schema } from './schema.ts';

export type Ask = <T>(query: string, operation: (db: Kysely<Schema>) => Promise<T>) => Promise<T>;

export interface AskDependencies {
  readonly db: Kysely<Schema>;
  readonly guard: Guard;
  readonly clock: Clock;
  readonly observer: Pick<Observer, 'queryFinished'>;
  readonly logger: Logger;
  readonly slowQueryMs: number;
}

/**
 * What takes as long as there is much of it. That one of these takes longer than a statement may says nothing of the database: five in half
 * a minute must not keep everybody else from it.
 */
const LONG = /\.(?:purge|purge-months|rollup|report|search|import)$/;

export function createAsk({ db, guard, clock, observer, logger, slowQueryMs }: AskDependencies): Ask {
  return async (query, operation) => {
    const startedAt = clock.now();
    let failed = true;
    try {
      const result = await guard.run(async () => {
        try {
          return await operation(db);
        } catch (error) {
          throw LONG.test(query) && sqlStateOf(error) === STATEMENT_TIMED_OUT ? tooLong(query, error) : error;
        }
      });
      failed = false;
      return result;
    } catch (error) {
      if (isUnavailable(error)) {
        throw new UnavailableError(
          'database_unavailable',
          'The database does not answer just now. Try again in a moment.',
          {
            internal: `${query}: ${messageOf(error)}`,
            retryAfterMs: 1_000,
            cause: error,
          },
        );
      }
      throw error;
    } finally {
      const durationMs = clock.now() - startedAt;
      observer.queryFinished({ query, durationMs, failed });
      if (durationMs >= slowQueryMs) logger.warn('query-slow', { query, durationMs: Math.round(durationMs), failed });
    }
  };
}

const STATEMENT_TIMED_OUT = '57014';

function tooLong(query: string, error: unknown): UnavailableError {
  return new UnavailableError(
    'database_unavailable',
    'This takes longer than the database is given for one question. Ask for less.',
    { internal: `${query}: ${messageOf(error)}`, cause: error },
  );
}

/** Whether the error says that the database could not answer, not that it refused this statement. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof HubError) return false;
  const state = sqlStateOf(error);
  // A statement's own error has a SQLSTATE outside the fatal classes; anything else came from the way there.
  return state === undefined || isFatal(state);
}

/**
 * Whether the values themselves were refused, so that the same statement will never succeed: classes 21 (one row twice), 22 and 23 (data,
 * constraints) and 54 (larger than an index or a word list takes).
 */
export function isRefused(error: unknown): boolean {
  return /^(?:2[123]|54)/.test(sqlStateOf(error) ?? '');
}

/** Whether a row with the same key is there already. */
export function isTaken(error: unknown): boolean {
  return sqlStateOf(error) === '23505';
}

function sqlStateOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  // Every SQLSTATE has a digit; EPIPE, a socket's error, has none.
  return typeof code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
