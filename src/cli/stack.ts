/** `up`, and what is said to a stack that runs: `status`, `logs`, `scale`, `reload`, `deploy`, `down`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { pause, systemClock } from '#core/clock';
import { messageOf } from '#core/errors';
import { environmentWith, loadReceivers } from '#config/index';
import type { Receivers } from '#config/index';
import { readAdminKey } from '#hub/index';
import { callStack, controlFile, hubBounds, makeFolder, planStack, runStack, StackEndedError } from '#stack/index';
import type { Followed, RunOptions, StackEvent, StackStatus } from '#stack/index';
import { load } from './load.ts';
import { TOLD_TWICE_MS, writeJson } from './options.ts';

export interface FolderOptions {
  readonly folder?: string;
  readonly json?: boolean;
}

export interface UpOptions extends FolderOptions {
  readonly config?: string;
  readonly hubs: string;
  readonly listen?: string;
  readonly adminKeyFile?: string;
  readonly portOffset: string;
  readonly tlsListen?: string;
  readonly tlsCertificate?: string;
  readonly tlsKey?: string;
  readonly monitoring: boolean;
  readonly receivers?: string;
  readonly alertWebhook?: string;
  readonly autoscale?: boolean;
  readonly requestsPerMinute?: string;
  readonly scaleDownWindow?: string;
  readonly detach?: boolean;
  readonly only?: readonly string[];
  readonly drills?: boolean;
  readonly dryRun?: boolean;
}

const ASK_MS = 100;
/** For one that has said its last word. */
const END_MS = 10_000;

/** In the foreground until a signal or `down`; with `--detach` until everything is ready. */
export async function up(options: UpOptions): Promise<void> {
  if (options.dryRun === true) return showPlan(options);
  if (options.detach === true) return detached(options);
  const say = (text: string): void => (options.json === true ? writeJson({ note: text }) : console.log(text));
  const ending = new AbortController();
  const hurrying = new AbortController();
  let stoppingSince: number | undefined;
  const stop = (): void => {
    if (stoppingSince === undefined) {
      stoppingSince = systemClock.now();
      say('Ending, in the reverse order. What is being served gets its time; once more cuts it.');
      ending.abort(new Error('asked to end'));
    } else if (systemClock.now() - stoppingSince > TOLD_TWICE_MS && !hurrying.signal.aborted) {
      say('Ending at once: what was being served is cut.');
      hurrying.abort(new Error('asked to end at once'));
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
  try {
    await runStack(runOptionsOf(options), {
      clock: systemClock,
      signal: ending.signal,
      follow,
      hurry: hurrying.signal,
      onEvent: (event) => showEvent(event, options),
      onUp: (status) => showUp(status, options),
      onNote: say,
    });
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop);
  }
}

/** Ends with 1 where it could not be started. */
async function showPlan(options: UpOptions): Promise<void> {
  const plan = await planStack(runOptionsOf(options), systemClock);
  if (options.json === true) writeJson(plan);
  else {
    console.log(`In ${plan.folder}, each after what it needs:\n`);
    for (const { name, binds, command, needs } of plan.parts)
      console.log(
        `  ${name.padEnd(22)} ${binds.join(', ').padEnd(32)} ${command[0]}${needs.length === 0 ? '' : `, after ${needs.join(', ')}`}`,
      );
    console.log(plan.problems.length === 0 ? '\nNothing stands in the way. Nothing was started.' : '');
  }
  if (plan.problems.length > 0) throw new Error(plan.problems.join('\n'));
}

async function detached(options: UpOptions): Promise<void> {
  const folder = folderOf(options);
  await requireNone(folder);
  makeFolder(folder);
  const log = path.join(folder, 'logs', 'supervisor.log');
  const output = openSync(log, 'w', 0o600);
  // Its log is read by people, also where this command's output is not.
  const words = process.argv.slice(1).filter((word) => !['--detach', '-d', '--json'].includes(word));
  const child = spawn(process.execPath, words, { detached: true, stdio: ['ignore', output, output] });
  closeSync(output);
  let ended = false;
  const exited = once(child, 'exit').then(() => (ended = true));
  const none = 'no stack yet';
  for (;;) {
    try {
      const status = await callStack(
        controlFile(folder),
        { command: 'ready', words: {} },
        (event) => showEvent(event, options),
        none,
      );
      child.unref();
      return showUp(status as StackStatus, options);
    } catch (error) {
      // It may be known to this process only later that the other one is gone.
      if (error instanceof StackEndedError) await Promise.race([exited, pause(systemClock, END_MS)]);
      // For as long as it lives: what a dead supervisor left may be ending, with all its time.
      const early = messageOf(error) === none && !ended;
      if (!early)
        throw ended
          ? new Error(
              readFileSync(log, 'utf8')
                .trim()
                .replace(/^revoagent: /gm, ''),
            )
          : error;
    }
    await pause(systemClock, ASK_MS);
  }
}

/** Throws where a stack runs in the folder: it would be taken for the new one. */
async function requireNone(folder: string): Promise<void> {
  const none = 'no stack';
  try {
    await callStack(controlFile(folder), { command: 'status', words: {} }, () => undefined, none);
  } catch (error) {
    if (messageOf(error) === none) return;
    throw error;
  }
  throw new Error(`A stack runs already in ${folder}. See: revoagent status --folder ${folder}`);
}

export async function stackStatus(options: FolderOptions & { readonly pids?: string }): Promise<void> {
  const status = await call<StackStatus>(options, 'status');
  if (options.pids !== undefined) return showPids(status, options.pids);
  if (options.json === true) return writeJson(status);
  for (const { name, state, pid, restarts, readyForMs, shown } of status.parts)
    console.log(
      [
        name.padEnd(22),
        state.padEnd(9),
        String(pid ?? '–').padStart(8),
        (readyForMs === null ? '–' : `${Math.round(readyForMs / 1000)} s`).padStart(9),
        restarts === 0 ? '' : `${restarts} restarts`,
        shown?.url ?? '',
      ].join('  '),
    );
}

/** For `kill` and the like: of the part of this name, or of all whose names begin with it. Throws where none runs. */
function showPids({ parts }: StackStatus, name: string): void {
  const exact = parts.filter((part) => part.name === name);
  const meant = exact.length > 0 ? exact : parts.filter((part) => part.name.startsWith(`${name}-`));
  const pids = meant.flatMap(({ pid }) => (pid === null ? [] : [pid]));
  if (pids.length === 0)
    throw new Error(`No process of "${name}" runs. There are: ${parts.map((part) => part.name).join(', ')}.`);
  for (const pid of pids) console.log(pid);
}

export async function stackLogs(part: string, options: FolderOptions & { readonly lines: string }): Promise<void> {
  const lines = Number(options.lines);
  if (!Number.isInteger(lines) || lines < 1)
    throw new Error(`--lines wants a whole number above 0, not "${options.lines}".`);
  const file = await call<string>(options, 'log', { part });
  const text = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  if (options.json === true) writeJson({ part, file, text });
  else console.log(text);
}

export async function stackScale(count: string, options: FolderOptions): Promise<void> {
  const hubs = Number(count);
  if (!Number.isInteger(hubs)) throw new Error(`"${count}" is no number of hubs.`);
  showDone(await call<StackStatus>(options, 'scale', { hubs }), options);
}

export async function stackReload(options: FolderOptions): Promise<void> {
  showDone(await call<StackStatus>(options, 'reload'), options);
}

export async function stackDeploy(
  options: FolderOptions & { readonly from?: string; readonly settle?: string },
): Promise<void> {
  const program = path.resolve(
    // Where npm put a link to it, that is called.
    options.from ?? path.dirname(path.dirname(realpathSync(process.argv[1] ?? ''))),
    'bin',
    'revoagent.js',
  );
  if (!existsSync(program)) throw new Error(`There is no version to deploy: ${program} is missing.`);
  const settleMs = options.settle === undefined ? undefined : Number(options.settle) * 1_000;
  if (settleMs !== undefined && !(settleMs >= 0)) throw new Error(`--settle wants seconds, not "${options.settle}".`);
  showDone(await call<StackStatus>(options, 'deploy', { program, settleMs }), options);
}

export async function stackDown(options: FolderOptions): Promise<void> {
  await call<null>(options, 'down');
  if (options.json === true) writeJson({ down: true });
  else console.log('Everything has ended. The data stays where it is.');
}

async function call<T>(options: FolderOptions, command: string, words: Record<string, unknown> = {}): Promise<T> {
  const folder = folderOf(options);
  const none = `No stack runs in ${folder}. Start one: revoagent up${inFolder(options)}`;
  const result = await callStack(controlFile(folder), { command, words }, (event) => showEvent(event, options), none);
  // The other end is this very program.
  return result as T;
}

/** What a command needs besides, to find this stack again. */
function inFolder(options: FolderOptions): string {
  return options.folder === undefined ? '' : ` --folder ${folderOf(options)}`;
}

/** For root where services keep their data, since PostgreSQL runs as another user, who must get there. */
export function folderOf({ folder }: FolderOptions): string {
  return path.resolve(folder ?? (process.getuid?.() === 0 ? '/var/lib/revoagent-stack' : '.revoagent-stack'));
}

function runOptionsOf(options: UpOptions): RunOptions {
  const { config, listen, adminKeyFile, tlsListen, tlsCertificate, tlsKey, monitoring, only } = options;
  const followed = follow(config);
  const tls = [tlsListen, tlsCertificate, tlsKey].filter((each) => each !== undefined);
  if (tls.length !== 0 && tls.length !== 3)
    throw new Error('TLS needs all three: --tls-listen, --tls-certificate and --tls-key.');
  if (options.drills === true && (config !== undefined || !monitoring))
    throw new Error('--drills brings a configuration of its own and needs the monitoring.');
  if (options.autoscale === true && !monitoring)
    throw new Error('--autoscale asks Prometheus: it needs the monitoring.');
  // What has no port is no address, and is refused as such.
  for (const address of [listen, tlsListen])
    if (address !== undefined && !/^(?:127\.|localhost:|\[::1\]|[^:]*$)/.test(address) && adminKeyFile === undefined)
      throw new Error(
        `Who listens on ${address} needs a key first: revoagent keys generate > admin.key, then --admin-key-file admin.key`,
      );
  if (adminKeyFile !== undefined) readAdminKey(path.resolve(adminKeyFile));
  return {
    folder: folderOf(options),
    hubs: numberOf('--hubs', options.hubs),
    portOffset: numberOf('--port-offset', options.portOffset),
    listen,
    configFile: config === undefined ? undefined : path.resolve(config),
    ...followed,
    adminKeyFile: adminKeyFile === undefined ? undefined : path.resolve(adminKeyFile),
    tls:
      tlsListen === undefined || tlsCertificate === undefined || tlsKey === undefined
        ? undefined
        : { listen: tlsListen, certificate: path.resolve(tlsCertificate), key: path.resolve(tlsKey) },
    monitoring,
    receivers: receiversOf(options),
    only,
    drills: options.drills,
    autoscale: options.autoscale === true ? autoscaleOf(options) : null,
  };
}

/** Throws with every error of the file at once, before anything is started with it. */
function follow(config: string | undefined): Followed {
  const { config: read } = load(config === undefined ? {} : { config });
  return { shutdownGraceMs: read.server.shutdownGraceMs, hubBounds: hubBounds(read) };
}

/** How much of it there may be is for the stack to say. */
function numberOf(flag: string, text: string): number {
  const number = Number(text);
  if (Number.isFinite(number) && text.trim() !== '') return number;
  throw new Error(`${flag} wants a number, not "${text}".`);
}

function autoscaleOf({ requestsPerMinute, scaleDownWindow }: UpOptions): NonNullable<RunOptions['autoscale']> {
  const above0 = (flag: string, text: string): number => {
    if (!(Number(text) > 0)) throw new Error(`${flag} wants a number above 0, not "${text}".`);
    return Number(text);
  };
  return {
    ...(requestsPerMinute === undefined
      ? {}
      : { requestsPerMinute: above0('--requests-per-minute', requestsPerMinute) }),
    ...(scaleDownWindow === undefined ? {} : { downWindowMs: above0('--scale-down-window', scaleDownWindow) * 1_000 }),
  };
}

/** Of the file, or one webhook for everything. */
function receiversOf({ receivers, alertWebhook, monitoring }: UpOptions): Receivers | undefined {
  if (receivers === undefined && alertWebhook === undefined) return undefined;
  if (!monitoring) throw new Error('--receivers and --alert-webhook are for Alertmanager: they need the monitoring.');
  if (receivers !== undefined && alertWebhook !== undefined)
    throw new Error('Give --receivers or --alert-webhook: the file can name webhooks too.');
  if (receivers !== undefined) return loadReceivers(path.resolve(receivers), environmentWith({}));
  const url = alertWebhook ?? '';
  if (!URL.canParse(url) || !/^https?:/.test(url)) throw new Error(`--alert-webhook wants an address, not "${url}".`);
  const webhook = { url };
  return { critical: { webhook }, warning: { webhook }, info: { webhook } };
}

export function showEvent({ part, what, detail }: StackEvent, { json }: FolderOptions): void {
  if (json === true) writeJson({ event: { part, what, detail } });
  else if (what !== 'starting') console.log(`  ${part.padEnd(22)} ${what}${detail === '' ? '' : `  ${detail}`}`);
}

function showUp(status: StackStatus, options: FolderOptions): void {
  if (options.json === true) return writeJson({ up: status });
  console.log('\nEverything is ready:\n');
  for (const { shown } of status.parts) if (shown !== null) console.log(`  ${shown.what.padEnd(22)} ${shown.url}`);
  console.log(`\nrevoagent status | logs <part> | scale <hubs> | reload | deploy | down${inFolder(options)}`);
}

function showDone(status: StackStatus, { json }: FolderOptions): void {
  if (json === true) writeJson(status);
  else console.log(`Done: ${status.hubs} hubs.`);
}
