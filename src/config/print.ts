/** The effective configuration for people and machines: every value with where it came from, secrets never. */
import { Secret } from '#core/secret';
import type { Loaded } from './load.ts';
import { asWritten } from './schema.ts';

export interface PrintedValue {
  readonly path: string;
  readonly value: unknown;
  readonly origin: string;
}

export function printedValues({ config, origins }: Loaded): PrintedValue[] {
  const values: PrintedValue[] = [];
  walk(asWritten(config), '', (path, value) => values.push({ path, value, origin: originOf(path, origins) }));
  return values;
}

function walk(value: unknown, path: string, visit: (path: string, value: unknown) => void): void {
  const inner = typeof value === 'object' && value !== null && !(value instanceof Secret) ? Object.entries(value) : [];
  if (inner.length === 0) {
    // A secret prints itself as redacted.
    visit(path, value instanceof Secret ? value.toString() : value);
    return;
  }
  for (const [key, child] of inner) {
    const name = Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
    walk(child, name, visit);
  }
}

/** Of the value itself, or of what it stands in. */
function originOf(path: string, origins: ReadonlyMap<string, string>): string {
  for (let at = path; at !== ''; at = at.replace(/(\.[^.[]*|\[\d+\])$|^[^.[]*$/, '')) {
    const origin = origins.get(at);
    if (origin !== undefined) return origin;
  }
  return 'default';
}
