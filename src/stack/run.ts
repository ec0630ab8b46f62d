/** A stack from its start to its end, with the socket by which `status`, `logs`, `scale`, `reload`, `deploy` and `down` speak to it. */
import path from 'node:path';
import type { Clock } from '#core/clock';
import { pause } from '#core/clock';
import { messageOf } from '#core/errors';
import { watchCertificates } from './alerting/certificates.ts';
import { autoscaleDefaults, startAutoscale } from './autoscale.ts';
import type { AutoscaleTargets } from './autoscale.ts';
import { serveControl } from './control.ts';
import type { Call } from './control.ts';
import { Layout } from './layout.ts';
import type { Followed, StackOptions } from './layout.ts';
import { boundLogs } from './log-files.ts';
import type { StackEvent } from './part.ts';
import { planOf } from './plan.ts';
import type { StackPlan } from './plan.ts';
import { Stack } from './stack.ts';
import type { StackStatus } from './stack.ts';
import { requireTlsFiles } from './tls.ts';

export interface RunOptions extends StackOptions {
  /** Follow the load; null: as many hubs as were asked for. */
  readonly autoscale: Partial<AutoscaleTargets> | null;
}

export interface RunHooks {
  readonly clock: Clock;
  /** Reads the hubs' configuration as it is now; throws where it is invalid. */
  readonly follow: (configFile: string | undefined) => Followed;
  readonly onEvent: (event: StackEvent) => void;
  /** Everything is ready. */
  readonly onUp: (status: StackStatus) => void;
  readonly onNote: (text: string) => void;
  /** Ends the stack. */
  readonly signal: AbortSignal;
  /** Ends it sooner: what is being ended by then is killed. */
  readonly hurry?: AbortSignal;
}

const LAST_WORDS_MS = 50;

export function controlFile(folder: string): string {
  return path.join(folder, 'control.sock');
}

/** Resolves when the stack was ended; rejects where it could not be started, and then nothing of it runs. */
export async function runStack(options: RunOptions, hooks: RunHooks): Promise<void> {
  const { clock, signal, onNote } = hooks;
  let tell: (event: StackEvent) => void = () => undefined;
  const onEvent = (event: StackEvent): void => {
    hooks.onEvent(event);
    tell(event);
  };
  if (options.tls !== undefined) requireTlsFiles(options.tls, clock.wallMs());
  const stack = new Stack(options, { clock, follow: hooks.follow, onEvent });
  await stack.takeOver();
  const end = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => end.resolve());
  hooks.hurry?.addEventListener('abort', () => stack.hurry());
  const { promise: up, resolve, reject } = Promise.withResolvers<void>();
  // Whoever asks hears of it; until then it is nobody's rejection.
  up.catch(() => undefined);
  const control = await serveControl(controlFile(options.folder), (call) => answer(stack, up, call, end.resolve));
  tell = (event) => control.tell(event);
  // Not before: what was started could be neither spoken to nor ended.
  stack.up().then(resolve, reject);
  const certificates = watch(options, stack, hooks);
  const logs = boundLogs({
    clock,
    logs: () => stack.logs(),
    onFailure: (file, error) => onNote(`${file} grows, and cannot be put aside: ${messageOf(error)}`),
  });
  try {
    await Promise.race([up, end.promise]);
    if (!signal.aborted) hooks.onUp(stack.status());
    const autoscale = options.autoscale === null ? null : follow(stack, options.autoscale, clock, onNote);
    await end.promise;
    autoscale?.stop();
    await stack.down();
  } finally {
    certificates?.stop();
    logs.stop();
    // Who waits for an answer gets it first.
    await pause(clock, LAST_WORDS_MS);
    control.close();
  }
}

/** What `runStack` would start, and what stands in the way. Throws where the options cannot be carried out at all. */
export function planStack(options: StackOptions, clock: Clock): Promise<StackPlan> {
  if (options.tls !== undefined) requireTlsFiles(options.tls, clock.wallMs());
  return planOf(new Layout(options));
}

async function answer(stack: Stack, up: Promise<void>, { command, words }: Call, end: () => void): Promise<unknown> {
  switch (command) {
    case 'ready':
      await up;
      return stack.status();
    case 'status':
      return stack.status();
    case 'log':
      return stack.logOf(String(words['part']));
    case 'scale':
      await up;
      await stack.scale(Number(words['hubs']));
      return stack.status();
    case 'reload':
      await up;
      await stack.reload();
      return stack.status();
    case 'deploy': {
      await up;
      const settleMs = typeof words['settleMs'] === 'number' ? words['settleMs'] : undefined;
      await stack.deploy({ program: String(words['program']), settleMs });
      return stack.status();
    }
    case 'down':
      await stack.down();
      end();
      return null;
    default:
      throw new Error(`The stack knows no "${command}".`);
  }
}

/** Null where no certificate is served, or nobody would read of it. */
function watch({ tls, monitoring }: RunOptions, { layout }: Stack, { clock, onNote }: RunHooks) {
  if (tls === undefined || !monitoring) return null;
  return watchCertificates({
    clock,
    certificates: [tls.certificate],
    folder: layout.textfiles,
    onFailure: (error) => onNote(`the end of the certificate is not known: ${messageOf(error)}`),
  });
}

function follow(stack: Stack, targets: Partial<AutoscaleTargets>, clock: Clock, onNote: (text: string) => void) {
  return startAutoscale({
    clock,
    prometheus: `http://${stack.layout.local('prometheus')}`,
    targets: { ...autoscaleDefaults, ...targets },
    current: () => stack.status().hubs,
    scale: (count) => stack.scale(count),
    onDecision: (from, to) => onNote(`the load asks for ${to} hubs; there are ${from}`),
    onFailure: (error) => onNote(`the load could not be followed: ${messageOf(error)}`),
  });
}
