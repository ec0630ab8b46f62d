/**
 * An append-only file in numbered segments. A line is with the operating system when `append` returns, so that `kill -9` cannot lose
 * it; it is not forced to the disk, so that a power cut can. A segment is deleted when nobody holds a line of it any more. Bounded:
 * where the bound or the disk is full, or the disk fails, lines are refused, and tried again a second later.
 */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Logger } from '#contract/logger';

/** About 2,500 attempts: what a recovery reads at once. */
const SEGMENT_BYTES = 1024 * 1024;
const RETRY_MS = 1_000;
const NAME = /^\d{8}\.log$/;

/** The segments among the files of a folder, in order. */
export function segmentsAmong(names: readonly string[]): string[] {
  return names.filter((name) => NAME.test(name)).toSorted();
}

export class Segment {
  readonly path: string;
  bytes = 0;
  /** Lines that somebody still needs. */
  held = 0;

  constructor(file: string) {
    this.path = file;
  }
}

export interface JournalParts {
  /** There, and nobody else's. */
  readonly folder: string;
  /** All segments together. */
  readonly bytesMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Journal {
  readonly #parts: JournalParts;
  readonly #segments = new Set<Segment>();
  #current: { segment: Segment; file: number } | null = null;
  #made = 0;
  #retryAt = Number.NEGATIVE_INFINITY;
  #failing = false;

  constructor(parts: JournalParts) {
    this.#parts = parts;
  }

  get bytes(): number {
    let sum = 0;
    for (const { bytes } of this.#segments) sum += bytes;
    return sum;
  }

  /** Whole lines, each of which the caller holds until it releases it. Null where they could not be written. */
  append(text: string, lines = 1): Segment | null {
    if (this.#current === null && this.#parts.clock.now() < this.#retryAt) return null;
    try {
      const { segment, file } = (this.#current ??= this.#open());
      const length = Buffer.byteLength(text);
      const written = writeSync(file, text);
      segment.bytes += written;
      if (written < length) throw new Error('the disk took a part of a line only');
      segment.held += lines;
      if (this.#failing) this.#works();
      if (segment.bytes >= SEGMENT_BYTES) this.rotate();
      return segment;
    } catch (error) {
      this.#failed(error);
      return null;
    }
  }

  /** What is written from now on goes to a new segment. */
  rotate(): void {
    const current = this.#current;
    if (current === null) return;
    this.#current = null;
    closeSync(current.file);
    this.#deleteUnheld(current.segment);
  }

  /** Those that nothing is appended to any more, in order. */
  closed(): Segment[] {
    return [...this.#segments].filter((segment) => segment !== this.#current?.segment);
  }

  release(segment: Segment): void {
    segment.held--;
    this.#deleteUnheld(segment);
  }

  /** These hold so many lines from now on. */
  recount(held: ReadonlyMap<Segment, number>): void {
    for (const segment of this.#segments) {
      segment.held = held.get(segment) ?? 0;
      this.#deleteUnheld(segment);
    }
  }

  /** Returns whether anything is left in the folder that somebody needs. */
  close(): boolean {
    this.rotate();
    return this.#segments.size > 0;
  }

  #open(): { segment: Segment; file: number } {
    const { folder, bytesMax } = this.#parts;
    if (this.bytes + SEGMENT_BYTES > bytesMax) throw new Error(`the journal holds ${this.bytes} bytes already`);
    const segment = new Segment(path.join(folder, `${String(++this.#made).padStart(8, '0')}.log`));
    const file = openSync(segment.path, 'ax', 0o600);
    this.#segments.add(segment);
    return { segment, file };
  }

  #deleteUnheld(segment: Segment): void {
    if (segment.held > 0 || segment === this.#current?.segment) return;
    this.#segments.delete(segment);
    try {
      rmSync(segment.path, { force: true });
    } catch (error) {
      this.#parts.logger.warn('ledger-segment-not-deleted', { reason: messageOf(error) });
    }
  }

  /** A line may be torn: nothing is appended behind it. */
  #failed(error: unknown): void {
    const { clock, logger } = this.#parts;
    this.#retryAt = clock.now() + RETRY_MS;
    if (!this.#failing) logger.error('ledger-journal-failed', { reason: messageOf(error) });
    this.#failing = true;
    try {
      this.rotate();
    } catch (closing) {
      logger.warn('ledger-segment-not-closed', { reason: messageOf(closing) });
    }
  }

  #works(): void {
    this.#failing = false;
    this.#parts.logger.info('ledger-journal-works');
  }
}
