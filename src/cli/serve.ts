/** `serve`: starts the hub, says what it found, and hands signals on until it ends. */
import { flushCompileCache } from 'node:module';
import { systemClock } from '#core/clock';
import type { Loaded } from '#config/index';
import { startHub, withExample } from '#hub/index';
import type { Hub } from '#hub/index';
import { banner, keyCommand } from './banner.ts';
import { load, loadAndLook } from './load.ts';
import { TOLD_TWICE_MS, writeJson } from './options.ts';
import type { ServeOptions } from './options.ts';

/** For what is closed and still open when everything has been written. */
const LINGER_MS = 500;

export async function serve(options: ServeOptions): Promise<void> {
  const { config, discovered, ollama } = await loadAndLook(options);
  const found = await withExample(config, discovered);
  const hub = await startHub(config, found, { colours: process.stderr.isTTY && options.json !== true });
  // Before anybody can know that it runs, and stop it.
  const stopped = untilStopped(hub, () => load(options, ollama));
  if (options.json === true) writeJson({ event: 'started', ...hub.summary });
  else console.log(banner(hub.summary, keyCommand(options, config), process.stdout.isTTY));
  // Node would write it at a good end, and a hub may be killed: the next start is to be as quick.
  flushCompileCache();
  await stopped;
  // A connection to what hangs would hold the process; without one this timer does not.
  systemClock.schedule(LINGER_MS, () => process.exit());
}

/** `again` reads the configuration as it is now; an Ollama that was found stays found, as one that is configured does. */
function untilStopped(hub: Hub, again: () => Loaded): Promise<void> {
  return new Promise((resolve, reject) => {
    let stoppingSince: number | undefined;
    const stop = (signal: NodeJS.Signals): void => {
      if (stoppingSince === undefined) {
        stoppingSince = systemClock.now();
        hub.shutdown(signal).then(resolve, reject);
      } else if (systemClock.now() - stoppingSince > TOLD_TWICE_MS) {
        console.error(`revoagent: ${signal} again: ending at once`);
        process.exit(1);
      }
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
    process.on(
      'SIGHUP',
      inTurn(() => reload(hub, again)),
    );
    const broken = (error: unknown): void => {
      console.error('revoagent: a failure that nothing handled; ending, because the state is unknown', error);
      process.exit(1);
    };
    process.on('uncaughtException', broken);
    process.on('unhandledRejection', broken);
  });
}

/** Never two at once, and one more for all that were asked for meanwhile: what the file says last comes into force last. `act` never rejects. */
function inTurn(act: () => Promise<void>): () => void {
  let isAsked = false;
  let isUnderWay = false;
  const goOn = async (): Promise<void> => {
    isUnderWay = true;
    while (isAsked) {
      isAsked = false;
      await act();
    }
    isUnderWay = false;
  };
  return () => {
    isAsked = true;
    if (!isUnderWay) void goOn();
  };
}

async function reload(hub: Hub, again: () => Loaded): Promise<void> {
  try {
    await hub.reload(again().config);
  } catch (error) {
    await hub.refuse(error);
  }
}
