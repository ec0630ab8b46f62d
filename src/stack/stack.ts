/**
 * A whole stack on one machine: brought up in the order of what its parts need, scaled and renewed while it serves, ended in the
 * reverse order. One of its acts at a time; status may be asked always.
 */
import { execFile } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Clock } from '#core/clock';
import { pause } from '#core/clock';
import { messageOf } from '#core/errors';
import { figuresOf } from './figures.ts';
import type { HubFigures } from './figures.ts';
import type { Followed, StackOptions } from './layout.ts';
import { HUBS_MAX, Layout, makeFolder, shipped } from './layout.ts';
import type { LogFile } from './log-files.ts';
import type { Part, PartStatus, StackEvent } from './part.ts';
import { hubName, hubPart } from './parts/hub.ts';
import { writeTargets } from './parts/monitoring.ts';
import { numbers, partsOf, requireHubs } from './plan.ts';
import { endLeft, readState, removeState, startOf, writeState } from './state.ts';
import { Supervisor } from './supervisor.ts';

/** Over the balancer's `fail_timeout`: until then the new one may still be shunned, and nobody's requests tell of it. */
const SETTLE_MS = 11_000;
/** A new instance whose share of failed requests is so much above that of the others is not let go on. */
const ERRORS_MORE_MAX = 0.05;
const JUDGED_REQUESTS = 20;
const FIGURES_MS = 2_000;
const WATCH_EVERY_MS = 1_000;
/** For a program that reads one file. */
const CHECK_MS = 30_000;
/** A new database and its first logs, with some room to work. */
const SPACE_MB = 256;

export interface StackParts {
  readonly clock: Clock;
  /** Reads the hubs' configuration as it is now; throws where it is invalid. */
  readonly follow: (configFile: string | undefined) => Followed;
  readonly onEvent: (event: StackEvent) => void;
}

export interface StackStatus {
  readonly folder: string;
  readonly hubs: number;
  readonly parts: readonly PartStatus[];
}

export interface DeployOptions {
  /** The new version's `bin/revoagent.js`. */
  readonly program: string;
  /** Milliseconds between two instances. */
  readonly settleMs?: number | undefined;
}

export class Stack {
  layout: Layout;
  readonly #clock: Clock;
  readonly #read: StackParts['follow'];
  readonly #onEvent: StackParts['onEvent'];
  readonly #supervisor: Supervisor;
  #program = shipped('bin', 'revoagent.js');
  #hubs: number[] = [];
  #busy: string | null = null;

  constructor(options: StackOptions, { clock, follow, onEvent }: StackParts) {
    this.layout = new Layout(options);
    this.#clock = clock;
    this.#read = follow;
    this.#onEvent = onEvent;
    makeFolder(options.folder);
    this.#supervisor = new Supervisor({
      clock,
      logs: this.layout.in('logs'),
      portOffset: options.portOffset,
      onEvent,
      onChange: () => this.#note(),
    });
  }

  /** All or nothing: where a part does not get ready, what was started is ended, and the reason thrown. */
  async up(): Promise<void> {
    try {
      const parts = partsOf(this.layout);
      requireSpace(this.layout.options.folder);
      this.#hubs = numbers(HUBS_MAX).filter((number) => parts.some(({ name }) => name === hubName(number)));
      this.#retarget();
      await this.#supervisor.start(parts);
    } catch (error) {
      await this.down();
      throw error;
    }
  }

  status(): StackStatus {
    const { folder } = this.layout.options;
    return { folder, hubs: this.#hubs.length, parts: this.#supervisor.status() };
  }

  logOf(part: string): string {
    if (this.#supervisor.partOf(part) === undefined) {
      const names = this.#supervisor.status().map(({ name }) => name);
      throw new Error(`There is no part "${part}". There are: ${names.join(', ')}.`);
    }
    return this.#supervisor.logOf(part);
  }

  /** All that its parts write, to be bounded. */
  logs(): LogFile[] {
    return this.#supervisor.logs();
  }

  /** Starts hubs, or ends those with the highest numbers after what they serve; the balancer needs no reload for it. */
  scale(count: number): Promise<void> {
    requireHubs(count);
    return this.#alone('scale', async () => {
      const more = numbers(count).filter((number) => !this.#hubs.includes(number));
      await this.#add(more.map((number) => hubPart(this.layout, number, this.#program)));
      const fewer = this.#hubs.filter((number) => number > count);
      this.#hubs = numbers(count);
      this.#retarget();
      for (const number of fewer.toReversed()) await this.#supervisor.remove(hubName(number));
    });
  }

  /** Hubs read their configuration again, and the balancer what it follows of it. Throws where that is invalid: then nobody was told. */
  reload(): Promise<void> {
    return this.#alone('reload', async () => {
      this.#follow();
      for (const number of this.#hubs) this.#supervisor.reload(hubPart(this.layout, number, this.#program));
    });
  }

  /**
   * Renews one hub after the other; the next one only where this one is ready and does not fail its callers. Otherwise all that were
   * renewed get their old version back, and the reason is thrown.
   */
  deploy({ program, settleMs = SETTLE_MS }: DeployOptions): Promise<void> {
    return this.#alone('deploy', async () => {
      const done: number[] = [];
      await requireSound(hubPart(this.layout, 1, program), program, this.layout.configFile);
      this.#followIfKnown();
      try {
        for (const number of this.#hubs) {
          done.push(number);
          await this.#supervisor.replace(hubPart(this.layout, number, program));
          await this.#watch(number, settleMs);
        }
        this.#program = program;
      } catch (error) {
        this.#supervisor.throwIfEnding();
        // The one that is away first: where there are two, the other is all that serves.
        for (const number of done.toReversed())
          await this.#supervisor.replace(hubPart(this.layout, number, this.#program), true);
        throw new Error(`rolled back: ${messageOf(error)}`, { cause: error });
      }
    });
  }

  /** While it is ended: what is served is cut, databases still end as they should. */
  hurry(): void {
    this.#supervisor.hurry();
  }

  async down(): Promise<void> {
    await this.#supervisor.stop();
    removeState(this.#stateFile);
  }

  get #stateFile(): string {
    return this.layout.in('state.json');
  }

  #follow(): void {
    this.layout = new Layout({ ...this.layout.options, ...this.#read(this.layout.configFile) });
    const balancer = partsOf(this.layout).find(({ name }) => name === 'nginx');
    if (balancer !== undefined) this.#supervisor.reload(balancer);
  }

  /** A new version may know settings that this one, which supervises, does not. */
  #followIfKnown(): void {
    try {
      this.#follow();
    } catch (error) {
      this.#onEvent({ part: 'nginx', what: 'not reloaded', detail: messageOf(error) });
    }
  }

  /** All or none of them. */
  async #add(parts: readonly Part[]): Promise<void> {
    try {
      await this.#supervisor.start(parts);
    } catch (error) {
      for (const { name } of parts)
        if (this.#supervisor.partOf(name) !== undefined) await this.#supervisor.remove(name);
      throw error;
    }
  }

  async #alone<T>(what: string, act: () => Promise<T>): Promise<T> {
    if (this.#busy !== null) throw new Error(`A ${this.#busy} is under way. Try again when it has ended.`);
    this.#busy = what;
    try {
      return await act();
    } finally {
      this.#busy = null;
    }
  }

  /** Throws where another supervisor runs in this folder; ends what a dead one left. Before anything else. */
  async takeOver(): Promise<void> {
    const state = readState(this.#stateFile);
    if (state !== null && state.startedAt !== '' && startOf(state.pid) === state.startedAt)
      throw new Error(
        `A stack runs already in ${this.layout.options.folder} (process ${state.pid}). See: revoagent status`,
      );
    if (state !== null)
      await endLeft(state, this.#clock, ({ name: part, stopSignal }) =>
        this.#onEvent({ part, what: 'stopping', detail: `${stopSignal}, left by a stack that died` }),
      );
    this.#writeState();
  }

  /** A disk that is full costs the note, not the stack: what runs goes on. */
  #note(): void {
    try {
      this.#writeState();
    } catch (error) {
      this.#onEvent({ part: 'state.json', what: 'crashed', detail: messageOf(error) });
    }
  }

  #writeState(): void {
    const processes = this.#supervisor.status().flatMap(({ name, pid }) => {
      const part = this.#supervisor.partOf(name);
      if (pid === null || part === undefined) return [];
      const { needs, holdsMs, stopSignal, stopMs } = part;
      return [{ name, pid, startedAt: startOf(pid), needs, holdsMs, stopSignal, stopMs }];
    });
    writeState(this.#stateFile, { pid: process.pid, startedAt: startOf(process.pid), processes });
  }

  #retarget(): void {
    if (this.layout.options.monitoring) writeTargets(this.layout, this.#hubs);
  }

  /** Throws as soon as the new hub dies, or fails more than the others do, while it serves for so long. */
  async #watch(number: number, settleMs: number): Promise<void> {
    const name = hubName(number);
    const others = this.#hubs.filter((other) => other !== number);
    const restarts = this.#restartsOf(name);
    const earlier = await this.#sum(others);
    const end = this.#clock.now() + settleMs;
    for (;;) {
      const waitMs = Math.min(WATCH_EVERY_MS, end - this.#clock.now());
      await pause(this.#clock, waitMs);
      this.#supervisor.throwIfEnding();
      if (this.#restartsOf(name) > restarts) throw new Error(`${name} ended, and had to be started again`);
      const { requests, errors } = await this.#figures(number);
      const later = await this.#sum(others);
      // An upstream that is down fails the callers of all: that is no fault of the new version.
      const usual = Math.max(0, (later.errors - earlier.errors) / Math.max(1, later.requests - earlier.requests));
      if (requests >= JUDGED_REQUESTS && errors / requests > usual + ERRORS_MORE_MAX)
        throw new Error(`${name} failed ${errors} of its first ${requests} requests`);
      if (this.#clock.now() >= end) return;
    }
  }

  #restartsOf(name: string): number {
    return this.#supervisor.status().find((part) => part.name === name)?.restarts ?? 0;
  }

  /** One that is just being started again counts for nothing. */
  async #sum(hubs: readonly number[]): Promise<HubFigures> {
    const asked = await Promise.allSettled(hubs.map((number) => this.#figures(number)));
    const each = asked.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    const sum = (name: keyof HubFigures): number => each.reduce((total, figures) => total + figures[name], 0);
    return { requests: sum('requests'), errors: sum('errors') };
  }

  async #figures(number: number): Promise<HubFigures> {
    const late = new AbortController();
    const timer = this.#clock.schedule(FIGURES_MS, () => late.abort(new Error('no figures in time')), true);
    try {
      return await figuresOf(this.layout.in('hubs', hubName(number), 'hub.sock'), late.signal);
    } catch (error) {
      throw new Error(`${hubName(number)} does not tell its figures: ${messageOf(error)}`, { cause: error });
    } finally {
      timer.cancel();
    }
  }
}

/** Throws where the version that is to be started could not read the configuration: the first hub would not come back, with neither version. */
async function requireSound({ env }: Part, program: string, configFile: string | undefined): Promise<void> {
  const words = [program, 'config', 'check', ...(configFile === undefined ? [] : ['--config', configFile])];
  try {
    await promisify(execFile)(process.execPath, words, { env: { ...env }, timeout: CHECK_MS });
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    throw new Error(`Nothing was renewed. ${said === '' ? messageOf(error) : said}`, { cause: error });
  }
}

/** Throws where the disk is so full that databases would not start, or die soon. */
function requireSpace(folder: string): void {
  const { bavail, bsize } = statfsSync(folder);
  const megabytes = Math.floor((bavail * bsize) / 1024 ** 2);
  if (megabytes < SPACE_MB)
    throw new Error(
      `The disk of ${folder} has ${megabytes} MB left, and a stack needs ${SPACE_MB} MB. Make room, or take another --folder.`,
    );
}
