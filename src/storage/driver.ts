/**
 * One Kysely dialect over both databases: the SQL, the compiler and the errors are PostgreSQL's, only the connection differs.
 * Owns what happens around a query: its deadline, its time for the metrics, and that a connection which failed in a way
 * that leaves its state unknown is destroyed, never handed out again.
 */
import { PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, QueryResult, TransactionSettings } from 'kysely';

/** A parameter of type text or json, given as its bytes in UTF-8: a driver that sends bytes need not make a text of them first. */
export class TextBytes {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

/** A connection to a database, for one user at a time. */
export interface Session {
  query(sql: string, parameters: readonly unknown[]): Promise<{ rows: unknown[]; affected: number }>;
  /** Gives it back, or destroys it where its state is unknown. */
  release(): void;
}

export interface SessionSource {
  /** Every query of the session has this long, or what the settings say. */
  acquire(queryTimeoutMs?: number): Promise<Session>;
  close(): Promise<void>;
}

class SessionConnection implements DatabaseConnection {
  readonly session: Session;

  constructor(session: Session) {
    this.session = session;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { rows, affected } = await this.session.query(query.sql, query.parameters);
    // The rows have the shape that the query's own types say; the driver is where typed SQL meets untyped rows.
    return { rows: rows as R[], numAffectedRows: BigInt(affected) };
  }

  // eslint-disable-next-line require-yield -- the interface demands a generator; no query of the hub streams
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('The hub pages through rows by cursor; it does not stream them.');
  }
}

class SessionDriver implements Driver {
  readonly #source: Pick<SessionSource, 'acquire'>;

  constructor(source: Pick<SessionSource, 'acquire'>) {
    this.#source = source;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<SessionConnection> {
    return new SessionConnection(await this.#source.acquire());
  }

  async beginTransaction(connection: SessionConnection, _settings: TransactionSettings): Promise<void> {
    await connection.session.query('begin', []);
  }

  async commitTransaction(connection: SessionConnection): Promise<void> {
    await connection.session.query('commit', []);
  }

  async rollbackTransaction(connection: SessionConnection): Promise<void> {
    await connection.session.query('rollback', []);
  }

  async releaseConnection(connection: SessionConnection): Promise<void> {
    connection.session.release();
  }

  /** Who opened the source closes it: Kysely would leave one open that no query has used. */
  async destroy(): Promise<void> {}
}

export function postgresqlDialect(source: Pick<SessionSource, 'acquire'>): Dialect {
  return {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new SessionDriver(source),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  };
}
