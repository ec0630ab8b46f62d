/** Who may import whom: floors, circles, rooms and their rows, registries, and the modules that open connections. */
import type { House, Hit, Row, Rule } from './house.ts';
import { fileRule, isProduction } from './house.ts';
import type { Edge, Source } from './source.ts';
import { textOf, walk } from './tree.ts';

const floors: Rule = {
  name: 'floors',
  advice:
    'Take what you need through a port in src/contract, or move the code to the room it belongs to. The table is in ARCHITECTURE.md.',
  *find({ sources, rows }) {
    for (const source of sources) {
      if (source.room === null) continue;
      const row = rows.find((each) => each.room === source.room);
      for (const edge of source.edges) {
        const seen = row === undefined ? null : wrongEdge(source, edge, row);
        if (seen !== null) yield { path: source.path, line: edge.line, seen };
      }
    }
  },
};

function wrongEdge(source: Source, edge: Edge, row: Row): string | null {
  if (edge.target === null || edge.target === 'package.json') return null;
  if (!edge.target.startsWith('src/')) {
    return source.isTest ? null : `${edge.specifier} lies outside src/, which is all that is published`;
  }
  const room = edge.target.split('/')[1] ?? '';
  if (room === row.room) return null;
  if (!row.mayImport.includes(room)) return `${row.room} (floor ${row.floor}) may not import ${edge.specifier}`;
  return edge.specifier.startsWith('.')
    ? `${edge.specifier} leaves the room by a relative path: write #${room}/…`
    : null;
}

const circles: Rule = {
  name: 'no-circle',
  advice: 'Move what both need into a third file; types count, because a circle of types is one thought cut in two.',
  *find({ sources }) {
    const graph = new Map(sources.filter(isProduction).map((source) => [source.path, source]));
    const done = new Set<string>();
    const trail: string[] = [];
    function* follow(path: string): Generator<Hit> {
      trail.push(path);
      for (const { target, line } of graph.get(path)?.edges ?? []) {
        if (target === null || !graph.has(target)) continue;
        const begun = trail.indexOf(target);
        if (begun !== -1) yield { path, line, seen: [...trail.slice(begun), target].join(' → ') };
        else if (!done.has(target)) yield* follow(target);
      }
      trail.pop();
      done.add(path);
    }
    for (const path of graph.keys()) if (!done.has(path)) yield* follow(path);
  },
};

const rooms: Rule = {
  name: 'rooms',
  advice:
    'A room is a folder in src/, a row of the floor table in ARCHITECTURE.md and an entry "#room/*" of package.json: all or none.',
  *find({ sources, rows, texts }) {
    const table = 'ARCHITECTURE.md';
    const built = new Map(sources.flatMap(({ room, path }) => (room === null ? [] : [[room, path]])));
    for (const { path, room } of sources) {
      if (path.startsWith('src/') && room === null) yield { path, line: 1, seen: 'stands in no room' };
    }
    for (const [room, path] of built) {
      if (!rows.some((row) => row.room === room)) yield { path, line: 1, seen: `the room ${room} has no row` };
    }
    for (const { room, floor, mayImport } of rows) {
      if (!built.has(room)) yield { path: table, line: 1, seen: `the row ${room} has no folder src/${room}` };
      for (const each of mayImport) {
        const below = rows.find((row) => row.room === each);
        if (below === undefined) yield { path: table, line: 1, seen: `${room} may import ${each}, which has no row` };
        else if (below.floor >= floor)
          yield { path: table, line: 1, seen: `${room} may import ${each}, which is not below it` };
      }
      const mapped = `"#${room}/*": "./src/${room}/*.ts"`;
      if (texts.get('package.json')?.includes(mapped) !== true)
        yield { path: 'package.json', line: 1, seen: `no ${mapped}` };
    }
  },
};

interface Registry {
  readonly folder: string;
  readonly registry: string;
  /** Which files of the folder must be registered. */
  readonly holds: (source: Source) => boolean;
}

const everyFile = (source: Source): boolean => !source.path.endsWith('/index.ts');

const REGISTRIES: readonly Registry[] = [
  { folder: 'src/providers/', registry: 'src/providers/index.ts', holds: definesProvider },
  { folder: 'src/health/checks/', registry: 'src/hub/health.ts', holds: everyFile },
  { folder: 'src/http/routes/', registry: 'src/http/routes/index.ts', holds: everyFile },
  { folder: 'src/storage/migrations/', registry: 'src/storage/migrations/index.ts', holds: everyFile },
];

function definesProvider(source: Source): boolean {
  let found = false;
  walk(source.program, (node) => {
    if (node.type !== 'CallExpression' || node.callee.type !== 'Identifier') return;
    found ||= node.callee.name === 'defineProvider';
  });
  return found;
}

const registries: Rule = {
  name: 'registered',
  advice:
    'Add its line to the registry (ARCHITECTURE.md, "Where to add one"), or move a helper out of the folder: nothing here is found by itself.',
  *find({ sources }) {
    for (const { folder, registry, holds } of REGISTRIES) {
      const edges = sources.find((source) => source.path === registry)?.edges ?? [];
      const listed = new Set(edges.filter((edge) => !edge.typeOnly).map((edge) => edge.target));
      for (const source of sources) {
        if (!source.path.startsWith(folder) || !isProduction(source) || !holds(source)) continue;
        if (!listed.has(source.path)) yield { path: source.path, line: 1, seen: `is not imported by ${registry}` };
      }
    }
  },
};

const OUTBOUND = 'src/hub/outbound.ts';
const CLIENT_PACKAGES =
  /^(undici|pg|pg-pool|@electric-sql\/pglite|ioredis|redis|ws|got|axios|node-fetch|postgres|openai|eventsource)(\/|$)/;
const NETWORK_BUILTINS = /^(node:)?(net|http|https|http2|tls|dgram|dns|dns\/promises|quic)$/;
const CLIENT_GLOBALS = new Set(['fetch', 'WebSocket', 'EventSource']);
/** What Node's network modules export that listens, names or checks, and can open nothing. */
const CONNECTS_NOTHING = new Set(
  (
    'createServer createSecureServer Server IncomingMessage ServerResponse STATUS_CODES METHODS constants ' +
    'isIP isIPv4 isIPv6 BlockList SocketAddress'
  ).split(' '),
);

const outbound: Rule = {
  name: 'outbound',
  advice: `List the module in ${OUTBOUND} with the breaker that guards it, or go through a listed one. Servers import { createServer } by name; types are free.`,
  *find(house) {
    const listed = new Map(outboundList(house).map((entry) => [entry.module, entry]));
    const connecting = new Set<string>();
    for (const source of house.sources.filter(isProduction)) {
      for (const { line, seen } of connectionsOf(source)) {
        connecting.add(source.path);
        if (!listed.has(source.path)) yield { path: source.path, line, seen };
      }
    }
    for (const { module, breaker, line } of listed.values()) {
      if (!connecting.has(module)) yield { path: OUTBOUND, line, seen: `lists ${module}, which opens no connection` };
      if (breaker === '') yield { path: OUTBOUND, line, seen: `lists ${module} without a breaker` };
    }
  },
};

function* connectionsOf(source: Source): Generator<{ line: number; seen: string }> {
  for (const { specifier, typeOnly, names, line } of source.edges) {
    if (typeOnly) continue;
    const harmless = names.length > 0 && names.every((name) => CONNECTS_NOTHING.has(name));
    // The server half of `ws` only takes up connections that our own server accepted.
    if (specifier === 'ws' && names.length > 0 && names.every((name) => name === 'WebSocketServer')) continue;
    if (CLIENT_PACKAGES.test(specifier) || (NETWORK_BUILTINS.test(specifier) && !harmless)) {
      yield { line, seen: `imports the network client ${specifier}` };
    }
  }
  for (const { path, offset } of source.globals) {
    if (CLIENT_GLOBALS.has(path)) yield { line: source.lineOf(offset), seen: `uses the global ${path}` };
  }
}

/** The `{ module, breaker }` literals of the list, read from its text: the rule must not depend on a hub that runs. */
function outboundList(house: House): { module: string; breaker: string; line: number }[] {
  const source = house.sources.find((each) => each.path === OUTBOUND);
  const entries: { module: string; breaker: string; line: number }[] = [];
  if (source === undefined) return entries;
  walk(source.program, (node) => {
    if (node.type !== 'ObjectExpression') return;
    const fields = new Map<string, string>();
    for (const property of node.properties) {
      if (property.type !== 'Property' || property.key.type !== 'Identifier') continue;
      fields.set(property.key.name, textOf(property.value) ?? '');
    }
    const module = fields.get('module');
    if (module === undefined) return;
    entries.push({ module: `src/${module}`, breaker: fields.get('breaker') ?? '', line: source.lineOf(node.start) });
  });
  return entries;
}

const CORE_MAY_USE = new Set(['node:crypto', 'node:util', 'node:buffer', 'node:events', 'node:async_hooks']);

const core = fileRule(
  'core-is-pure',
  'The core does no I/O and uses no package: move the code to the room that needs them.',
  (source) => source.room === 'core' && !source.isTest,
  function* (source) {
    for (const { specifier, target, line } of source.edges) {
      if (target === null && !CORE_MAY_USE.has(specifier)) yield { line, seen: `imports ${specifier}` };
    }
  },
);

/** Guardrails are the operator's own modules, named by the configuration. */
const LOADS_OPERATORS_CODE = 'src/hub/guardrails.ts';

const visible = fileRule(
  'visible-imports',
  'Import by a literal name: what is computed or required cannot be held against the floor table.',
  isProduction,
  function* (source) {
    for (const { specifier, names, line } of source.edges) {
      if (specifier === '' && source.path !== LOADS_OPERATORS_CODE) yield { line, seen: 'import() of a computed name' };
      if (names.includes('createRequire')) yield { line, seen: 'createRequire' };
    }
    for (const { path, offset } of source.globals) {
      if (/^(require|process\.getBuiltinModule|eval|Function)$/.test(path))
        yield { line: source.lineOf(offset), seen: path };
    }
  },
);

export const importRules: readonly Rule[] = [floors, circles, rooms, registries, outbound, core, visible];
