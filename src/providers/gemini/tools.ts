/**
 * Tools, and which of them the model has to use, in Gemini's words. Schemas travel as they are (`parametersJsonSchema` takes JSON
 * Schema), so that no keyword is lost on the way; what Gemini does not support of them it refuses itself.
 */
import { isRecord } from '#dialects/json';
import { untranslatable } from '#dialects/untranslatable';

export interface GeminiTools {
  tools: { functionDeclarations: Record<string, unknown>[] }[];
  toolConfig: {
    functionCallingConfig: { mode: 'AUTO' | 'ANY' | 'NONE' | 'VALIDATED'; allowedFunctionNames?: string[] };
  };
}

/** Undefined where there are no tools. Throws `UpstreamFailure('untranslatable')`. */
export function toTools(tools: unknown, choice: unknown): GeminiTools | undefined {
  if (tools === undefined || tools === null || (Array.isArray(tools) && tools.length === 0)) {
    if (choice === undefined || choice === null || choice === 'none' || choice === 'auto') return undefined;
    throw untranslatable('tool_choice', 'there are no tools to choose from.');
  }
  if (!Array.isArray(tools)) throw untranslatable('tools', 'it is no list.');
  const functions = tools.map((tool, index) => functionOf(tool, `tools[${index}]`));
  return {
    tools: [{ functionDeclarations: functions.map(declaration) }],
    toolConfig: {
      functionCallingConfig: choiceOf(
        choice,
        functions.some(({ strict }) => strict === true),
      ),
    },
  };
}

const FIELDS: readonly string[] = ['name', 'description', 'parameters', 'strict'];

function functionOf(tool: unknown, param: string): Record<string, unknown> {
  const given = isRecord(tool) && tool['type'] === 'function' ? tool['function'] : undefined;
  if (!isRecord(given)) throw untranslatable(param, 'Gemini is told of functions only.');
  for (const name of Object.keys(given)) {
    if (!FIELDS.includes(name)) throw untranslatable(`${param}.function.${name}`, 'Gemini has nothing like it.');
  }
  return given;
}

function declaration({ name, description, parameters }: Record<string, unknown>): Record<string, unknown> {
  return {
    name,
    ...(typeof description === 'string' ? { description } : {}),
    ...(isRecord(parameters) ? { parametersJsonSchema: parameters } : {}),
  };
}

/** `strict`: a function whose arguments must fit its schema, which Gemini promises in the modes VALIDATED and ANY. */
function choiceOf(choice: unknown, strict: boolean): GeminiTools['toolConfig']['functionCallingConfig'] {
  if (choice === undefined || choice === null || choice === 'auto') return { mode: strict ? 'VALIDATED' : 'AUTO' };
  if (choice === 'none') return { mode: 'NONE' };
  if (choice === 'required') return { mode: 'ANY' };
  const allowed = isRecord(choice) ? choice['allowed_tools'] : undefined;
  const names = isRecord(allowed) ? namesOf(allowed['tools']) : namesOf([choice]);
  if (names === undefined) throw untranslatable('tool_choice', 'Gemini is told of functions only.');
  const mode = isRecord(allowed) && allowed['mode'] !== 'required' ? 'VALIDATED' : 'ANY';
  return { mode, allowedFunctionNames: names };
}

function namesOf(tools: unknown): string[] | undefined {
  if (!Array.isArray(tools)) return undefined;
  const names = tools.map((tool) =>
    isRecord(tool) && isRecord(tool['function']) ? tool['function']['name'] : undefined,
  );
  return names.every((name) => typeof name === 'string') ? names : undefined;
}
