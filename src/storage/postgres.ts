/**
 * The real PostgreSQL. Bounded in every direction: connections, time to get one, time of a query on both sides. A server that
 * hangs costs a caller the query deadline and the pool one connection, which is destroyed; a server that is killed is met
 * again by the next query, because the pool opens connections when they are asked for.
 */
import pg from 'pg';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Observer } from '#contract/observer';
import { TextBytes } from './driver.ts';
import type { Session, SessionSource } from './driver.ts';
import { createStatementNames } from './statement-names.ts';

export interface PoolOptions {
  /** Connections at most. */
  readonly max: number;
  /** Longest wait for a connection. */
  readonly waitMs: number;
  /** An idle connection is closed after this. */
  readonly idleMs: number;
  /** Longest time of one statement, on the server and, a little later, here. */
  readonly statementTimeoutMs: number;
  /**
   * What the connections are good for: a whole session, or, behind a pooler that lends its own by transaction (pgbouncer), one transaction
   * each. Then nothing is prepared or set for a session, and the server's own time of a statement is its administrator's to set.
   */
  readonly mode: 'session' | 'transaction';
}

export interface PoolStats {
  readonly max: number;
  readonly total: number;
  readonly idle: number;
  readonly waiting: number;
}

/** The client gives up this much after the server should have: a server that hangs does not end its own statements. */
const HANG_GRACE_MS = 500;

/** For statements under way when all is closed: nobody waits for them any more. */
const CLOSE_MS = 1_000;

/** A hub that hangs in a transaction holds its locks no longer. Between two statements of one it has nothing to wait for. */
const IDLE_IN_TRANSACTION_MS = 30_000;

/** SQLSTATE feature_not_supported: "cached plan must not change result type", after a migration by a newer version. */
const PLAN_IS_OLD = '0A000';

/** Times and counts come as bigint; every one of ours is below 2^53. */
const INT8_OID = 20;

export function postgresSource(
  url: string,
  options: PoolOptions,
  dependencies: { clock: Clock; observer: Pick<Observer, 'poolWaited'>; onIdleError: (error: Error) => void },
): SessionSource & { stats(): PoolStats } {
  const { clock, observer, onIdleError } = dependencies;
  const types = new pg.TypeOverrides();
  types.setTypeParser(INT8_OID, Number);
  const pool = new pg.Pool({
    connectionString: url,
    max: options.max,
    connectionTimeoutMillis: options.waitMs,
    idleTimeoutMillis: options.idleMs,
    ...(options.mode === 'session' && {
      statement_timeout: options.statementTimeoutMs,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    }),
    keepAlive: true,
    application_name: 'revoagent',
    types,
  });
  const nameOf = options.mode === 'session' ? createStatementNames() : (): undefined => undefined;
  // Without a listener an idle connection that the server closes would end the process.
  pool.on('error', onIdleError);
  return {
    async acquire(queryTimeoutMs = options.statementTimeoutMs): Promise<Session> {
      const startedAt = clock.now();
      const client = await pool.connect().catch((error: unknown) => {
        throw explained(error);
      });
      observer.poolWaited(clock.now() - startedAt);
      return sessionOf(client, queryTimeoutMs + HANG_GRACE_MS, nameOf);
    },
    stats: () => ({ max: options.max, total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    close: () => ended(pool, clock),
  };
}

/** Resolves when its connections are closed, or a statement that hangs has had its time: that one goes with the process. */
async function ended(pool: pg.Pool, clock: Clock): Promise<void> {
  const late = Promise.withResolvers<void>();
  const limit = clock.schedule(CLOSE_MS, late.resolve, true);
  try {
    await Promise.race([pool.end(), late.promise]);
  } finally {
    limit.cancel();
  }
}

/** A connection in use. One whose state is unknown, or that keeps old plans, is not handed out again. */
function sessionOf(client: pg.PoolClient, timeoutMs: number, nameOf: (sql: string) => string | undefined): Session {
  let broken: Error | undefined;
  let outdated = false;
  let inTransaction = false;
  const onLost = (error: Error): void => {
    broken ??= error;
  };
  // The pool listens to idle clients only: without this, a connection that is lost in use would end the process.
  client.on('error', onLost);
  const ask: Session['query'] = async (sql, parameters) => {
    const name = outdated ? undefined : nameOf(sql);
    try {
      // What pg reads and its types do not know.
      const bounded = {
        text: sql,
        // Bytes go in binary, and a text or json in binary is its bytes.
        values: parameters.map((each) => (each instanceof TextBytes ? each.bytes : each)),
        query_timeout: timeoutMs,
        ...(name !== undefined && { name }),
      };
      const { rows, rowCount } = await client.query(bounded);
      return { rows, affected: rowCount ?? 0 };
    } catch (error) {
      if (name === undefined || !(error instanceof pg.DatabaseError) || error.code !== PLAN_IS_OLD) throw error;
      outdated = true;
      // Within a transaction all before it is undone already.
      if (inTransaction) throw error;
      return ask(sql, parameters);
    }
  };
  return {
    async query(sql, parameters) {
      // The rollback of a transaction that lost its connection would wait for ever, or hide what happened.
      if (broken !== undefined) throw broken;
      if (sql === 'begin') inTransaction = true;
      else if (sql === 'commit' || sql === 'rollback') inTransaction = false;
      try {
        return await ask(sql, parameters);
      } catch (error) {
        if (!(error instanceof pg.DatabaseError) || isFatal(error.code))
          broken = error instanceof Error ? error : new Error(messageOf(error));
        throw error;
      }
    },
    release() {
      client.off('error', onLost);
      client.release(broken !== undefined || outdated);
    },
  };
}

/** PgBouncer refuses what it would have to set on every connection it lends (08P01). */
function explained(error: unknown): unknown {
  if (!/unsupported startup parameter/.test(messageOf(error))) return error;
  return new Error(
    `${messageOf(error)}: this is a pooler that lends its connections by transaction; set storage.pool.mode to transaction`,
    { cause: error },
  );
}

/**
 * Classes 08 (connection), 28 and 3D (the way in), 53 (resources), 57 (operator intervention), 58 and XX (system), and 25006: the
 * server has become a read-only standby. https://www.postgresql.org/docs/15/errcodes-appendix.html
 */
export function isFatal(code: string | undefined): boolean {
  return code !== undefined && /^(08|28|3D|53|57|58|XX|25006)/.test(code);
}
