/**
 * One server by itself, without a supervisor: for tests, measurements and whoever needs a real one for a while. It is killed, paused and
 * started again with real signals, and goes with the process that started it.
 */
import type { Clock } from '#core/clock';
import { pause } from '#core/clock';
import type { Server } from '../part.ts';
import { saysYes } from '../probes.ts';
import { StackProcess, tailOf } from '../process.ts';

const ASK_MS = 20;
const ANSWER_MS = 2_000;

export interface StartedServer {
  readonly running: boolean;
  readonly pid: number;
  /** Sends it to the server alone, where it runs. */
  signal(name: NodeJS.Signals): void;
  /** `kill -9` of it and all in its group. */
  kill(): Promise<void>;
  /** In good order, by its own signal; killed where that takes too long. */
  stop(): Promise<void>;
  /** Kills what is left of it, and starts it again in the same place. */
  restart(): Promise<void>;
}

/** Resolves when it is ready; rejects with the last lines of its log where it is not in time, and then it does not run. */
export async function startServer(server: Server, log: string, clock: Clock): Promise<StartedServer> {
  let own = await begun(server, log, clock);
  const atExit = (): void => {
    if (own.running) own.kill();
  };
  process.once('exit', atExit);

  async function kill(): Promise<void> {
    process.off('exit', atExit);
    if (!own.running) return;
    own.keepsAlive(true);
    own.kill();
    await own.ended;
  }
  return {
    get running() {
      return own.running;
    },
    get pid() {
      return own.pid;
    },
    signal: (name) => own.signal(name),
    kill,
    async stop() {
      process.off('exit', atExit);
      if (!own.running) return;
      own.keepsAlive(true);
      own.signal(server.stopSignal);
      const late = clock.schedule(server.stopMs, () => own.kill());
      await own.ended;
      late.cancel();
    },
    async restart() {
      await kill();
      own = await begun(server, log, clock);
      process.once('exit', atExit);
    },
  };
}

async function begun(server: Server, log: string, clock: Clock): Promise<StackProcess> {
  server.prepare?.();
  const own = await StackProcess.start(server, log);
  const end = clock.now() + server.readyMs;
  while (!(await saysYes(clock, server.isReady.bind(server), ANSWER_MS))) {
    if (!own.running || clock.now() > end) {
      own.kill();
      throw new Error(`${server.name} ${own.running ? 'was not ready in time' : await own.ended}:\n${tailOf(log)}`);
    }
    await pause(clock, ASK_MS);
  }
  // Whoever forgets it is not held up by it: it goes with him.
  own.keepsAlive(false);
  return own;
}
