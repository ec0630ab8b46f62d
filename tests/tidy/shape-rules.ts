/** How a file is written: its size, its types, its comments. These hold for every TypeScript file of the repository. */
import type { Node } from 'oxc-parser';
import { fileRule, isProduction } from './house.ts';
import type { Rule } from './house.ts';
import type { Source } from './source.ts';
import { nameOf, walk } from './tree.ts';

type Seen = { readonly line: number; readonly seen: string };

const everywhere = (): boolean => true;

/** Reports each node for which `look` has something to say. */
function overNodes(look: (node: Node, ancestors: readonly Node[], source: Source) => string | null) {
  return (source: Source): Seen[] => {
    const found: Seen[] = [];
    walk(source.program, (node, ancestors) => {
      const seen = look(node, ancestors, source);
      if (seen !== null) found.push({ line: source.lineOf(node.start), seen });
    });
    return found;
  };
}

const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 400;
const SUITES = new Set(['describe', 'suite']);

const functionLines = fileRule(
  'function-lines',
  `A function over ${FUNCTION_LINES_MAX} lines holds two thoughts: name the second one.`,
  everywhere,
  overNodes((node, ancestors, source) => {
    if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type)) return null;
    const parent = ancestors.at(-1);
    // The body of a `describe` is a list of tests, not a function that anybody reads as one.
    if (parent?.type === 'CallExpression' && parent.callee.type === 'Identifier' && SUITES.has(parent.callee.name))
      return null;
    const lines = source.lineOf(node.end) - source.lineOf(node.start) + 1;
    return lines > FUNCTION_LINES_MAX ? `a function of ${lines} lines` : null;
  }),
);

const fileLines = fileRule(
  'file-lines',
  `A file over ${FILE_LINES_MAX} lines holds two thoughts: split it, and name both after what they hold.`,
  (source) => source.lines > FILE_LINES_MAX,
  (source) => [{ line: source.lines, seen: `a file of ${source.lines} lines` }],
);

const header = fileRule(
  'file-header',
  'Begin the file with what it owns, what it promises and what it refuses.',
  isProduction,
  (source) => {
    const begins = source.program.body[0]?.start ?? source.text.length;
    return source.comments.some((comment) => comment.end <= begins) ? [] : [{ line: 1, seen: 'no comment at the top' }];
  },
);

const defaults = fileRule(
  'default-export',
  'Export it by its name, so that it has the same one everywhere.',
  everywhere,
  overNodes((node) => {
    if (node.type === 'ExportDefaultDeclaration') return 'a default export';
    return node.type === 'ExportSpecifier' && nameOf(node.exported) === 'default' ? 'a default export' : null;
  }),
);

const anys = fileRule(
  'any',
  'Say what it is; where nobody knows, `unknown` and a check.',
  everywhere,
  overNodes((node) => (node.type === 'TSAnyKeyword' ? 'the type any' : null)),
);

const casts = fileRule(
  'cast',
  'A cast through unknown silences the compiler: narrow with a check, or correct the type.',
  everywhere,
  overNodes((node) => {
    if (node.type !== 'TSAsExpression' && node.type !== 'TSTypeAssertion') return null;
    const inner = node.expression;
    if (inner.type !== 'TSAsExpression' && inner.type !== 'TSTypeAssertion') return null;
    return ['TSUnknownKeyword', 'TSNeverKeyword'].includes(inner.typeAnnotation.type) ? 'a cast through unknown' : null;
  }),
);

const emptyCatch = fileRule(
  'empty-catch',
  'Handle it, count it, log it or let it pass upwards: nothing is swallowed.',
  everywhere,
  overNodes((node) => {
    if (node.type === 'CatchClause' && node.body.body.length === 0) return 'an empty catch';
    if (node.type !== 'CallExpression' || node.callee.type !== 'MemberExpression') return null;
    if (nameOf(node.callee.property) !== 'catch') return null;
    const [handler] = node.arguments;
    if (handler?.type !== 'ArrowFunctionExpression' && handler?.type !== 'FunctionExpression') return null;
    return handler.body?.type === 'BlockStatement' && handler.body.body.length === 0
      ? 'a catch that does nothing'
      : null;
  }),
);

const erasable = fileRule(
  'erasable-only',
  'Node erases types and runs the rest: use a union of literals, a field, a function or a module instead.',
  everywhere,
  overNodes((node) => {
    if (node.type === 'TSEnumDeclaration') return 'an enum';
    if (node.type === 'TSModuleDeclaration') return node.declare ? null : 'a namespace';
    if (node.type === 'TSParameterProperty') return 'a parameter property';
    if (node.type === 'Decorator') return 'a decorator';
    return node.type === 'TSImportEqualsDeclaration' || node.type === 'TSExportAssignment'
      ? 'a CommonJS import or export'
      : null;
  }),
);

function commentRule(name: string, advice: string, look: (text: string) => string | null): Rule {
  return fileRule(name, advice, everywhere, function* (source) {
    for (const comment of source.comments) {
      const seen = look(comment.value);
      if (seen !== null) yield { line: source.lineOf(comment.start), seen };
    }
  });
}

const suppression = commentRule(
  'compiler-silenced',
  'Correct the type instead; the compiler was right.',
  (text) => /@ts-(ignore|expect-error|nocheck)\b/.exec(text)?.[0] ?? null,
);

const reasons = commentRule('lint-silenced', 'Say why after `--`: `oxlint-disable-next-line rule -- reason`.', (text) =>
  /(oxlint|eslint)-disable/.test(text) && !/ -- \S/.test(text) ? text.trim() : null,
);

const promises = commentRule(
  'unfinished',
  'Do it, or open an issue and leave the code whole without it.',
  (text) => /\b(TODO|FIXME|XXX|HACK)\b/.exec(text)?.[0] ?? null,
);

export const shapeRules: readonly Rule[] = [
  functionLines,
  fileLines,
  header,
  defaults,
  anys,
  casts,
  emptyCatch,
  erasable,
  suppression,
  reasons,
  promises,
];
