/**
 * What the simulator says: plain text that names itself as simulated and repeats the question, a call of a tool where one is asked
 * for, JSON where JSON is asked for. Deterministic: the same request gets the same answer. It invents no knowledge.
 */
import type { ChatRequest } from '#contract/chat';
import { exampleOf } from './example-of.ts';
import { isRecord } from '#dialects/json';

export interface SimulatedToolCall {
  readonly name: string;
  readonly arguments: string;
}

export interface SimulatedAnswer {
  /** The words in order; joined they are the content. Empty where a tool is called. */
  readonly words: readonly string[];
  readonly toolCall: SimulatedToolCall | undefined;
  readonly finishReason: 'stop' | 'length' | 'tool_calls';
  readonly promptTokens: number;
}

const ECHO_CHARS_MAX = 240;
const CHARS_PER_TOKEN = 4;
/** Searching a long text for a long one may take the product of their lengths. These are longer than any of a real model's. */
const STOPS_MAX = 16;
const NAME_CHARS_MAX = 256;
/** Of a question, the last characters that are looked through for the name of a tool. */
const ASKED_CHARS_MAX = 8_192;

export function answerTo(request: ChatRequest, reply: string | undefined): SimulatedAnswer {
  const promptTokens = Math.ceil(JSON.stringify(request.messages).length / CHARS_PER_TOKEN);
  const toolCall = toolCallOf(request);
  if (toolCall !== undefined) return { words: [], toolCall, finishReason: 'tool_calls', promptTokens };
  const all = wordsOf(upToStop(contentFor(request, reply), request['stop']));
  const wordsMax = request['max_completion_tokens'] ?? request['max_tokens'];
  const words = typeof wordsMax === 'number' && wordsMax >= 1 ? all.slice(0, wordsMax) : all;
  return { words, toolCall: undefined, finishReason: words.length < all.length ? 'length' : 'stop', promptTokens };
}

/** Pieces as a model streams them: a word with the space before it. No space at the end, whose every character would be tried as a beginning. */
export function wordsOf(text: string): string[] {
  return text.trimEnd().match(/\s*\S+/g) ?? [];
}

/** What comes before the first of the texts at which the caller wants it to end. */
function upToStop(text: string, stop: unknown): string {
  const given: readonly unknown[] = Array.isArray(stop) ? stop.slice(0, STOPS_MAX) : [stop];
  const ends = given.flatMap((each) => (isName(each) && each !== '' ? [text.indexOf(each)] : []));
  return text.slice(0, Math.min(text.length, ...ends.filter((at) => at !== -1)));
}

function contentFor(request: ChatRequest, reply: string | undefined): string {
  const last = request.messages.at(-1);
  const said = shorten(textOf(last?.content));
  const format = request['response_format'];
  if (isRecord(format) && format['type'] === 'json_object') return JSON.stringify({ simulated: true, echo: said });
  if (isRecord(format) && format['type'] === 'json_schema' && isRecord(format['json_schema']))
    return JSON.stringify(exampleOf(format['json_schema']['schema']));
  if (reply !== undefined) return reply;
  if (last?.role === 'tool') return `This is a simulated answer. The tool gave: ${said}`;
  if (said === '')
    return 'This is a simulated answer to an empty message. Add a provider to the configuration for a real one.';
  return `This is a simulated answer: no model read your message. You said: “${said}” Add a provider to the configuration for a real one.`;
}

/** Where `tool_choice` forces a call, or the last message is the user's and names a tool. */
function toolCallOf(request: ChatRequest): SimulatedToolCall | undefined {
  const { tools, tool_choice: choice, messages } = request;
  if (!Array.isArray(tools) || choice === 'none') return undefined;
  const functions = tools.flatMap((tool) => (isRecord(tool) && isRecord(tool['function']) ? [tool['function']] : []));
  const last = messages.at(-1);
  const asked = last?.role === 'user' ? textOf(last.content).slice(-ASKED_CHARS_MAX) : '';
  const chosen = isRecord(choice) && isRecord(choice['function']) ? choice['function']['name'] : undefined;
  const called =
    choice === 'required'
      ? functions[0]
      : functions.find(({ name }) => (chosen === undefined ? isName(name) && asked.includes(name) : name === chosen));
  if (called === undefined || typeof called['name'] !== 'string') return undefined;
  return { name: called['name'], arguments: JSON.stringify(exampleOf(called['parameters'] ?? { type: 'object' })) };
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= NAME_CHARS_MAX;
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .flatMap((part) => (isRecord(part) && typeof part['text'] === 'string' ? [part['text']] : []))
    .join(' ');
}

function shorten(text: string): string {
  return text.length > ECHO_CHARS_MAX ? `${text.slice(0, ECHO_CHARS_MAX)}…` : text;
}
