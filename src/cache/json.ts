/**
 * Refuses what JSON would change. A value that came back from memory as a Date and from Redis as a string would make a bug that
 * only a restart shows; so every tier takes the same values, and says at the write which part of a value is not JSON.
 */

const DEPTH_MAX = 128;

export class CacheValueError extends TypeError {
  override readonly name = 'CacheValueError';
  /** Where in the value, as a path (`$.user.since`). */
  readonly path: string;

  constructor(path: string, problem: string) {
    super(`${path} cannot be cached: ${problem}`);
    this.path = path;
  }
}

/** Throws a `CacheValueError` unless `JSON.parse(JSON.stringify(value))` gives the same value back, types included. */
export function checkJson(value: unknown): void {
  const found = problemIn(value, 0);
  if (found !== undefined) throw new CacheValueError(`$${found.path}`, found.problem);
}

interface Problem {
  /** From the value that was looked at: put together on the way out, so that a good value costs no text. */
  readonly path: string;
  readonly problem: string;
}

function problemIn(value: unknown, depth: number): Problem | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      if (Number.isFinite(value) && !Object.is(value, -0)) return undefined;
      return here(`JSON has no ${Object.is(value, -0) ? '-0' : value}`);
    case 'object':
      if (value === null) return undefined;
      if (depth >= DEPTH_MAX) return here(`it lies deeper than ${DEPTH_MAX}, or contains itself`);
      return Array.isArray(value) ? problemInArray(value, depth) : problemInObject(value, depth);
    case 'undefined':
      return here('JSON has no undefined: use null, or leave the property out');
    default:
      return here(`JSON has no ${typeof value}`);
  }
}

function problemInArray(value: readonly unknown[], depth: number): Problem | undefined {
  if (Object.getPrototypeOf(value) !== Array.prototype)
    return here(`a ${value.constructor?.name ?? 'list without a prototype'} would come back as a plain array`);
  if (Object.keys(value).length !== value.length) return here('the array has holes, or properties beside its elements');
  for (let index = 0; index < value.length; index++) {
    const found = problemIn(value[index], depth + 1);
    if (found !== undefined) return { ...found, path: `[${index}]${found.path}` };
  }
  return undefined;
}

function problemInObject(value: object, depth: number): Problem | undefined {
  if (Object.getPrototypeOf(value) !== Object.prototype)
    return here(
      `a ${value.constructor?.name ?? 'object without a prototype'} would come back as a plain object or text`,
    );
  if (Object.getOwnPropertySymbols(value).length > 0) return here('JSON leaves properties out whose keys are symbols');
  if ('toJSON' in value && typeof value.toJSON === 'function')
    return here('its toJSON would make something else of it');
  const named = value as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(named)) {
    const found = problemIn(named[name], depth + 1);
    if (found !== undefined) return { ...found, path: `.${name}${found.path}` };
  }
  return undefined;
}

function here(problem: string): Problem {
  return { path: '', problem };
}

/** For tests: who changes a value that others share finds out. */
export function deepFreeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const each of Object.values(value)) deepFreeze(each);
  return Object.freeze(value);
}
