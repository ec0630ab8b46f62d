/**
 * Keeps the processes of a stack running: started in the order of what they need, each when those are ready; started again with a
 * growing pause when they die, and killed first when they hang; ended in the reverse order.
 */
import path from 'node:path';
import type { Clock } from '#core/clock';
import { pause } from '#core/clock';
import { messageOf } from '#core/errors';
import type { LogFile } from './log-files.ts';
import { endInOrder, endsWithin } from './order.ts';
import type { Part, PartState, PartStatus, StackEvent } from './part.ts';
import { requireFree } from './ports.ts';
import { saysYes } from './probes.ts';
import { StackProcess, tailOf } from './process.ts';

const READY_ASK_MS = 50;
const READY_ANSWER_MS = 2_000;
const ALIVE_ASK_MS = 2_000;
const ALIVE_ANSWER_MS = 3_000;
/** So many failures in a row make one that hangs. */
const ALIVE_FAILURES = 3;
const BACKOFF_MS = 200;
const BACKOFF_MAX_MS = 10_000;
/** One that ran so long starts again at once. */
const STEADY_MS = 30_000;
const KILL_MS = 5_000;

export interface SupervisorParts {
  readonly clock: Clock;
  /** Where logs go, a file a part. */
  readonly logs: string;
  /** What is in the parts' ports already: another one is advised where they are taken. */
  readonly portOffset: number;
  readonly onEvent: (event: StackEvent) => void;
  /** Called whenever a process was started or has ended. */
  readonly onChange: () => void;
}

class Supervised {
  part: Part;
  state: PartState = 'waiting';
  process: StackProcess | null = null;
  restarts = 0;
  readyAt: number | null = null;
  failures = 0;
  /** Wanted to run; false while it is ended on purpose. */
  wanted = true;
  backoffMs = BACKOFF_MS;
  /** Grows with each end on purpose: who began to start it before that has nothing to start any more. */
  life = 0;

  constructor(part: Part) {
    this.part = part;
  }
}

export class Supervisor {
  readonly #parts: SupervisorParts;
  readonly #all = new Map<string, Supervised>();
  readonly #ending = new AbortController();

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
  }

  /** Starts what is not there yet, side by side where it may be; rejects with the first failure. What runs then, runs on. */
  async start(parts: readonly Part[]): Promise<void> {
    await requireFree(parts, this.#parts.portOffset);
    for (const part of parts) {
      if (this.#all.has(part.name)) throw new Error(`${part.name} is there already`);
      this.#all.set(part.name, new Supervised(part));
    }
    const begun = new Map<string, Promise<void>>();
    const begin = (name: string): Promise<void> => {
      const supervised = this.#need(name);
      let ready = begun.get(name);
      if (ready === undefined) {
        ready = parts.includes(supervised.part)
          ? Promise.all(supervised.part.needs.map(begin)).then(() => this.#launch(supervised))
          : this.#back(supervised);
        begun.set(name, ready);
      }
      return ready;
    };
    const results = await Promise.allSettled(parts.map(({ name }) => begin(name)));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  /** Ends one, and forgets it. */
  async remove(name: string): Promise<void> {
    await this.#end(this.#need(name));
    this.#all.delete(name);
  }

  /**
   * Ends one and starts another in its place; resolves when that is ready. Where it does not get ready it is ended again; one that is to stay is
   * started again and again, as if it had crashed.
   */
  async replace(part: Part, stays = false): Promise<void> {
    const supervised = this.#need(part.name);
    await this.#end(supervised);
    supervised.part = part;
    supervised.wanted = true;
    try {
      await this.#launch(supervised);
    } catch (error) {
      if (stays) {
        await supervised.process?.ended;
        void this.#again(supervised);
      } else await this.#end(supervised);
      throw error;
    }
  }

  /** Puts another of this name in its place without an end: what runs is told where there is something new to read. Throws where it would not take that. */
  reload(part: Part): void {
    const supervised = this.#need(part.name);
    const isNew = part.reload?.rewrite() === true;
    supervised.part = part;
    // One that is not ready reads it at its start; a hub could not hear of it yet, and would end.
    if (!isNew || part.reload === undefined || supervised.state !== 'ready') return;
    supervised.process?.signal(part.reload.signal);
    this.#tell(supervised, 'reloaded', part.reload.signal);
  }

  /** Throws once `stop` was called. */
  throwIfEnding(): void {
    this.#ending.signal.throwIfAborted();
  }

  partOf(name: string): Part | undefined {
    return this.#all.get(name)?.part;
  }

  /** In the order in which they were added. */
  status(): PartStatus[] {
    const now = this.#parts.clock.now();
    return [...this.#all.values()].map(({ part, state, process, restarts, readyAt }) => ({
      name: part.name,
      state,
      pid: process?.running === true ? process.pid : null,
      restarts,
      readyForMs: readyAt === null ? null : Math.round(now - readyAt),
      shown: part.shown ?? null,
    }));
  }

  logOf(name: string): string {
    return path.join(this.#parts.logs, `${name}.log`);
  }

  /** What the parts say and write. */
  logs(): LogFile[] {
    return [...this.#all.values()].flatMap(({ part: { name, logs }, process }) => [
      { file: this.logOf(name) },
      ...(logs?.files ?? []).map((file) => ({ file, reopen: () => logs && process?.signal(logs.reopen) })),
    ]);
  }

  /** Ends all of them, each before what it needs, or for as long as it holds that. */
  async stop(): Promise<void> {
    this.#ending.abort(new Error('the stack is being ended'));
    for (const supervised of this.#all.values()) supervised.wanted = false;
    const all = [...this.#all.values()].map(({ part }) => part);
    await endInOrder(all, this.#parts.clock, ({ name }) => this.#end(this.#need(name)));
  }

  /** Kills what is just being ended, instead of waiting for it. */
  hurry(): void {
    for (const { state, process } of this.#all.values()) if (state === 'stopping') process?.kill();
  }

  #need(name: string): Supervised {
    const supervised = this.#all.get(name);
    if (supervised === undefined) throw new Error(`the stack has no part named "${name}"`);
    return supervised;
  }

  /** Resolves when it is ready; rejects when it ends before, or is not ready in time. */
  async #launch(supervised: Supervised): Promise<void> {
    const { part, life } = supervised;
    this.#ending.signal.throwIfAborted();
    this.#tell(supervised, 'starting', part.command[0]);
    supervised.state = 'starting';
    part.prepare?.();
    const begunAt = this.#parts.clock.now();
    const process = await StackProcess.start(part, this.logOf(part.name));
    if (this.#ending.signal.aborted || supervised.life !== life) {
      process.kill();
      throw new Error(`${part.name} is not wanted any more`);
    }
    supervised.process = process;
    this.#parts.onChange();
    const failure: { how: string | null } = { how: null };
    void process.ended.then((how) => {
      failure.how = how;
      this.#onEnd(supervised, process, how);
    });
    while (!(await saysYes(this.#parts.clock, part.isReady.bind(part), READY_ANSWER_MS))) {
      if (failure.how !== null) throw new Error(`${part.name} ${failure.how}:\n${tailOf(this.logOf(part.name))}`);
      this.#ending.signal.throwIfAborted();
      if (this.#parts.clock.now() - begunAt > part.readyMs) {
        process.kill();
        throw new Error(
          `${part.name} was not ready within ${part.readyMs / 1000} s:\n${tailOf(this.logOf(part.name))}`,
        );
      }
      await pause(this.#parts.clock, READY_ASK_MS);
    }
    supervised.state = 'ready';
    supervised.readyAt = this.#parts.clock.now();
    supervised.failures = 0;
    this.#tell(supervised, 'ready', `in ${((supervised.readyAt - begunAt) / 1000).toFixed(1)} s`);
    if (part.isAlive !== undefined) this.#watch(supervised, process);
  }

  /**
   * Resolves when one that was started before is ready. Where it crashed it is being started again: a second start beside that one would
   * leave a process that nobody ends.
   */
  async #back(supervised: Supervised): Promise<void> {
    const { clock } = this.#parts;
    const { name, readyMs } = supervised.part;
    const until = clock.now() + BACKOFF_MAX_MS + readyMs;
    while (supervised.state !== 'ready') {
      this.#ending.signal.throwIfAborted();
      if (!supervised.wanted || clock.now() > until) throw new Error(`${name} is needed, and is ${supervised.state}`);
      await pause(clock, READY_ASK_MS);
    }
  }

  #onEnd(supervised: Supervised, process: StackProcess, how: string): void {
    if (supervised.process !== process) return;
    const { clock } = this.#parts;
    const wasReady = supervised.readyAt !== null;
    const ranMs = wasReady ? clock.now() - (supervised.readyAt ?? 0) : 0;
    supervised.process = null;
    supervised.readyAt = null;
    this.#parts.onChange();
    if (!supervised.wanted) return;
    supervised.state = 'crashed';
    this.#tell(supervised, 'crashed', how);
    // Who starts it hears of it there.
    if (!wasReady) return;
    if (ranMs > STEADY_MS) supervised.backoffMs = BACKOFF_MS;
    void this.#again(supervised);
  }

  async #again(supervised: Supervised): Promise<void> {
    const { life, backoffMs: waitMs } = supervised;
    supervised.backoffMs = Math.min(waitMs * 2, BACKOFF_MAX_MS);
    supervised.restarts++;
    try {
      await pause(this.#parts.clock, waitMs);
      if (supervised.life === life) await this.#launch(supervised);
    } catch (error) {
      if (supervised.life !== life || this.#ending.signal.aborted) return;
      this.#tell(supervised, 'crashed', messageOf(error).split('\n')[0] ?? '');
      await supervised.process?.ended;
      void this.#again(supervised);
    }
  }

  #watch(supervised: Supervised, process: StackProcess): void {
    const { clock } = this.#parts;
    clock.schedule(ALIVE_ASK_MS, () => {
      if (supervised.process !== process || !supervised.wanted) return;
      const { part } = supervised;
      void saysYes(clock, (signal) => part.isAlive?.(signal) ?? Promise.resolve(true), ALIVE_ANSWER_MS).then(
        (alive) => {
          if (supervised.process !== process || !supervised.wanted) return;
          supervised.failures = alive ? 0 : supervised.failures + 1;
          if (supervised.failures >= ALIVE_FAILURES) {
            this.#tell(supervised, 'hung', `did not answer ${ALIVE_FAILURES} times`);
            process.kill();
          } else this.#watch(supervised, process);
        },
      );
    });
  }

  async #end(supervised: Supervised): Promise<void> {
    supervised.wanted = false;
    supervised.life++;
    const { part, process } = supervised;
    if (process !== null) {
      supervised.state = 'stopping';
      this.#tell(supervised, 'stopping', part.stopSignal);
      process.signal(part.stopSignal);
      if (!(await endsWithin(this.#parts.clock, process.ended, part.stopMs))) {
        this.#tell(supervised, 'killed', `did not end within ${part.stopMs / 1000} s`);
        process.kill();
        await endsWithin(this.#parts.clock, process.ended, KILL_MS);
      }
      this.#tell(supervised, 'stopped', '');
    }
    supervised.state = 'stopped';
    supervised.readyAt = null;
  }

  #tell({ part }: Supervised, what: StackEvent['what'], detail: string): void {
    this.#parts.onEvent({ part: part.name, what, detail });
  }
}
