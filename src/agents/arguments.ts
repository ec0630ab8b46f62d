/**
 * The arguments that a model gives to a tool, held against the tool's JSON Schema. A model errs: what is wrong is said in words that it
 * can correct itself by. Patterns are not checked: one expression could stop the whole process on a text that a model wrote.
 */
import { Check, Errors } from 'typebox/schema';
import { limits } from '#core/limits';
import type { ToolUse } from '#contract/agents';

export type ToolArguments = Readonly<Record<string, unknown>>;

/** What came of them. */
export interface ToolAnswer {
  readonly outcome: ToolUse['outcome'];
  /** For the model. */
  readonly text: string;
}

const PROBLEMS_MAX = 8;
const SCHEMA_DEPTH_MAX = 64;
const UNCHECKED: ReadonlySet<string> = new Set(['pattern', 'patternProperties']);

/** The arguments, or what is wrong with them. */
export function readArguments(
  text: string,
  parameters: Readonly<Record<string, unknown>>,
): { readonly ok: true; readonly value: ToolArguments } | { readonly ok: false; readonly problem: string } {
  if (text.length > limits.toolArgumentsCharsMax)
    return { ok: false, problem: `they are longer than ${limits.toolArgumentsCharsMax} characters` };
  let value: unknown;
  try {
    // Models give no text at all for no arguments.
    value = text.trim() === '' ? {} : JSON.parse(text);
  } catch {
    return { ok: false, problem: 'they are not JSON' };
  }
  if (!isRecord(value)) return { ok: false, problem: 'they are not a JSON object' };
  return judged(value, parameters);
}

function judged(value: ToolArguments, parameters: Readonly<Record<string, unknown>>): ReturnType<typeof readArguments> {
  try {
    const schema = withoutPatterns(parameters, 0);
    if (Check(schema, value)) return { ok: true, value };
    const problems = Errors(schema, value)[1].map(
      ({ instancePath, message }) => `${instancePath === '' ? 'the arguments' : instancePath.slice(1)} ${message}`,
    );
    return { ok: false, problem: problems.slice(0, PROBLEMS_MAX).join('; ') };
  } catch (thrown) {
    return { ok: false, problem: `the tool's own schema cannot be applied (${String(thrown)})` };
  }
}

/** `properties` may have one that is called `pattern`: there the name is no keyword. */
function withoutPatterns(schema: Readonly<Record<string, unknown>>, depth: number, names = false): object {
  if (depth > SCHEMA_DEPTH_MAX) return {};
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (!names && UNCHECKED.has(key)) continue;
    // What no pattern allows any more must not be refused for that.
    if (!names && key === 'additionalProperties' && 'patternProperties' in schema) continue;
    const verbatim = !names && (key === 'enum' || key === 'const' || key === 'default' || key === 'examples');
    const named = !names && (key === 'properties' || key === '$defs' || key === 'definitions');
    kept[key] = verbatim ? value : below(value, depth + 1, named);
  }
  return kept;
}

function below(value: unknown, depth: number, names: boolean): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => below(item, depth, false));
  return isRecord(value) ? withoutPatterns(value, depth, names) : value;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
