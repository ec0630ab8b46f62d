/**
 * The usage ledger of a hub: an attempt is reserved in Redis, or in the journal on disk where there is none or it does not answer, before
 * it goes out, and leaves when its row is committed, so that every call an upstream saw has one row, also after `kill -9`. Rows that no
 * longer fit in memory while the database is away wait there. Several hubs may share a folder or a Redis: each has its own part, and
 * takes over those of the dead.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Clock, Timer } from '#core/clock';
import { messageOf } from '#core/errors';
import { limits } from '#core/limits';
import { Slots } from '#core/slots';
import type { BatchWriter, RowEnd } from '#contract/batch-writer';
import type { Ledger, LedgerEntry, Settlement, UsageDispatch, UsageRecord } from '#contract/ledger';
import type { Logger } from '#contract/logger';
import type { Observer } from '#contract/observer';
import { Entry, entryOf } from './entry.ts';
import type { Book } from './entry.ts';
import { Journal, segmentsAmong } from './journal.ts';
import type { Segment } from './journal.ts';
import type { Reservations } from './reservations.ts';
import { dispatchLine, settlementLine } from './lines.ts';
import { replay } from './replay.ts';

/** Rows mostly are in the database by then, and their settlement need not be written to the journal at all. */
const SETTLE_MS = 200;
/** How often the journals of dead hubs are looked for. */
const ADOPT_MS = 60_000;
/** What each hub's folder is called, with something random behind it. */
const FOLDER = 'hub-';
/** A folder without segments that has not changed for so long is no hub's that is just starting, which locks it right after making it. */
const STARTING_MS = 5 * 60_000;
/** Rows of a journal that are handed to the writer at once. */
const REPLAY_ROWS = 500;

export interface LedgerParts {
  /** Made where it is missing; the journals of all hubs that share it are in it. */
  readonly folder: string;
  /** A lock of the operating system that goes with its process; null where another process holds it. */
  readonly lock: (folder: string) => { release(): void } | null;
  /** Null: the journal on disk alone. Closed with the ledger. */
  readonly reservations: Reservations | null;
  readonly createWriter: (ended: (row: UsageRecord, how: RowEnd) => void) => BatchWriter<UsageRecord>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: Pick<Observer, 'ledgerRow' | 'ledgerUnjournalled'>;
}

/** Rows out of a journal or out of Redis, on their way to the database together. */
interface Batch {
  left: number;
  whole: boolean;
  readonly ended: (whole: boolean) => void;
}

/** Throws where the folder cannot be used. */
export function openLedger(parts: LedgerParts): UsageLedger {
  mkdirSync(parts.folder, { recursive: true, mode: 0o700 });
  const folder = mkdtempSync(path.join(parts.folder, FOLDER));
  const lock = parts.lock(folder);
  if (lock === null) throw new Error(`${folder} was made just now and is locked already`);
  return new UsageLedger(parts, folder, lock);
}

export class UsageLedger implements Ledger, Book {
  readonly #parts: LedgerParts;
  readonly #folder: string;
  readonly #lock: { release(): void };
  readonly #journal: Journal;
  readonly #writer: BatchWriter<UsageRecord>;
  /** Under way, or settled and not in the database yet. */
  readonly #entries = new Slots<Entry>();
  /** Dispatched, not gone out, and the journal does not know yet. */
  #unsecured: Entry[] = [];
  /** Settled, and the journal does not know yet. */
  readonly #unflushed = new Slots<Entry>();
  /** By row, all that wait for its end: an attempt may be in the journal and in Redis, which are read independently. */
  readonly #replayed = new Map<string, Batch[]>();
  #flushTimer: Timer | undefined;
  /** Until Redis has been told of every end so far, or could not be. */
  #keeping: Promise<unknown> = Promise.resolve();
  #adoptTimer: Timer | undefined;
  #recovering = false;
  /** Rows wait in the journal that memory has forgotten. */
  #parked = false;
  /** While those are read again, the attempts that are this instance's own to write. */
  #own: Set<string> | undefined;
  #closed = false;

  constructor(parts: LedgerParts, folder: string, lock: { release(): void }) {
    const { clock, logger } = parts;
    this.#parts = parts;
    this.#folder = folder;
    this.#lock = lock;
    this.#journal = new Journal({ folder, bytesMax: limits.ledgerJournalBytesMax, clock, logger });
    this.#writer = parts.createWriter((row, how) => this.#ended(row, how));
    parts.reservations?.begin({ lost: () => this.#restore(), write: (rows) => this.#write(rows) });
    this.#adopt(0);
  }

  /** Rows that wait for the database. */
  get backlog(): number {
    return this.#writer.backlog;
  }

  get journalBytes(): number {
    return this.#journal.bytes;
  }

  /** Attempts in Redis whose rows are not in the database yet. */
  get reserved(): number {
    let reserved = 0;
    for (const entry of this.#entries) if (entry.reserved) reserved++;
    return reserved;
  }

  dispatched(dispatch: UsageDispatch): LedgerEntry {
    const entry = new Entry(dispatch, this);
    entry.place = this.#entries.add(entry);
    this.#own?.add(dispatch.id);
    const { reservations } = this.#parts;
    if (reservations?.usable !== true) {
      this.#unsecured.push(entry);
      return entry;
    }
    entry.reserved = true;
    entry.recorded = reservations.reserve(dispatch).then((how) => {
      // Nothing is there to be forgotten when Redis is back, which may be after a million of them.
      if (how === 'unsent') entry.reserved = false;
      // One that has ended meanwhile never goes out: its line would be nobody's to release.
      if (how !== 'kept' && entry.row === null) this.#unsecured.push(entry);
    });
    return entry;
  }

  secure(): void {
    if (this.#unsecured.length === 0) return;
    let text = '';
    for (const { dispatch } of this.#unsecured) text += dispatchLine(dispatch);
    const segment = this.#journal.append(text, this.#unsecured.length);
    for (const entry of this.#unsecured) {
      entry.dispatchedIn = segment;
      if (segment === null) this.#parts.observer.ledgerUnjournalled();
    }
    this.#unsecured = [];
  }

  /** Redis came back without them, those included that began while it was away. */
  #restore(): void {
    const entries = [...this.#entries];
    for (const entry of entries) entry.reserved = true;
    void this.#parts.reservations?.keep(entries.map(({ row, dispatch }) => row ?? dispatch));
  }

  settle(entry: Entry, settlement: Settlement): void {
    if (entry.row !== null) return;
    // The journal may know of it through others that went out meanwhile: then it must also know the end.
    if (settlement.outcome === 'untranslatable' && entry.dispatchedIn === null) {
      this.#unsecured = this.#unsecured.filter((other) => other !== entry);
      this.#forget(entry);
      return;
    }
    // It never went out: no connection was to be had.
    if (this.#unsecured.includes(entry)) this.secure();
    const row = entry.end(settlement);
    if (entry.dispatchedIn !== null || entry.reserved) {
      entry.unflushedAt = this.#unflushed.add(entry);
      this.#flushTimer ??= this.#parts.clock.schedule(SETTLE_MS, () => void this.#flush());
    }
    this.#writer.append(row);
  }

  /** Writes what waits until the signal ends; what is not written then is in the journal. */
  async close(signal: AbortSignal): Promise<void> {
    this.#closed = true;
    this.#adoptTimer?.cancel();
    try {
      await this.#writer.flush(signal);
    } finally {
      this.secure();
      await this.#flush();
      await this.#parts.reservations?.close();
      const needed = this.#journal.close();
      this.#lock.release();
      if (!needed) rmSync(this.#folder, { recursive: true, force: true });
    }
  }

  /** What goes to the journal is in it when this returns; what goes to Redis, when it resolves. */
  #flush(): Promise<unknown> {
    this.#flushTimer?.cancel();
    this.#flushTimer = undefined;
    if (this.#unflushed.size === 0) return this.#keeping;
    let text = '';
    const journalled: Entry[] = [];
    const reserved: UsageRecord[] = [];
    for (const entry of this.#unflushed) {
      this.#flushed(entry);
      if (entry.row === null) continue;
      if (entry.reserved) reserved.push(entry.row);
      if (entry.dispatchedIn === null) continue;
      journalled.push(entry);
      text += lineOf(entry.row);
    }
    if (journalled.length > 0) {
      const segment = this.#journal.append(text, journalled.length);
      for (const entry of journalled) entry.settledIn = segment;
    }
    // Those of before too: what is read from Redis before they are there would be taken for interrupted.
    this.#keeping = Promise.all([this.#keeping, this.#parts.reservations?.keep(reserved)]);
    return this.#keeping;
  }

  #ended(row: UsageRecord, how: RowEnd): void {
    const { observer } = this.#parts;
    const entry = entryOf(row);
    if (entry !== undefined) {
      if (how === 'overflowed' && (entry.dispatchedIn !== null || entry.reserved)) this.#park(entry);
      else {
        observer.ledgerRow(how === 'written' ? 'written' : 'dropped');
        this.#forget(entry);
      }
    } else {
      // An overflowed row of a journal is still in it.
      if (how !== 'overflowed') observer.ledgerRow(how === 'written' ? 'written' : 'dropped');
      this.#endReplayed(row.id, how !== 'overflowed');
    }
    if (this.#parked && this.#writer.backlog === 0) this.#recover(() => this.#unpark());
  }

  #forget(entry: Entry): void {
    this.#entries.leave(entry.place);
    this.#flushed(entry);
    if (entry.reserved) this.#parts.reservations?.release(entry.dispatch.id);
    if (entry.dispatchedIn !== null) this.#journal.release(entry.dispatchedIn);
    if (entry.settledIn !== null) this.#journal.release(entry.settledIn);
  }

  #flushed(entry: Entry): void {
    if (entry.unflushedAt !== null) this.#unflushed.leave(entry.unflushedAt);
    entry.unflushedAt = null;
  }

  /** Its lines stay in the journal, and what holds them too, until the journal is read again. */
  #park(entry: Entry): void {
    if (entry.unflushedAt !== null) void this.#flush();
    this.#entries.leave(entry.place);
    this.#parked = true;
  }

  async #unpark(): Promise<void> {
    await this.#flush();
    this.#journal.rotate();
    this.#parked = false;
    const own = new Set([...this.#entries].map(({ dispatch }) => dispatch.id));
    this.#own = own;
    const segments = this.#journal.closed().map((segment) => segment.path);
    let whole = false;
    try {
      const skips = (id: string): boolean => own.has(id);
      whole = (await this.#replay(segments, skips)) && (await this.#replayReserved(skips));
    } finally {
      this.#own = undefined;
      if (!whole) this.#parked = true;
    }
    // Where rows were parked again meanwhile, the next time reads all of it, and writes nothing twice.
    if (!this.#parked) this.#recount();
  }

  async #replayReserved(skips: (id: string) => boolean): Promise<boolean> {
    return (await this.#parts.reservations?.replayOwn(skips)) ?? true;
  }

  #recount(): void {
    const held = new Map<Segment, number>();
    for (const { dispatchedIn, settledIn } of this.#entries)
      for (const segment of [dispatchedIn, settledIn])
        if (segment !== null) held.set(segment, (held.get(segment) ?? 0) + 1);
    this.#journal.recount(held);
  }

  #adopt(delayMs: number): void {
    this.#adoptTimer = this.#parts.clock.schedule(delayMs, () => {
      this.#recover(async () => {
        if (this.#parked && this.#writer.backlog === 0) await this.#unpark();
        await this.#adoptDead();
      });
      this.#adopt(ADOPT_MS);
    });
  }

  async #adoptDead(): Promise<void> {
    for (const name of readdirSync(this.#parts.folder)) {
      try {
        await this.#adoptFrom(name);
      } catch (error) {
        // One that may not be read, or is damaged, keeps nobody from the others.
        this.#parts.logger.warn('ledger-not-recovered', { journal: name, reason: messageOf(error) });
      }
    }
  }

  async #adoptFrom(name: string): Promise<void> {
    const folder = path.join(this.#parts.folder, name);
    if (folder === this.#folder || this.#closed) return;
    if (segmentsIn(folder).length === 0 && !this.#isForsaken(folder)) return;
    const lock = this.#parts.lock(folder);
    if (lock === null) return;
    let segments: string[];
    try {
      segments = segmentsIn(folder);
      if (!(await this.#replay(segments, () => false))) return;
      for (const segment of segments) rmSync(segment, { force: true });
    } finally {
      lock.release();
    }
    rmSync(folder, { recursive: true, force: true });
    if (segments.length > 0) this.#parts.logger.info('ledger-adopted', { journal: name });
  }

  /** Whether a folder without segments may be a dead hub's, which its lock tells. An idle hub has none, nor has one whose Redis answers. */
  #isForsaken(folder: string): boolean {
    if (!path.basename(folder).startsWith(FOLDER)) return false;
    const found = statSync(folder, { throwIfNoEntry: false });
    return found?.isDirectory() === true && found.mtimeMs < this.#parts.clock.wallMs() - STARTING_MS;
  }

  /** One at a time; what cannot be done now is tried again. */
  #recover(work: () => Promise<void>): void {
    if (this.#recovering || this.#closed) return;
    this.#recovering = true;
    work()
      .catch((error: unknown) => this.#parts.logger.warn('ledger-not-recovered', { reason: messageOf(error) }))
      .finally(() => (this.#recovering = false));
  }

  /** Resolves with whether all of it is in the database or refused by it. */
  async #replay(segments: readonly string[], skips: (id: string) => boolean): Promise<boolean> {
    let torn = 0;
    let rows: UsageRecord[] = [];
    for await (const row of replay({ segments, skips, unreadable: () => torn++ })) {
      rows.push(row);
      if (rows.length < REPLAY_ROWS) continue;
      if (!(await this.#write(rows))) return false;
      rows = [];
    }
    if (torn > 0) this.#parts.logger.warn('ledger-lines-torn', { lines: torn });
    return rows.length === 0 || this.#write(rows);
  }

  #write(rows: readonly UsageRecord[]): Promise<boolean> {
    return new Promise((ended) => {
      const batch: Batch = { left: rows.length, whole: true, ended };
      for (const { id } of rows) this.#replayed.set(id, [...(this.#replayed.get(id) ?? []), batch]);
      // One read elsewhere may know an end that this one does not.
      const waiting = new Map(this.#writer.list().map((row) => [row.id, row]));
      for (const row of rows) {
        const before = waiting.get(row.id);
        if (before?.state === 'settled') continue;
        if (before === undefined) this.#writer.append(row);
        else this.#writer.replace(before, row);
        waiting.set(row.id, row);
      }
    });
  }

  #endReplayed(id: string, whole: boolean): void {
    const batches = this.#replayed.get(id) ?? [];
    this.#replayed.delete(id);
    for (const batch of batches) {
      batch.left--;
      batch.whole &&= whole;
      if (batch.left === 0) batch.ended(batch.whole);
    }
  }
}

function lineOf(row: UsageRecord): string {
  const { id, outcome, promptTokens, completionTokens, cachedTokens, costMicroUsd, priceSource } = row;
  return settlementLine(id, { outcome, promptTokens, completionTokens, cachedTokens, costMicroUsd, priceSource });
}

/** None where the folder is none, or has gone meanwhile. */
function segmentsIn(folder: string): string[] {
  try {
    return segmentsAmong(readdirSync(folder)).map((name) => path.join(folder, name));
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return [];
    throw error;
  }
}
