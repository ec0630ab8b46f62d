/** `serve`: starts the hub, says what it found, and hands signals on until it ends. */
import { messageOf } from '#core/errors';
import { ConfigError } from '#config/index';
import { startHub } from '#hub/index';
import type { Hub } from '#hub/index';
import { banner } from './banner.ts';
import { load, writeJson } from './options.ts';
import type { ServeOptions } from './options.ts';

export async function serve(options: ServeOptions): Promise<void> {
  const { config, discovered } = load(options);
  const hub = await startHub(config, discovered, { colours: process.stderr.isTTY && options.json !== true });
  // Before anybody can know that it runs, and stop it.
  const stopped = untilStopped(hub, options);
  if (options.json === true) writeJson({ event: 'started', ...hub.summary });
  else console.log(banner(hub.summary, process.stdout.isTTY));
  await stopped;
}

function untilStopped(hub: Hub, options: ServeOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (stopping) {
        console.error(`revoagent: ${signal} again: ending at once`);
        process.exit(1);
      }
      stopping = true;
      hub.shutdown(signal).then(resolve, reject);
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
    process.on('SIGHUP', () => void reload(hub, options));
    const broken = (error: unknown): void => {
      console.error('revoagent: a failure that nothing handled; ending, because the state is unknown', error);
      process.exit(1);
    };
    process.on('uncaughtException', broken);
    process.on('unhandledRejection', broken);
  });
}

async function reload(hub: Hub, options: ServeOptions): Promise<void> {
  try {
    await hub.reload(load(options).config);
  } catch (error) {
    const why = error instanceof ConfigError ? `\n${error.message.replace(/^/gm, '  ')}` : ` ${messageOf(error)}`;
    console.error(`revoagent: the configuration stays as it was, because the new one is invalid:${why}`);
  }
}
