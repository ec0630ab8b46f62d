/** Walking a syntax tree: every node in the order of the text, and the few questions that are asked of a single one. */
import { visitorKeys } from 'oxc-parser';
import type { Node } from 'oxc-parser';

/** Calls `visit` for every node, parents first, with its ancestors (the nearest last). */
export function walk(node: Node, visit: (node: Node, ancestors: readonly Node[]) => void): void {
  const ancestors: Node[] = [];
  const step = (current: Node): void => {
    visit(current, ancestors);
    ancestors.push(current);
    for (const child of childrenOf(current)) step(child);
    ancestors.pop();
  };
  step(node);
}

export function childrenOf(node: Node): Node[] {
  const children: Node[] = [];
  for (const key of visitorKeys[node.type] ?? []) {
    const value: unknown = Reflect.get(node, key);
    for (const item of Array.isArray(value) ? value : [value]) if (isNode(item)) children.push(item);
  }
  return children;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value;
}

/** The text of a string literal or of a template without holes; null for anything else. */
export function textOf(node: Node): string | null {
  if (node.type === 'Literal') return typeof node.value === 'string' ? node.value : null;
  if (node.type !== 'TemplateLiteral' || node.expressions.length > 0) return null;
  return node.quasis[0]?.value.cooked ?? null;
}

/** The name of a module's export, written as an identifier or as a string. */
export function nameOf(node: Node): string {
  if (node.type === 'Identifier') return node.name;
  return textOf(node) ?? '';
}
