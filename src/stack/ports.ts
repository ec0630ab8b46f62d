/** Whether an address is free, and who has it where it is not: from /proc, where there is one. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';

interface Binding {
  readonly name: string;
  readonly binds: readonly string[];
}

const PORT_MAX = 65_535;
/** Where browsers and `fetch` call nobody (https://fetch.spec.whatwg.org/#port-blocking), of those that anybody may listen on. */
const UNCALLED: ReadonlySet<number> = new Set([
  1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10_080,
]);
/** Offsets that are advised, as far as there are ports. */
const OFFSETS = Array.from({ length: 20 }, (_, at) => 1_000 * (at + 1));
/** Below, only root may listen: a balancer on port 80 has another one as soon as there is an offset. */
const FREE_FOR_ALL = 1_024;

/** Throws with all that cannot be bound, a line each, with who has it. */
export async function requireFree(parts: readonly Binding[], portOffset: number): Promise<void> {
  const problems = await portProblems(parts, portOffset);
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

/** In words; nothing where every address can be bound. `portOffset`: what is in the ports already. */
export async function portProblems(parts: readonly Binding[], portOffset: number): Promise<string[]> {
  const wrong = [...noAddresses(parts), ...sharedAddresses(parts)];
  if (wrong.length > 0) return wrong;
  // One look at all processes is enough for all ports.
  const owners = { known: null as Map<string, string> | null };
  const ownersNow = (): Map<string, string> => (owners.known ??= holdersOfSockets());
  const moved = { offset: null as Promise<number | undefined> | null };
  const freeOffset = (): Promise<number | undefined> => (moved.offset ??= offsetFor(parts, portOffset));
  const asked = parts.flatMap(({ name, binds }) =>
    binds.map((address) => problemAt(name, address, ownersNow, freeOffset)),
  );
  return (await Promise.all(asked)).filter((problem) => problem !== null);
}

function noAddresses(parts: readonly Binding[]): string[] {
  const isAddress = (address: string): boolean => {
    const { host, port } = split(address);
    return host !== '' && Number.isInteger(port) && port > 0 && port <= PORT_MAX;
  };
  return parts.flatMap(({ name, binds }) =>
    binds
      .filter((address) => !isAddress(address))
      .map((address) => `${name} cannot listen on "${address}": that is no host:port.`),
  );
}

/** Looked at one beside the other, each would be in the other's way, as if somebody else were. */
function sharedAddresses(parts: readonly Binding[]): string[] {
  const users = Map.groupBy(
    parts.flatMap(({ name, binds }) => binds.map((address) => ({ name, address }))),
    ({ address }) => address,
  );
  return [...users]
    .filter(([, names]) => names.length > 1)
    .map(
      ([address, names]) => `${names.map(({ name }) => name).join(' and ')} both need ${address}: move one of them.`,
    );
}

/** Another one, with which all these ports are free. */
async function offsetFor(parts: readonly Binding[], portOffset: number): Promise<number | undefined> {
  const movable = parts.flatMap(({ binds }) => binds.map(split)).filter(({ port }) => port >= FREE_FOR_ALL);
  for (const offset of OFFSETS.filter((each) => each !== portOffset)) {
    const ports = movable.map(({ host, port }) => ({ host, port: port - portOffset + offset }));
    if (ports.some(({ port }) => port > PORT_MAX)) return undefined;
    if (ports.some(({ port }) => UNCALLED.has(port))) continue;
    const tried = ports.map(({ host, port }) => tryToListen(host, port));
    if ((await Promise.all(tried)).every((problem) => problem === null)) return offset;
  }
  return undefined;
}

function split(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, Math.max(at, 0)).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(at + 1)) };
}

async function problemAt(
  part: string,
  address: string,
  owners: () => ReadonlyMap<string, string>,
  freeOffset: () => Promise<number | undefined>,
): Promise<string | null> {
  const { host, port } = split(address);
  const move = async (): Promise<string> => {
    const offset = await freeOffset();
    return offset === undefined ? 'by another --port-offset' : `--port-offset ${offset}`;
  };
  if (UNCALLED.has(port))
    return `${part} would listen on port ${port}, which browsers and fetch refuse to call. Move all ports: ${await move()}`;
  const problem = await tryToListen(host, port);
  if (problem === null) return null;
  if (problem === 'EADDRINUSE')
    return `${part} needs port ${port}, which is taken by ${ownerOf(port, owners)}. End that, or move all ports: ${await move()}`;
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
function ownerOf(port: number, owners: () => ReadonlyMap<string, string>): string {
  try {
    const inodes = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => listenersIn(file, port));
    const pid = inodes.map((inode) => owners().get(inode)).find((found) => found !== undefined);
    if (pid !== undefined) return `${nameOf(pid)} (process ${pid})`;
  } catch {
    // Another system, or somebody else's process: the port is told, the owner is not.
    return 'another program';
  }
  return 'another program';
}

/** Who has which socket, by its inode. */
function holdersOfSockets(): Map<string, string> {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return new Map(pids.flatMap((pid) => socketsOf(pid).map((inode) => [inode, pid] as const)));
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

function socketsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${descriptor}`)) ?? [];
      return inode === undefined ? [] : [inode];
    });
  } catch {
    // Gone meanwhile, or not ours to look at.
    return [];
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
