/** Values from a seed: some that fit a JSON Schema, and some that nearly do. */
import type { Random } from '#core/random';

export type Schema = Readonly<Record<string, unknown>>;

const DEPTH_MAX = 6;
const ODD_TEXTS = [
  '',
  ' ',
  'null',
  '..',
  '../../etc/passwd',
  '%2e%2e%2f',
  '__proto__',
  'constructor',
  '\0',
  '\r\nx-injected: 1',
  '\uD800',
  '\u{1F600}',
  'ＡＢＣ',
  '\u202Eabc',
  "' or 1=1 --",
  '${7*7}',
  '<script>alert(1)</script>',
  '9'.repeat(400),
  'x'.repeat(20_000),
] as const;
const ODD_NUMBERS = [0, -0, -1, 1, 0.1, 1e308, -1e308, 2 ** 31, 2 ** 53, 2 ** 63] as const;

export class Chance {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.#random.next() * times < 1;
  }

  below(bound: number): number {
    return Math.floor(this.#random.next() * bound);
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new RangeError('a pick from nothing');
    return value;
  }

  oddText(): string {
    return this.pick(ODD_TEXTS);
  }
}

/** What the schema describes. Once in `oddIn` places something else stands there. */
export function valueOf(schema: unknown, chance: Chance, oddIn: number, depth = 0): unknown {
  if (chance.oneIn(oddIn)) return oddValue(chance, depth);
  if (!isSchema(schema) || depth > DEPTH_MAX) return chance.pick([null, 1, 'text', {}]);
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum'])) return chance.pick(schema['enum']);
  const branches = schema['anyOf'] ?? schema['oneOf'];
  if (Array.isArray(branches)) return valueOf(chance.pick(branches), chance, oddIn, depth + 1);
  switch (schema['type']) {
    case 'string':
      return textOf(schema, chance, oddIn);
    case 'integer':
      return numberOf(schema, chance, oddIn);
    case 'number':
      return numberOf(schema, chance, oddIn) + (chance.oneIn(3) ? 0.5 : 0);
    case 'boolean':
      return chance.oneIn(2);
    case 'null':
      return null;
    case 'array':
      return arrayOf(schema, chance, oddIn, depth);
    default:
      return objectOf(schema, chance, oddIn, depth);
  }
}

/** Anything but what was asked for. */
export function oddValue(chance: Chance, depth = 0): unknown {
  const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);
  return chance.pick<() => unknown>([
    () => null,
    () => chance.oddText(),
    () => chance.pick(ODD_NUMBERS),
    () => chance.oneIn(2),
    () => [],
    () => ({}),
    () => ({ [chance.oddText()]: 1 }),
    () => (depth === 0 ? nested(100) : [1]),
    () => Array.from({ length: 300 }, () => 1),
  ])();
}

function textOf({ examples, minLength, maxLength, pattern }: Schema, chance: Chance, oddIn: number): string {
  if (Array.isArray(examples) && typeof examples[0] === 'string') return examples[0];
  if (typeof pattern === 'string') return chance.pick(['abc', 'a1', '2026-01-01', 'text', '2026-01-01T00:00:00Z']);
  const least = typeof minLength === 'number' ? minLength : 0;
  const most = typeof maxLength === 'number' ? maxLength : least + 20;
  const length = chance.oneIn(oddIn) ? Math.min(most, 100_000) + 1 : chance.pick([least, Math.min(most, least + 8)]);
  return 'abc def '.repeat(Math.ceil(length / 8)).slice(0, length);
}

function numberOf({ minimum, maximum }: Schema, chance: Chance, oddIn: number): number {
  const least = typeof minimum === 'number' ? minimum : 0;
  const most = typeof maximum === 'number' ? maximum : least + 100;
  if (chance.oneIn(oddIn)) return chance.pick([least - 1, most + 1]);
  return chance.pick([least, most, Math.floor((least + most) / 2), least + 1]);
}

function arrayOf({ items, minItems }: Schema, chance: Chance, oddIn: number, depth: number): unknown[] {
  const length = (typeof minItems === 'number' ? minItems : 0) + chance.below(3);
  return Array.from({ length }, () => valueOf(items ?? {}, chance, oddIn, depth + 1));
}

function objectOf(schema: Schema, chance: Chance, oddIn: number, depth: number): Record<string, unknown> {
  const properties = isSchema(schema['properties']) ? schema['properties'] : {};
  const required: readonly unknown[] = Array.isArray(schema['required']) ? schema['required'] : [];
  const made: [string, unknown][] = [];
  for (const [name, inner] of Object.entries(properties)) {
    const left = required.includes(name) ? chance.oneIn(oddIn * 4) : chance.oneIn(2);
    if (!left) made.push([name, valueOf(inner, chance, oddIn, depth + 1)]);
  }
  if (chance.oneIn(oddIn)) made.push([chance.oddText(), oddValue(chance, depth + 1)]);
  // So `__proto__` is a field like any other.
  return Object.fromEntries(made);
}

export function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
