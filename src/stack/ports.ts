/** Whether an address is free, and who has it where it is not: from /proc, where there is one. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';

interface Binding {
  readonly name: string;
  readonly binds: readonly string[];
}

/** Throws with all that cannot be bound, a line each, with who has it. */
export async function requireFree(parts: readonly Binding[]): Promise<void> {
  const problems = await portProblems(parts);
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

/** In words; nothing where every address can be bound. */
export async function portProblems(parts: readonly Binding[]): Promise<string[]> {
  const asked = parts.flatMap(({ name, binds }) => binds.map((address) => problemAt(name, address)));
  return (await Promise.all(asked)).filter((problem) => problem !== null);
}

async function problemAt(part: string, address: string): Promise<string | null> {
  const at = address.lastIndexOf(':');
  const [host, port] = [address.slice(0, at).replace(/^\[(.*)\]$/, '$1'), Number(address.slice(at + 1))];
  const problem = await tryToListen(host, port);
  if (problem === null) return null;
  if (problem === 'EADDRINUSE')
    return `${part} needs port ${port}, which is taken by ${ownerOf(port)}. End that, or move all ports: --port-offset 1000`;
  if (problem === 'EACCES') return `${part} may not bind port ${port} as this user. Be root, or move it.`;
  return `${part} cannot listen on ${address}: ${problem}`;
}

function tryToListen(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

const LISTENING = '0A';

/** "nginx (process 123)", or that it cannot be told. */
function ownerOf(port: number): string {
  try {
    const inodes = new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => listenersIn(file, port)));
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
      if (holdsOneOf(pid, inodes)) return `${nameOf(pid)} (process ${pid})`;
  } catch {
    // Another system, or somebody else's process: the port is told, the owner is not.
    return 'another program';
  }
  return 'another program';
}

function listenersIn(file: string, port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([, local = '', , state, , , , , , inode]) =>
      local.endsWith(`:${hex}`) && state === LISTENING && inode !== undefined ? [inode] : [],
    );
}

function holdsOneOf(pid: string, inodes: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
      const [, inode = ''] = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${descriptor}`)) ?? [];
      return inodes.has(inode);
    });
  } catch {
    // Gone meanwhile, or not ours to look at.
    return false;
  }
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    // Closed meanwhile.
    return '';
  }
}

function nameOf(pid: string): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
}
