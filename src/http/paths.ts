/** An operation's path in the four forms it is needed in: documented, routed, matched by hand, and linked. */
import type { Operation } from './operation.ts';

/** `{id}` is one part of a path; `{id+}` is the rest of it, slashes included, and can only be last. */
const PARAMETER = /\{(\w+)(\+?)\}/g;

/** For the router: `/v1/models/{id+}` is `/v1/models/*`. */
export function routerPath(path: string): string {
  return path.replace(PARAMETER, (_all, name: string, rest: string) => (rest === '' ? `:${name}` : '*'));
}

/** For documents and metrics: `/v1/models/{id}`. */
export function publicPath(path: string): string {
  return path.replace(PARAMETER, '{$1}');
}

/** The router's parameters under their documented names. */
export function pathParams(path: string, params: unknown): unknown {
  const [, name, rest] = /\{(\w+)(\+?)\}$/.exec(path) ?? [];
  if (name === undefined || rest !== '+' || typeof params !== 'object' || params === null || !('*' in params))
    return params;
  const { '*': value, ...others } = params;
  return { ...others, [name]: value };
}

/** The operations at the path of this URL, whatever their method. */
export function operationsAt(operations: readonly Operation[], url: string): readonly Operation[] {
  const path = url.split('?', 1)[0] ?? '';
  return operations.filter((operation) => matcher(operation.path).test(path));
}

function matcher(path: string): RegExp {
  const parts = path.split(PARAMETER);
  // `split` with two groups gives literal, name, rest, literal, …
  let source = '';
  for (let at = 0; at < parts.length; at += 3) {
    source += RegExp.escape(parts[at] ?? '');
    if (at + 1 < parts.length) source += parts[at + 2] === '+' ? '.*' : '[^/]+';
  }
  return new RegExp(`^${source}$`, 'u');
}
