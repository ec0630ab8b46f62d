/**
 * Starts an image's container by runc as `compose.yaml` would: read-only root, the image's user, no capabilities, bounded memory, what is
 * written on volumes and in memory, a network of its own.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '#core/clock';
import type { ImageConfig } from './build.ts';
import { run } from './command.ts';

export interface ContainerOptions {
  readonly name: string;
  readonly image: ImageConfig;
  /** Where its files are. */
  readonly root: string;
  /** The image's own by default. */
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Paths inside, written to; each begins with what the image has there. */
  readonly volumes: readonly string[];
  /** Files and folders of the machine by their path inside. */
  readonly mounts?: Readonly<Record<string, string>>;
  readonly memoryBytes: number;
}

export interface Container {
  readonly pid: number;
  /** Its exit code. */
  readonly ended: Promise<number>;
  /** What it wrote. */
  said(): string;
  /** Runs a program inside; its standard output. Throws where it does not end with 0. */
  exec(command: readonly string[]): string;
  kill(signal: string): void;
}

interface Listed {
  readonly id: string;
  readonly pid: number;
  readonly status: string;
}

const SYSTEM = ['nosuid', 'noexec', 'nodev'];
const START_MS = 10_000;
const ASK_MS = 50;

export class Runtime {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Runs it to its end. */
  async once(options: ContainerOptions): Promise<{ code: number; said: string }> {
    const child = this.#spawn(options);
    const code = await child.ended;
    return { code, said: child.said() };
  }

  /** Resolves when it runs, which is not yet when it answers. */
  async start(options: ContainerOptions): Promise<Container> {
    const child = this.#spawn(options);
    const pid = await this.#pidOf(options.name, child);
    return {
      pid,
      ...child,
      exec: (command) => this.#runc('exec', options.name, ...command),
      kill: (signal) => void this.#runc('kill', options.name, signal),
    };
  }

  /** Ends what still runs. */
  close(): void {
    for (const { id } of this.#list()) this.#runc('delete', '--force', id);
  }

  #spawn(options: ContainerOptions): Pick<Container, 'ended' | 'said'> {
    const bundle = path.join(this.#folder, options.name);
    mkdirSync(bundle, { recursive: true });
    writeFileSync(path.join(bundle, 'config.json'), JSON.stringify(specification(options, bundle)));
    const child = spawn('runc', [...this.#state(), 'run', '--bundle', bundle, options.name], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (said += text));
    const ended = once(child, 'close').then(([code]) => Number(code));
    return { ended, said: () => said };
  }

  async #pidOf(name: string, child: Pick<Container, 'ended' | 'said'>): Promise<number> {
    let over = false;
    void child.ended.then(() => (over = true));
    for (const until = systemClock.now() + START_MS; systemClock.now() < until; await systemClock.sleep(ASK_MS)) {
      if (over) break;
      const own = this.#list().find(({ id, status }) => id === name && status === 'running');
      if (own !== undefined) return own.pid;
    }
    throw new Error(`${name} did not start:\n${child.said()}`);
  }

  #list(): Listed[] {
    return (JSON.parse(this.#runc('list', '--format', 'json')) ?? []) as Listed[];
  }

  #runc(...words: readonly string[]): string {
    return run('runc', [...this.#state(), ...words]);
  }

  #state(): string[] {
    return ['--root', path.join(this.#folder, 'state')];
  }
}

/** By the runtime specification of the Open Container Initiative. */
function specification(options: ContainerOptions, bundle: string): unknown {
  const { image, root, volumes, mounts = {}, environment = {} } = options;
  const none = { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] };
  const [uid, gid] = userOf(image, root);
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid, gid },
      args: options.command ?? image.Cmd,
      env: [...image.Env, ...Object.entries(environment).map(([key, value]) => `${key}=${value}`)],
      cwd: image.WorkingDir === undefined || image.WorkingDir === '' ? '/' : image.WorkingDir,
      capabilities: none,
      noNewPrivileges: true,
    },
    root: { path: root, readonly: true },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      // Where Node reads how much memory it may have, read-only as Docker has it.
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...SYSTEM, 'ro'] },
      { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...SYSTEM, 'relatime', 'ro'] },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
      { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'size=64m'] },
      ...volumes.map((inside) => bind(inside, volumeOf(inside, root, bundle), 'rw')),
      ...Object.entries(mounts).map(([inside, outside]) => bind(inside, outside, 'ro')),
    ],
    linux: {
      namespaces: ['pid', 'ipc', 'uts', 'mount', 'network'].map((type) => ({ type })),
      resources: { memory: { limit: options.memoryBytes } },
    },
  };
}

function bind(destination: string, source: string, access: 'ro' | 'rw'): unknown {
  return { destination, type: 'bind', source, options: ['bind', access] };
}

/** A new volume begins with what the image has at its place, owners and rights included. */
function volumeOf(inside: string, root: string, bundle: string): string {
  const volume = path.join(bundle, 'volumes', inside);
  mkdirSync(path.dirname(volume), { recursive: true });
  run('cp', ['--archive', path.join(root, inside), volume]);
  return volume;
}

/** Numbers, as the image names them or as its own list of users has them. */
function userOf({ User }: ImageConfig, root: string): [uid: number, gid: number] {
  const [user = '', group = user] = User.split(':');
  const numberOf = (name: string, list: string): number =>
    Number(
      /^\d+$/.test(name) ? name : run('awk', ['-F:', `$1 == "${name}" { print $3 }`, path.join(root, 'etc', list)]),
    );
  return [numberOf(user, 'passwd'), numberOf(group, 'group')];
}
