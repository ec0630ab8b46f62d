/** The port to a writer of rows behind the requests: what it holds, and what becomes of each row. */

/** `refused`: the database will never take its values. `overflowed`: it had to leave, the database being away for long. */
export type RowEnd = 'written' | 'refused' | 'overflowed';

export interface BatchWriter<Row> {
  /** One whose id does not wait yet. */
  append(row: Row): void;
  /** In place of `row`, which `list` or `get` gave; as `append` where it waits no more. */
  replace(row: Row, by: Row): void;
  /** A row that is not in the database yet. */
  get(id: string): Row | undefined;
  /** All of them. */
  list(): readonly Row[];
  readonly backlog: number;
  /** Resolves when all that was appended is written; rejects with the signal's reason where it ends first. Nothing is written on its own from then on. */
  flush(signal: AbortSignal): Promise<void>;
}
