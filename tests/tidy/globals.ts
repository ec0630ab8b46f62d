/**
 * Which of the runtime's globals a file uses, as dotted paths (`Date.now`, `process.env`, `fetch`), with `globalThis.` taken
 * off. Names that the file declares or imports itself are not globals, and types are not uses.
 */
import type { Node, Program } from 'oxc-parser';
import { childrenOf, textOf } from './tree.ts';

export interface GlobalUse {
  /** `Date.now`, `setTimeout`, `process.env.HOME`; `new Date` for a construction, `Date()` for a call without `new`. */
  readonly path: string;
  /** Arguments of the call or construction this is the callee of; null when it is neither. */
  readonly argumentCount: number | null;
  readonly offset: number;
}

const ROOTS = new Set(['globalThis', 'global']);

export function globalUses(program: Program): GlobalUse[] {
  const uses: GlobalUse[] = [];
  visit(program, undefined, [], uses);
  return uses;
}

function visit(node: Node, parent: Node | undefined, scopes: readonly ReadonlySet<string>[], uses: GlobalUse[]): void {
  if (isErased(node)) return;
  const declared = declaredBy(node);
  const inner = declared.size > 0 ? [...scopes, declared] : scopes;
  const path = globalPath(node, inner);
  if (path !== null) {
    for (const each of [path, ...takenApart(parent, node, path)]) {
      uses.push({ path: each, argumentCount: argumentsFor(parent, node), offset: node.start });
    }
    return;
  }
  for (const child of childrenOf(node)) if (!isMereName(child, node)) visit(child, node, inner, uses);
}

/** Nodes that exist for the type checker only. `as` and `satisfies` wrap code, so they are looked through. */
function isErased(node: Node): boolean {
  if (['TSAsExpression', 'TSSatisfiesExpression', 'TSNonNullExpression', 'TSTypeAssertion'].includes(node.type))
    return false;
  if (node.type === 'TSInstantiationExpression' || node.type === 'TSParameterProperty') return false;
  return node.type.startsWith('TS');
}

/** `globalThis.Date.now` → `Date.now`; null for what is not a global or was declared here. */
function globalPath(node: Node, scopes: readonly ReadonlySet<string>[]): string | null {
  const parts: string[] = [];
  let at = node;
  while (at.type === 'MemberExpression') {
    const name = at.computed ? textOf(at.property) : at.property.type === 'Identifier' ? at.property.name : null;
    if (name === null) return null;
    parts.unshift(name);
    at = at.object;
  }
  if (at.type !== 'Identifier') return null;
  const root = at.name;
  if (scopes.some((scope) => scope.has(root))) return null;
  return (ROOTS.has(root) && parts.length > 0 ? parts : [root, ...parts]).join('.');
}

/** `const { now } = Date` uses `Date.now`. */
function takenApart(parent: Node | undefined, node: Node, path: string): string[] {
  if (parent?.type !== 'VariableDeclarator' || parent.init !== node || parent.id.type !== 'ObjectPattern') return [];
  const prefix = ROOTS.has(path) ? '' : `${path}.`;
  return parent.id.properties.flatMap((property) =>
    property.type === 'Property' && property.key.type === 'Identifier' ? [`${prefix}${property.key.name}`] : [],
  );
}

function argumentsFor(parent: Node | undefined, node: Node): number | null {
  if (parent?.type !== 'CallExpression' && parent?.type !== 'NewExpression') return null;
  return parent.callee === node ? parent.arguments.length : null;
}

/** An identifier that names a property, a key or a label and refers to nothing. */
function isMereName(child: Node, parent: Node): boolean {
  if (child.type !== 'Identifier') return false;
  switch (parent.type) {
    case 'MemberExpression':
      return parent.property === child && !parent.computed;
    case 'Property':
    case 'MethodDefinition':
    case 'PropertyDefinition':
    case 'AccessorProperty':
      return parent.key === child && !parent.computed;
    case 'ImportSpecifier':
    case 'ExportSpecifier':
    case 'LabeledStatement':
    case 'BreakStatement':
    case 'ContinueStatement':
    case 'MetaProperty':
      return true;
    default:
      return false;
  }
}

/** The names a scope brings in: a function's parameters, and the declarations that stand directly in a block. */
function declaredBy(node: Node): Set<string> {
  const names = new Set<string>();
  switch (node.type) {
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      if (node.id) names.add(node.id.name);
      for (const parameter of node.params) addNames(parameter, names);
      break;
    case 'Program':
    case 'BlockStatement':
    case 'StaticBlock':
      for (const statement of node.body) addDeclared(statement, names);
      break;
    case 'SwitchStatement':
      for (const each of node.cases) for (const statement of each.consequent) addDeclared(statement, names);
      break;
    case 'ForStatement':
      if (node.init) addDeclared(node.init, names);
      break;
    case 'ForInStatement':
    case 'ForOfStatement':
      addDeclared(node.left, names);
      break;
    case 'CatchClause':
      if (node.param) addNames(node.param, names);
      break;
    case 'ClassDeclaration':
    case 'ClassExpression':
      if (node.id) names.add(node.id.name);
      break;
    default:
  }
  return names;
}

function addDeclared(statement: Node, names: Set<string>): void {
  switch (statement.type) {
    case 'VariableDeclaration':
      for (const each of statement.declarations) addNames(each.id, names);
      break;
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      if (statement.id) names.add(statement.id.name);
      break;
    case 'ImportDeclaration':
      for (const specifier of statement.specifiers) names.add(specifier.local.name);
      break;
    case 'ExportNamedDeclaration':
      if (statement.declaration) addDeclared(statement.declaration, names);
      break;
    default:
  }
}

/** The names a pattern binds. */
function addNames(pattern: Node, names: Set<string>): void {
  switch (pattern.type) {
    case 'Identifier':
      names.add(pattern.name);
      break;
    case 'ObjectPattern':
      for (const each of pattern.properties) addNames(each.type === 'Property' ? each.value : each.argument, names);
      break;
    case 'ArrayPattern':
      for (const element of pattern.elements) if (element) addNames(element, names);
      break;
    case 'AssignmentPattern':
      addNames(pattern.left, names);
      break;
    case 'RestElement':
      addNames(pattern.argument, names);
      break;
    case 'TSParameterProperty':
      addNames(pattern.parameter, names);
      break;
    default:
  }
}
