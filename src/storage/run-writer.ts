/**
 * The writer of run records: what no longer fits or is refused is lost, and counted. Records wait as the bytes of their JSON, many in one
 * buffer: as objects they would outlive several looks of the collector, which then carries all that each of them holds.
 */
import type { Clock, Timer } from '#core/clock';
import { messageOf } from '#core/errors';
import { limits } from '#core/limits';
import type { BatchWriter } from '#contract/batch-writer';
import type { Logger } from '#contract/logger';
import type { Observer } from '#contract/observer';
import type { Page } from '#contract/page';
import type { RunRecord, RunWriter } from '#contract/runs';
import type { RunStore } from '#contract/stores';
import { isRefused } from './ask.ts';
import { BATCH_MS, createBatchWriter } from './batch-writer.ts';
import { JsonBytes, SpareMemory } from './json-bytes.ts';

export interface RunWriterParts {
  readonly store: Pick<RunStore, 'upsertMany'>;
  readonly clock: Clock;
  readonly observer: Pick<Observer, 'runsDropped'>;
  readonly logger: Logger;
}

/** Some 500 records of answers from the cache, 200 of others. */
const PACK_BYTES = 256 * 1024;

/** Records that are written together. */
interface Pack {
  /** Of the first. */
  readonly id: string;
  /** The greatest. */
  readonly lastId: string;
  readonly count: number;
  /** An array, which lies in `memory`. */
  readonly json: Buffer;
  readonly memory: Buffer;
}

export function createRunWriter(parts: RunWriterParts): RunWriter {
  return new PackingWriter(parts);
}

class PackingWriter implements RunWriter {
  readonly #parts: RunWriterParts;
  readonly #packs: BatchWriter<Pack>;
  /** To make one for each pack would have the collector look at everything far more often. */
  readonly #spare = new SpareMemory(PACK_BYTES);
  #open = new OpenPack(this.#spare.take());
  #timer: Timer | undefined;
  #flushing = false;

  constructor(parts: RunWriterParts) {
    const { clock, logger, observer } = parts;
    this.#parts = parts;
    this.#packs = createBatchWriter<Pack>({
      noun: 'run',
      rowsMax: Number.POSITIVE_INFINITY,
      countOf: ({ count }) => count,
      // One at a time, and at once: what there was to wait for it has waited for.
      bytes: { of: ({ memory }) => memory.length, waitingMax: limits.runBacklogBytesMax, batchMax: 0 },
      waitMs: 0,
      write: ([pack]) => (pack === undefined ? Promise.resolve() : this.#write(pack)),
      ended: ({ count, memory }, how) => {
        // Of one that had to leave, somebody may still be about to send the bytes.
        if (how === 'written') this.#spare.giveBack(memory);
        else observer.runsDropped(count);
      },
      clock,
      logger,
    });
  }

  append(run: RunRecord): void {
    const json = JSON.stringify(run);
    if (!this.#open.fits(json)) this.#close();
    this.#open.add(run.id, json);
    this.#arm();
  }

  get backlog(): number {
    return this.#packs.backlog + this.#open.count;
  }

  get(id: string): RunRecord | undefined {
    // An id needs no escapes, and a quotation mark within a text has one.
    const written = `"id":"${id}"`;
    return this.#waiting()
      .filter(({ json }) => json.includes(written))
      .flatMap(recordsIn)
      .find((run) => run.id === id);
  }

  list(projectId: string, keyId: string | null | undefined, { before, limit }: Page): readonly RunRecord[] {
    const isMeant = (run: RunRecord): boolean =>
      run.projectId === projectId &&
      (keyId === undefined || run.keyId === keyId) &&
      (before === undefined || run.id < before);
    let found: RunRecord[] = [];
    // There may be a hundred thousand: only those are read that may have some of the newest.
    for (const pack of this.#waiting()) {
      const least = found[limit - 1];
      if ((least !== undefined && pack.lastId < least.id) || !pack.json.includes(keyId ?? projectId)) continue;
      found = [...found, ...recordsIn(pack).filter(isMeant)]
        .toSorted((one, other) => (one.id < other.id ? 1 : -1))
        .slice(0, limit);
    }
    return found;
  }

  async flush(signal: AbortSignal): Promise<void> {
    this.#flushing = true;
    do {
      this.#close();
      await this.#packs.flush(signal);
    } while (this.#open.count > 0);
  }

  /** The newest first. */
  #waiting(): Pack[] {
    const closed = this.#packs.list().toReversed();
    return this.#open.count === 0 ? closed : [this.#open.pack(), ...closed];
  }

  #arm(): void {
    if (this.#flushing) return;
    this.#timer ??= this.#parts.clock.schedule(BATCH_MS, () => {
      this.#timer = undefined;
      // Where others wait still, the database is away or slow: a few full ones are written sooner than many others.
      if (this.#packs.backlog === 0) this.#close();
      else this.#arm();
    });
  }

  #close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#open.count === 0) return;
    const pack = this.#open.pack();
    this.#open = new OpenPack(this.#spare.take());
    this.#packs.append(pack);
  }

  async #write(pack: Pack): Promise<void> {
    try {
      await this.#parts.store.upsertMany(pack.json);
    } catch (error) {
      if (pack.count === 1 || !isRefused(error)) throw error;
      await this.#writeOneByOne(pack);
    }
  }

  /** After a refusal: all but the records that were meant. */
  async #writeOneByOne(pack: Pack): Promise<void> {
    const { store, logger, observer } = this.#parts;
    const refused: { run: string; reason: string }[] = [];
    for (const run of recordsIn(pack)) {
      try {
        await store.upsertMany(Buffer.from(JSON.stringify([run])));
      } catch (error) {
        if (!isRefused(error)) throw error;
        refused.push({ run: run.id, reason: messageOf(error) });
      }
    }
    // Told of when none of them is tried again.
    for (const each of refused) logger.error('run-refused', each);
    if (refused.length > 0) observer.runsDropped(refused.length);
  }
}

/** Records are added to it until it is full. */
class OpenPack {
  readonly #json: JsonBytes;
  #firstId = '';
  #lastId = '';

  constructor(memory: Buffer) {
    this.#json = new JsonBytes(memory);
  }

  get count(): number {
    return this.#json.count;
  }

  fits(json: string): boolean {
    return this.#json.fits(json);
  }

  add(id: string, json: string): void {
    this.#json.add(json);
    if (this.count === 1) this.#firstId = id;
    if (this.count === 1 || id > this.#lastId) this.#lastId = id;
  }

  /** What is in it so far. */
  pack(): Pack {
    const { count, memory } = this.#json;
    return { id: this.#firstId, lastId: this.#lastId, count, json: this.#json.bytes(), memory };
  }
}

/** What this writer wrote down itself. */
function recordsIn({ json }: Pack): RunRecord[] {
  return JSON.parse(json.toString()) as RunRecord[];
}
