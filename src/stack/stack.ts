/**
 * A whole stack on one machine: brought up in the order of what its parts need, scaled and renewed while it serves, ended in the
 * reverse order. One of its acts at a time; status may be asked always.
 */
import { mkdirSync } from 'node:fs';
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import { figuresOf } from './figures.ts';
import type { HubFigures } from './figures.ts';
import type { StackOptions } from './layout.ts';
import { HUBS_MAX, HUBS_MIN, Layout, shipped } from './layout.ts';
import type { Part, PartStatus, StackEvent } from './part.ts';
import { hubName, hubPart } from './parts/hub.ts';
import { MONITORING_PROGRAMS, monitoringParts, writeTargets } from './parts/monitoring.ts';
import { nginxPart } from './parts/nginx.ts';
import { postgresPart } from './parts/postgres.ts';
import { redisPart } from './parts/redis.ts';
import { findPrograms } from './programs.ts';
import { endLeft, readState, removeState, startOf, writeState } from './state.ts';
import { Supervisor } from './supervisor.ts';

/** Over the balancer's `fail_timeout`: a second instance that goes sooner finds the first one still shunned. */
const SETTLE_MS = 11_000;
/** A new instance that fails more of its requests than this is not let go on. */
const ERRORS_MAX = 0.05;
const JUDGED_REQUESTS = 20;
const FIGURES_MS = 2_000;

export interface StackParts {
  readonly clock: Clock;
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
  readonly layout: Layout;
  readonly #clock: Clock;
  readonly #onEvent: StackParts['onEvent'];
  readonly #supervisor: Supervisor;
  #program = shipped('bin', 'revoagent.js');
  #hubs: number[] = [];
  #busy: string | null = null;

  constructor(options: StackOptions, { clock, onEvent }: StackParts) {
    this.layout = new Layout(options);
    this.#clock = clock;
    this.#onEvent = onEvent;
    mkdirSync(options.folder, { recursive: true, mode: 0o755 });
    mkdirSync(this.layout.in('logs'), { recursive: true, mode: 0o700 });
    this.#supervisor = new Supervisor({ clock, logs: this.layout.in('logs'), onEvent, onChange: () => this.#note() });
  }

  /** All or nothing: where a part does not get ready, what was started is ended, and the reason thrown. */
  async up(): Promise<void> {
    requireHubs(this.layout.options.hubs);
    const parts = this.#partsOf();
    try {
      await this.#supervisor.start(parts);
    } catch (error) {
      await this.down();
      throw error;
    }
    this.#hubs = numbers(this.layout.options.hubs);
    this.#retarget();
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

  /** Starts hubs, or ends those with the highest numbers after what they serve; the balancer needs no reload for it. */
  scale(count: number): Promise<void> {
    requireHubs(count);
    return this.#alone('scale', async () => {
      const more = numbers(count).filter((number) => !this.#hubs.includes(number));
      await this.#supervisor.start(more.map((number) => hubPart(this.layout, number, this.#program)));
      const fewer = this.#hubs.filter((number) => number > count);
      this.#hubs = numbers(count);
      this.#retarget();
      for (const number of fewer.toReversed()) await this.#supervisor.remove(hubName(number));
    });
  }

  /**
   * Renews one hub after the other; the next one only where this one is ready and does not fail its callers. Otherwise all that were
   * renewed get their old version back, and the reason is thrown.
   */
  deploy({ program, settleMs = SETTLE_MS }: DeployOptions): Promise<void> {
    return this.#alone('deploy', async () => {
      const done: number[] = [];
      try {
        for (const number of this.#hubs) {
          done.push(number);
          await this.#supervisor.replace(hubPart(this.layout, number, program));
          await this.#settle(settleMs);
          await this.#judge(number);
        }
        this.#program = program;
      } catch (error) {
        for (const number of done) await this.#supervisor.replace(hubPart(this.layout, number, this.#program));
        throw new Error(`rolled back: ${messageOf(error)}`, { cause: error });
      }
    });
  }

  async down(): Promise<void> {
    await this.#supervisor.stop();
    removeState(this.#stateFile);
  }

  get #stateFile(): string {
    return this.layout.in('state.json');
  }

  #partsOf(): Part[] {
    const { hubs, monitoring } = this.layout.options;
    const files = findPrograms([
      'postgres',
      'initdb',
      'redis-server',
      'nginx',
      ...(monitoring ? MONITORING_PROGRAMS : []),
    ] as const);
    return [
      postgresPart(this.layout, files),
      redisPart(this.layout, 'cache', files['redis-server']),
      redisPart(this.layout, 'state', files['redis-server']),
      ...numbers(hubs).map((number) => hubPart(this.layout, number)),
      nginxPart(this.layout, files.nginx),
      ...(monitoring ? monitoringParts(this.layout, files) : []),
    ];
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
    if (state === null) return;
    if (state.startedAt !== '' && startOf(state.pid) === state.startedAt)
      throw new Error(
        `A stack runs already in ${this.layout.options.folder} (process ${state.pid}). See: revoagent status`,
      );
    for (const part of await endLeft(state, this.#clock))
      this.#onEvent({ part, what: 'stopped', detail: 'left by a stack that died' });
  }

  #note(): void {
    const processes = this.#supervisor.status().flatMap(({ name, pid }) => {
      const stopSignal = this.#supervisor.partOf(name)?.stopSignal;
      return pid === null || stopSignal === undefined ? [] : [{ name, pid, startedAt: startOf(pid), stopSignal }];
    });
    writeState(this.#stateFile, { pid: process.pid, startedAt: startOf(process.pid), processes });
  }

  #retarget(): void {
    if (this.layout.options.monitoring) writeTargets(this.layout, this.#hubs);
  }

  #settle(settleMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.schedule(settleMs, resolve, true);
    });
  }

  async #judge(number: number): Promise<void> {
    const { requests, errors } = await this.#figures(number);
    if (requests < JUDGED_REQUESTS || errors / requests <= ERRORS_MAX) return;
    throw new Error(`${hubName(number)} failed ${errors} of its first ${requests} requests`);
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

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at + 1);
}

function requireHubs(count: number): void {
  if (!Number.isInteger(count) || count < HUBS_MIN || count > HUBS_MAX)
    throw new Error(`A stack has ${HUBS_MIN} to ${HUBS_MAX} hubs, not ${count}.`);
}
