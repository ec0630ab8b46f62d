/**
 * Builds images by their Dockerfiles where no registry of images is at hand: the base images are made here, of Debian's packages and
 * the Node that runs this, and stand in for `debian:…-slim` and `node:…-slim`. Everything lies in one folder; nothing else is touched.
 */
import { copyFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { run } from './command.ts';

export interface Images {
  /** The names of what was built, and of what stood in for the base images. */
  readonly hub: string;
  readonly balancer: string;
  readonly node: string;
  readonly debian: string;
}

/** What an image says of itself, as `docker inspect` shows it. */
export interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Cmd: readonly string[];
  readonly WorkingDir?: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly StopSignal: string;
  readonly Healthcheck?: { readonly Test: readonly string[] };
}

const names: Images = {
  hub: 'localhost/revoagent:local',
  balancer: 'localhost/revoagent-balancer:local',
  node: 'localhost/node:local',
  debian: 'localhost/debian:local',
};

export class Builder {
  readonly #folder: string;
  readonly #project: string;

  constructor(folder: string, project: string) {
    this.#folder = folder;
    this.#project = project;
  }

  /** From the folder `debian`, which is left as it is; without one debootstrap makes it. Takes minutes: says what it does through `onStep`. */
  build(debian: string | undefined, onStep: (text: string) => void): Images {
    const root = path.join(this.#folder, 'root');
    if (debian === undefined) {
      onStep('Debian 12 into a folder, by debootstrap');
      run('debootstrap', ['--variant=minbase', '--include=ca-certificates,libatomic1', 'bookworm', root]);
      run('chroot', [root, 'apt-get', 'clean']);
    } else {
      run('cp', ['--archive', debian, root]);
    }
    this.#imageOf(root, names.debian);
    onStep(`Node ${process.version} and npm on top of it`);
    addNode(root);
    this.#imageOf(root, names.node);
    onStep('the hub, by deploy/docker/Dockerfile');
    this.#byDockerfile('Dockerfile', '.', names.hub, [
      ['--build-arg', `NODE_IMAGE=${names.node}`],
      ['--build-arg', `REVISION=${run('git', ['-C', this.#project, 'rev-parse', 'HEAD']).trim()}`],
      ...this.#registry(),
    ]);
    onStep('the balancer, by deploy/docker/nginx.Dockerfile');
    this.#byDockerfile('nginx.Dockerfile', 'deploy/docker', names.balancer, [['--from', names.debian]]);
    return names;
  }

  inspect(image: string): ImageConfig {
    const { Docker } = JSON.parse(this.#buildah('inspect', '--type', 'image', image)) as {
      Docker: { config: ImageConfig };
    };
    return Docker.config;
  }

  /** Bytes of its files, not compressed. */
  sizeOf(image: string): number {
    return Number.parseInt(run('du', ['--summarize', '--apparent-size', '--block-size=1', this.mount(image)]), 10);
  }

  /** A folder with the files of a new container of it. */
  mount(image: string): string {
    const container = this.#buildah('from', '--pull-never', image).trim();
    return this.#buildah('mount', container).trim();
  }

  #imageOf(root: string, name: string): void {
    const container = this.#buildah('from', 'scratch').trim();
    this.#buildah('copy', '--quiet', container, root, '/');
    this.#buildah('commit', '--quiet', '--rm', container, name);
  }

  #byDockerfile(file: string, context: string, name: string, more: readonly (readonly string[])[]): void {
    // The only way of RUN that needs no engine and no network of its own; Docker's format keeps the HEALTHCHECK.
    const how = ['--isolation', 'chroot', '--format', 'docker', '--pull-never'];
    const from = ['--file', path.join(this.#project, 'deploy/docker', file), '--tag', name];
    this.#buildah('bud', ...how, ...more.flat(), ...from, path.join(this.#project, context));
  }

  /** The registry of this machine's npm and whom it trusts, for the time of the build: nothing of it is left in the image. */
  #registry(): (readonly string[])[] {
    const [registry = '', cafile = ''] = ['registry', 'cafile'].map((key) => run('npm', ['config', 'get', key]).trim());
    // npm says "null" where there is none.
    const authority = process.env['NODE_EXTRA_CA_CERTS'] ?? (cafile === 'null' ? undefined : cafile);
    const settings = path.join(this.#folder, 'npmrc');
    const trusted = '/usr/local/etc/registry.crt';
    writeFileSync(settings, `registry=${registry}\n${authority === undefined ? '' : `cafile=${trusted}\n`}`);
    return [
      ['--volume', `${settings}:/usr/local/etc/npmrc:ro`],
      ...(authority === undefined ? [] : [['--volume', `${authority}:${trusted}:ro`]]),
    ];
  }

  #buildah(...words: readonly string[]): string {
    const [root, runRoot] = ['storage', 'run'].map((name) => path.join(this.#folder, name));
    return run('buildah', ['--root', root ?? '', '--runroot', runRoot ?? '', '--storage-driver', 'vfs', ...words]);
  }
}

/** As the official image has them: the program, npm, and a user `node` with the number 1000. */
function addNode(root: string): void {
  const local = path.join(root, 'usr/local');
  copyFileSync(process.execPath, path.join(local, 'bin/node'));
  run('npm', ['install', '--global', '--prefix', local, `npm@${run('npm', ['--version']).trim()}`]);
  run('chroot', [root, 'groupadd', '--gid', '1000', 'node']);
  run('chroot', [root, 'useradd', '--uid', '1000', '--gid', 'node', '--create-home', 'node']);
}
