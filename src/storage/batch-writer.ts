/**
 * Writes rows behind the requests: in batches, in order, again while the database is away. What waits is bounded and can be read, so
 * that a row is found from the moment it is there. What no longer fits leaves from the old end, and what the database refuses
 * is dropped alone, so that one bad row never holds up the others; whoever made the writer is told of both.
 */
import type { Clock, Timer } from '#core/clock';
import { Fifo } from '#core/fifo';
import { messageOf } from '#core/errors';
import type { BatchWriter, RowEnd } from '#contract/batch-writer';
import type { Logger } from '#contract/logger';
import { isRefused } from './ask.ts';

const BATCH_ROWS = 500;
export const BATCH_MS = 50;
const RETRY_MS = 500;

interface RowBytes<Row> {
  readonly of: (row: Row) => number;
  /** Of all that wait. */
  readonly waitingMax: number;
  /** Of what is written at once; a row that is larger goes alone. */
  readonly batchMax: number;
}

export interface BatchWriterParts<Row> {
  /** What the log calls a row: `run`, `usage-row`. */
  readonly noun: string;
  /** Rows that may wait. */
  readonly rowsMax: number;
  /** For rows of unequal size. */
  readonly bytes?: RowBytes<Row>;
  /** How many a row stands for; 1 unless told. */
  readonly countOf?: (row: Row) => number;
  /** How long a row waits for others; 50 unless told. */
  readonly waitMs?: number;
  readonly write: (rows: readonly Row[]) => Promise<void>;
  /** Each row's end, once; must not throw. */
  readonly ended: (row: Row, how: RowEnd) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export function createBatchWriter<Row extends { readonly id: string }>(parts: BatchWriterParts<Row>): BatchWriter<Row> {
  return new BatchingWriter(parts);
}

class BatchingWriter<Row extends { readonly id: string }> implements BatchWriter<Row> {
  readonly #parts: BatchWriterParts<Row>;
  /** A row under way to the database stays in it until it is acknowledged. By id there would be an entry made and unmade for every row. */
  readonly #waiting = new Fifo<Row>();
  readonly #bytes: RowBytes<Row>;
  readonly #countOf: (row: Row) => number;
  readonly #waitMs: number;
  #waitingRows = 0;
  #waitingBytes = 0;
  #timer: Timer | undefined;
  #writing: Promise<boolean> | undefined;
  #flushing = false;

  constructor(parts: BatchWriterParts<Row>) {
    this.#parts = parts;
    this.#bytes = parts.bytes ?? { of: () => 0, waitingMax: 0, batchMax: 0 };
    this.#countOf = parts.countOf ?? (() => 1);
    this.#waitMs = parts.waitMs ?? BATCH_MS;
  }

  append(row: Row): void {
    this.#waiting.push(row);
    this.#came(row);
  }

  replace(row: Row, by: Row): void {
    if (this.#waiting.replace(row, by)) this.#gone(row);
    else this.#waiting.push(by);
    this.#came(by);
  }

  #came(row: Row): void {
    this.#waitingRows += this.#countOf(row);
    this.#waitingBytes += this.#bytes.of(row);
    while (this.#isOver()) this.#leave('overflowed');
    if (this.#writing === undefined) this.#arm(this.#waitMs);
  }

  #gone(row: Row): void {
    this.#waitingRows -= this.#countOf(row);
    this.#waitingBytes -= this.#bytes.of(row);
  }

  get(id: string): Row | undefined {
    return this.list().findLast((row) => row.id === id);
  }

  list(): readonly Row[] {
    return this.#waiting.list();
  }

  get backlog(): number {
    return this.#waitingRows;
  }

  async flush(signal: AbortSignal): Promise<void> {
    this.#flushing = true;
    this.#timer?.cancel();
    signal.throwIfAborted();
    // In the middle of a batch too: a database that hangs may hold one as long as a statement may take.
    const ended = Promise.withResolvers<never>();
    const onAbort = (): void => ended.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([this.#writeAll(signal), ended.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #writeAll(signal: AbortSignal): Promise<void> {
    await this.#writing;
    while (this.#waiting.size > 0) {
      signal.throwIfAborted();
      if (!(await this.#writeBatch())) await this.#parts.clock.sleep(RETRY_MS, signal);
    }
  }

  #isOver(): boolean {
    return this.#waitingRows > this.#parts.rowsMax || this.#waitingBytes > this.#bytes.waitingMax;
  }

  #arm(delayMs: number): void {
    if (this.#flushing) return;
    this.#timer ??= this.#parts.clock.schedule(delayMs, () => {
      this.#timer = undefined;
      this.#writing = this.#writeBatch();
      this.#writing
        .then((written) => {
          this.#writing = undefined;
          if (this.#waiting.size > 0)
            this.#arm(written ? (this.#waiting.size >= BATCH_ROWS ? 0 : this.#waitMs) : RETRY_MS);
        })
        .catch((error: unknown) => this.#parts.logger.error(`${this.#parts.noun}-writer-failed`, {}, error));
    });
  }

  /** Returns false where the database was away and the batch has to be tried again. */
  async #writeBatch(): Promise<boolean> {
    const batch = this.#nextBatch();
    const { noun, write, logger } = this.#parts;
    try {
      await write(batch);
    } catch (error) {
      if (isRefused(error)) return this.#writeOneByOne(batch);
      logger.warn(`${noun}s-not-written`, { waiting: this.backlog, reason: messageOf(error) });
      return false;
    }
    for (const row of batch) this.#done(row, 'written');
    return true;
  }

  #nextBatch(): Row[] {
    const batch: Row[] = [];
    let bytes = 0;
    for (const row of this.#waiting.list(BATCH_ROWS)) {
      bytes += this.#bytes.of(row);
      if (batch.length > 0 && bytes > this.#bytes.batchMax) break;
      batch.push(row);
    }
    return batch;
  }

  /** After a refused batch: writes all of it but the row that was meant. */
  async #writeOneByOne(batch: readonly Row[]): Promise<boolean> {
    const { noun, write, logger } = this.#parts;
    for (const row of batch) {
      let how: RowEnd = 'written';
      try {
        await write([row]);
      } catch (error) {
        if (!isRefused(error)) return false;
        logger.error(`${noun}-refused`, { [noun]: row.id, reason: messageOf(error) });
        how = 'refused';
      }
      this.#done(row, how);
    }
    return true;
  }

  /** The row is the first that waits, unless it had to leave meanwhile and has been told of, or waits in a newer form, behind the others. */
  #done(row: Row, how: RowEnd): void {
    const { first } = this.#waiting;
    if (first === row) this.#leave(how);
    else if (first?.id === row.id) {
      this.#waiting.take();
      this.#waiting.push(first);
    }
  }

  #leave(how: RowEnd): void {
    const row = this.#waiting.take();
    if (row === undefined) return;
    this.#gone(row);
    this.#parts.ended(row, how);
  }
}
