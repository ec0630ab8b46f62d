/**
 * One parsed TypeScript file, as the rules see it: its place in the house, its syntax tree, its imports, its comments and
 * the globals it really uses (a parameter called `fetch` is not the global of that name). Knows no rule.
 */
import { posix } from 'node:path';
import { parseSync } from 'oxc-parser';
import type { Comment, Node, Program } from 'oxc-parser';
import { globalUses } from './globals.ts';
import type { GlobalUse } from './globals.ts';
import { nameOf, textOf, walk } from './tree.ts';

/** A reference to another module, however it is written. `names` are the imported names; empty when the whole module is meant. */
export interface Edge {
  readonly specifier: string;
  /** Path from the root for files of this house (`src/core/clock.ts`), null for packages and Node's own modules. */
  readonly target: string | null;
  /** Erased before it runs. */
  readonly typeOnly: boolean;
  readonly names: readonly string[];
  readonly line: number;
}

export interface Source {
  /** From the root, with forward slashes. */
  readonly path: string;
  /** `core` for `src/core/clock.ts`; null outside `src` and for a file that stands in no room. */
  readonly room: string | null;
  readonly isTest: boolean;
  readonly text: string;
  readonly lines: number;
  readonly program: Program;
  readonly comments: readonly Comment[];
  readonly edges: readonly Edge[];
  readonly globals: readonly GlobalUse[];
  lineOf(offset: number): number;
}

export function parseSource(path: string, text: string): Source {
  const parsed = parseSync(path, text, { preserveParens: false });
  const [broken] = parsed.errors;
  if (broken !== undefined) throw new Error(`${path} does not parse: ${broken.message}`);
  const lineOf = lineFinder(text);
  const program = parsed.program;
  return {
    path,
    room: /^src\/([^/]+)\//.exec(path)?.[1] ?? null,
    isTest: path.endsWith('.test.ts'),
    text,
    lines: lineOf(text.trimEnd().length),
    program,
    comments: parsed.comments,
    edges: edgesOf(path, program, lineOf),
    globals: globalUses(program),
    lineOf,
  };
}

function lineFinder(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
}

/** `#room/file`, the package's own name and relative specifiers as paths from the root; what lies outside has none. */
function targetOf(path: string, specifier: string): string | null {
  if (/^revoagent(\/|$)/.test(specifier)) return `${specifier.replace('revoagent', 'src')}/index.ts`;
  if (specifier.startsWith('#')) return `src/${specifier.slice(1)}.ts`;
  return specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : null;
}

function edgesOf(path: string, program: Program, lineOf: (offset: number) => number): Edge[] {
  const edges: Edge[] = [];
  const add = (at: Node, specifier: string, typeOnly: boolean, names: readonly string[] = []): void => {
    edges.push({ specifier, target: targetOf(path, specifier), typeOnly, names, line: lineOf(at.start) });
  };
  walk(program, (node) => {
    switch (node.type) {
      case 'ImportDeclaration': {
        const kept = node.specifiers.filter((one) => one.type !== 'ImportSpecifier' || one.importKind !== 'type');
        const typeOnly = node.importKind === 'type' || (node.specifiers.length > 0 && kept.length === 0);
        const named = kept.flatMap((one) => (one.type === 'ImportSpecifier' ? [nameOf(one.imported)] : []));
        add(node, node.source.value, typeOnly, named.length === kept.length ? named : []);
        break;
      }
      case 'ExportAllDeclaration':
        add(node, node.source.value, node.exportKind === 'type');
        break;
      case 'ExportNamedDeclaration':
        if (node.source !== null) {
          const kept = node.specifiers.filter((one) => one.exportKind !== 'type');
          const typeOnly = node.exportKind === 'type' || kept.length === 0;
          const names = kept.map((one) => nameOf(one.local));
          add(node, node.source.value, typeOnly, names);
        }
        break;
      case 'ImportExpression':
        add(node, textOf(node.source) ?? '', false);
        break;
      case 'TSImportType':
        add(node, node.source.value, true);
        break;
      case 'NewExpression':
        // A worker's file is loaded by `new URL('./x.ts', import.meta.url)`: as much an import as any other.
        if (node.callee.type === 'Identifier' && node.callee.name === 'URL') {
          for (const file of tsFilesNamedIn(node.arguments[0])) add(node, file, false);
        }
        break;
      default:
    }
  });
  return edges;
}

function tsFilesNamedIn(node: Node | undefined): string[] {
  if (node === undefined) return [];
  const text = textOf(node);
  if (text !== null) return /^\.{1,2}\/.*[^.]\.ts$/.test(text) ? [text] : [];
  return node.type === 'ConditionalExpression' ? [node.consequent, node.alternate].flatMap(tsFilesNamedIn) : [];
}
