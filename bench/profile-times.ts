/** Reads a V8 CPU profile: how long each function ran itself within a span, and to whom it belongs. No I/O. */

/** What of the `.cpuprofile` format is used here (chromedevtools.github.io/devtools-protocol, Profiler.Profile). */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds between a sample and the one before it; the first counts from the start. */
  readonly timeDeltas: readonly number[];
}

export interface SelfTime {
  /** A room (`src/http`), a package (`npm fastify`), a part of the runtime. */
  readonly owner: string;
  /** Function, file and line, from the repository's root. */
  readonly place: string;
  readonly us: number;
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

/** Idle time is left out. `fromUs` and `toUs` count from the start of the profile. */
export function selfTimes(profile: CpuProfile, { fromUs, toUs }: { fromUs: number; toUs: number }): SelfTime[] {
  const usOf = new Map<number, number>();
  let atUs = 0;
  for (const [index, id] of profile.samples.entries()) {
    atUs += profile.timeDeltas[index] ?? 0;
    // A sample's time lasts until the next one.
    const lastsUs = profile.timeDeltas[index + 1] ?? 0;
    if (atUs >= fromUs && atUs < toUs) usOf.set(id, (usOf.get(id) ?? 0) + lastsUs);
  }
  const callerOf = new Map<number, ProfileNode>();
  for (const node of profile.nodes) for (const child of node.children ?? []) callerOf.set(child, node);
  return profile.nodes
    .filter(({ id, callFrame }) => usOf.has(id) && callFrame.functionName !== '(idle)')
    .map((node) => ({ ...attribute(node, callerOf), us: usOf.get(node.id) ?? 0 }));
}

function attribute(node: ProfileNode, callerOf: ReadonlyMap<number, ProfileNode>): { owner: string; place: string } {
  const name = node.callFrame.functionName === '' ? 'anonymous' : node.callFrame.functionName;
  if (name === '(garbage collector)') return { owner: 'garbage collection', place: 'garbage collection' };
  if (name === '(program)') return { owner: 'native code', place: 'native code outside any function' };
  // What has no file is built in (JSON.parse, the write of a socket): it counts for the code that called it.
  let caller: ProfileNode | undefined = node;
  while (caller !== undefined && caller.callFrame.url === '') caller = callerOf.get(caller.id);
  if (caller === undefined) return { owner: 'native code', place: `${name}, built in` };
  const file = fileOf(caller.callFrame.url);
  const from = caller === node ? '' : 'built in, from ';
  return { owner: ownerOf(file), place: `${name}, ${from}${file}:${caller.callFrame.lineNumber + 1}` };
}

function fileOf(url: string): string {
  // The one WebAssembly here is undici's HTTP parser.
  if (url.startsWith('wasm:')) return 'node_modules/undici/llhttp.wasm';
  const inPackage = url.lastIndexOf('/node_modules/');
  if (inPackage !== -1) return url.slice(inPackage + 1);
  return /\/((?:src|bin|dist)\/.*)$/.exec(url)?.[1] ?? url;
}

function ownerOf(file: string): string {
  const [, packageName] = /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file) ?? [];
  if (packageName !== undefined) return `npm ${packageName}`;
  if (file.startsWith('node:')) return runtimePart(file);
  return /^src\/[^/]+/.exec(file)?.[0] ?? file;
}

function runtimePart(file: string): string {
  if (/^node:(internal\/)?_?http/.test(file)) return 'node: http';
  if (/^node:(internal\/)?(_?streams?|net|events|tty)/.test(file)) return 'node: sockets, streams and events';
  if (/^node:(internal\/)?(timers|process|async|priority|linkedlist)/.test(file)) return 'node: timers and tasks';
  return 'node: other';
}
