/**
 * Bounds the logs of a stack while its parts go on writing them. A part that opens its log again when it is told to has it moved away.
 * Others hold theirs open for ever: its beginning is copied, and then taken out of it by the file system, which no line is lost by. File
 * systems that cannot (tmpfs) have it cut after the copy; what is written in the microseconds between is lost there.
 */
import { execFile } from 'node:child_process';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { appendFileSync, closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import type { Clock } from '#core/clock';

export interface LogFile {
  readonly file: string;
  /** Makes its writer open the file by its name again; without it, the writer never does, and appends (O_APPEND). */
  readonly reopen?: (() => void) | undefined;
}

export interface LogBounds {
  /** Of one file; larger ones are put aside at the next look. */
  readonly bytesMax: number;
  /** What stays in the file that goes on, for whoever wants its last lines, and no more than twice that. A multiple of a block of any file system. */
  readonly bytesLeft: number;
}

const BOUNDS: LogBounds = { bytesMax: 16 * 1024 ** 2, bytesLeft: 1024 ** 2 };
/** `.1` is the youngest. */
const KEPT = 3;
const LOOK_EVERY_MS = 5_000;

/** Looks at them again and again until it is stopped; `onFailure` hears once of each that cannot be put aside. */
export function boundLogs(parts: {
  readonly clock: Clock;
  readonly logs: () => readonly LogFile[];
  readonly onFailure: (file: string, error: unknown) => void;
}): { stop(): void } {
  const { clock, logs, onFailure } = parts;
  const failing = new Set<string>();
  let stopped = false;
  const look = async (): Promise<void> => {
    for (const log of logs()) {
      try {
        await boundLog(log);
        failing.delete(log.file);
      } catch (error) {
        if (!failing.has(log.file)) onFailure(log.file, error);
        failing.add(log.file);
      }
    }
  };
  const again = (): void => {
    clock.schedule(LOOK_EVERY_MS, () => {
      if (!stopped) void look().finally(again);
    });
  };
  again();
  return { stop: () => void (stopped = true) };
}

/** Puts aside what is too much of it; nothing where there is no such file. Rejects where it could not, and then nothing is lost. */
export async function boundLog({ file, reopen }: LogFile, { bytesMax, bytesLeft } = BOUNDS): Promise<void> {
  if (!existsSync(file)) return;
  const { size } = await stat(file);
  if (size <= bytesMax) return;
  for (let age = KEPT; age > 1; age--)
    if (existsSync(`${file}.${age - 1}`)) await rename(`${file}.${age - 1}`, `${file}.${age}`);
  if (reopen !== undefined) {
    await rename(file, `${file}.1`);
    return reopen();
  }
  const cut = size - bytesLeft - (size % bytesLeft);
  try {
    await pipeline(createReadStream(file, { end: cut - 1 }), createWriteStream(`${file}.1`, { mode: 0o600 }));
  } catch (error) {
    // A disk that is full has better uses for a part of a copy.
    await rm(`${file}.1`, { force: true });
    throw error;
  }
  if (!(await takeOut(file, cut))) cutOff(file, cut);
}

/** The file's first bytes, of whole blocks. Resolves with false where the file system, or the machine, cannot. */
async function takeOut(file: string, bytes: number): Promise<boolean> {
  try {
    await promisify(execFile)('fallocate', ['--collapse-range', '--offset', '0', '--length', String(bytes), file]);
    return true;
  } catch {
    // It is as it was.
    return false;
  }
}

/** All of it, after what was written since the copy has been copied too: without a pause, so that as little as can be comes between. */
function cutOff(file: string, copied: number): void {
  const descriptor = openSync(file, 'r+');
  try {
    for (let at = copied, { size } = fstatSync(descriptor); at < size; { size } = fstatSync(descriptor)) {
      const rest = Buffer.alloc(size - at);
      at += readSync(descriptor, rest, 0, rest.length, at);
      appendFileSync(`${file}.1`, rest);
    }
    ftruncateSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
