/** What production code may take from the runtime: environment, time, chance, console; and what it may do while it is imported. */
import type { Node } from 'oxc-parser';
import { fileRule, isProduction } from './house.ts';
import type { Rule } from './house.ts';
import type { GlobalUse } from './globals.ts';
import type { Source } from './source.ts';
import { childrenOf, nameOf, textOf } from './tree.ts';

/** Names of Node's modules that stand for a forbidden global when they are imported. */
function* importedNames(source: Source, module: RegExp, names: RegExp): Generator<{ line: number; seen: string }> {
  for (const edge of source.edges) {
    if (edge.typeOnly || !module.test(edge.specifier)) continue;
    const taken = edge.names.length === 0 ? ['everything'] : edge.names.filter((name) => names.test(name));
    if (taken.length > 0) yield { line: edge.line, seen: `imports ${taken.join(', ')} from ${edge.specifier}` };
  }
}

function* usedGlobals(
  source: Source,
  forbidden: (use: GlobalUse) => boolean,
): Generator<{ line: number; seen: string }> {
  for (const use of source.globals)
    if (forbidden(use)) yield { line: source.lineOf(use.offset), seen: `uses ${use.path}` };
}

const environment = fileRule(
  'environment',
  'Only config/load.ts reads the environment: make it a setting of the schema and take it from the configuration.',
  (source) => isProduction(source) && source.path !== 'src/config/load.ts',
  function* (source) {
    yield* usedGlobals(source, ({ path }) => /^process\.(env|loadEnvFile)(\.|$)/.test(path));
    yield* importedNames(source, /^(node:)?process$/, /^(env|default|loadEnvFile)$/);
  },
);

const TIMERS = /^(setTimeout|setInterval|setImmediate|AbortSignal\.timeout|scheduler\.(wait|yield))$/;
const CLOCKS = /^(Date\.now|performance\.(now|timeOrigin)|process\.(hrtime|uptime)|Temporal\.Now)(\.|$)/;
const CHANCE = /^Math\.random$/;

const time = fileRule(
  'time-and-chance',
  'Take a Clock (#core/clock) or a Random (#core/random) as a parameter, so that a test can move time and repeat chance.',
  (source) => isProduction(source) && source.room !== 'core',
  function* (source) {
    yield* usedGlobals(source, ({ path, argumentCount }) => {
      if (path === 'Date') return argumentCount === 0;
      return TIMERS.test(path) || CLOCKS.test(path) || CHANCE.test(path);
    });
    yield* importedNames(source, /^(node:)?timers(\/promises)?$/, /./);
    yield* importedNames(source, /^(node:)?perf_hooks$/, /^performance$/);
    yield* importedNames(source, /^(node:)?process$/, /^(hrtime|uptime|default)$/);
  },
);

const consoles = fileRule(
  'console',
  'Only the CLI speaks to a terminal: log an event through the Logger port.',
  (source) => isProduction(source) && source.room !== 'cli',
  function* (source) {
    yield* usedGlobals(source, ({ path }) => /^console(\.|$)/.test(path));
    yield* importedNames(source, /^(node:)?console$/, /./);
  },
);

const CONTAINERS = new Set(['Map', 'Set', 'WeakMap', 'WeakSet']);

/** Empty containers are there to be filled; one with its contents in hand is a table. */
function isContainer(node: Node | null): boolean {
  if (node?.type === 'TSSatisfiesExpression' || node?.type === 'TSAsExpression') return isContainer(node.expression);
  if (node?.type !== 'NewExpression' || node.callee.type !== 'Identifier') return false;
  return node.callee.name === 'LRUCache' || (CONTAINERS.has(node.callee.name) && node.arguments.length === 0);
}

const state = fileRule(
  'module-state',
  'Make it a field of what a create function returns: state of a module is shared by every hub and every test of the process.',
  (source) => isProduction(source) && source.room !== 'core',
  function* (source) {
    for (const statement of topLevel(source)) {
      const line = source.lineOf(statement.start);
      if (statement.type === 'VariableDeclaration') {
        if (statement.kind === 'let' || statement.kind === 'var')
          yield { line, seen: `a ${statement.kind} of the module` };
        else if (statement.declarations.some((each) => isContainer(each.init)))
          yield { line, seen: 'a container of the module' };
      }
      if (statement.type !== 'ClassDeclaration') continue;
      for (const member of statement.body.body) {
        if (member.type !== 'PropertyDefinition' || !member.static) continue;
        if (member.readonly && !isContainer(member.value)) continue;
        yield { line: source.lineOf(member.start), seen: `the static field ${nameOf(member.key)}` };
      }
    }
  },
);

function topLevel(source: Source): Node[] {
  return source.program.body.map((statement) =>
    statement.type === 'ExportNamedDeclaration' && statement.declaration ? statement.declaration : statement,
  );
}

/** Programs of their own: being loaded is how they are started. */
function isProgram(source: Source): boolean {
  return source.path === 'src/cli/main.ts' || source.path.endsWith('-worker.ts');
}

const effects = fileRule(
  'import-effects',
  'Put it into a function that somebody calls: a module that acts when it is imported cannot be ordered, tested or undone.',
  (source) => isProduction(source) && !isProgram(source),
  function* (source) {
    for (const statement of topLevel(source)) {
      const line = source.lineOf(statement.start);
      if (/^(If|For|While|DoWhile|Try|Switch|Block|Throw|ForIn|ForOf)Statement$/.test(statement.type)) {
        yield { line, seen: 'control flow at the top of the module' };
      }
      if (statement.type === 'ExpressionStatement' && textOf(statement.expression) === null) {
        yield { line, seen: 'an expression at the top of the module' };
      }
      if (statement.type === 'ImportDeclaration' && statement.specifiers.length === 0) {
        yield { line, seen: `imports ${statement.source.value} for its effect` };
      }
      if (awaits(statement)) yield { line, seen: 'await at the top of the module' };
    }
  },
);

function awaits(node: Node): boolean {
  if (node.type === 'AwaitExpression' || (node.type === 'ForOfStatement' && node.await)) return true;
  if (/Function/.test(node.type)) return false;
  return childrenOf(node).some(awaits);
}

export const runtimeRules: readonly Rule[] = [environment, time, consoles, state, effects];
