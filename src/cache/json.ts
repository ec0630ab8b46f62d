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
  check(value, '$', 0);
}

function check(value: unknown, path: string, depth: number): void {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return;
    case 'number':
      if (!Number.isFinite(value) || Object.is(value, -0)) {
        throw new CacheValueError(path, `JSON has no ${Object.is(value, -0) ? '-0' : value}`);
      }
      return;
    case 'object':
      if (value === null) return;
      if (depth >= DEPTH_MAX) throw new CacheValueError(path, `it lies deeper than ${DEPTH_MAX}, or contains itself`);
      if (Array.isArray(value)) checkArray(value, path, depth);
      else checkObject(value, path, depth);
      return;
    case 'undefined':
      throw new CacheValueError(path, 'JSON has no undefined: use null, or leave the property out');
    default:
      throw new CacheValueError(path, `JSON has no ${typeof value}`);
  }
}

function checkArray(value: readonly unknown[], path: string, depth: number): void {
  if (Object.keys(value).length !== value.length) {
    throw new CacheValueError(path, 'the array has holes, or properties beside its elements');
  }
  for (let index = 0; index < value.length; index++) check(value[index], `${path}[${index}]`, depth + 1);
}

function checkObject(value: object, path: string, depth: number): void {
  if (Object.getPrototypeOf(value) !== Object.prototype) {
    const kind = value.constructor?.name ?? 'object without a prototype';
    throw new CacheValueError(path, `a ${kind} would come back as a plain object or text`);
  }
  if (Object.getOwnPropertySymbols(value).length > 0) {
    throw new CacheValueError(path, 'JSON leaves properties out whose keys are symbols');
  }
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    throw new CacheValueError(path, 'its toJSON would make something else of it');
  }
  for (const [name, each] of Object.entries(value)) check(each, `${path}.${name}`, depth + 1);
}

/** For tests: who changes a value that others share finds out. */
export function deepFreeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const each of Object.values(value)) deepFreeze(each);
  return Object.freeze(value);
}
