/**
 * What the chat-completions protocol says, read out of an upstream's bytes: a completion, a chunk, or an error in one of the
 * shapes in which providers write one. Refuses what is none of these, so that an HTML page is never taken for an answer.
 * Shapes after https://platform.openai.com/docs/api-reference/chat and the error pages of Mistral, Google and FastAPI.
 */
import { isUtf8 } from 'node:buffer';
import type { ChatChunk, ChatCompletion, EmbeddingList, Model } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import type { ProviderAnswer, ProviderErrorBody, ProviderEvent } from '#contract/provider';
import { isRecord, parseJson } from '#dialects/json';

/** A provider's sentence; more is a page, not a reason. */
const MESSAGE_CHARS_MAX = 2_000;

/**
 * `raw`: the bytes, where nothing in them had to be mended. Throws `UpstreamFailure`: `reported` for an error object, `malformed` for
 * anything that is no completion.
 */
export function parseCompletion(raw: Buffer, status: number): ProviderAnswer {
  const body = parseAnswer(raw, status, isCompletion, 'chat completion');
  if (body.choices.every(({ message }) => !Array.isArray(message.content))) return { body, raw };
  const choices = body.choices.map((choice) => ({
    ...choice,
    message: { ...choice.message, ...saidIn(choice.message) },
  }));
  return { body: { ...body, choices }, raw: undefined };
}

/**
 * What Mistral's models write as a list of parts once they think, in the words of everybody else: a text, and the thinking beside it.
 * https://docs.mistral.ai/capabilities/reasoning
 */
function saidIn({ content }: Record<string, unknown>): { content: string; reasoning_content?: string } {
  const parts = Array.isArray(content) ? content.filter(isRecord) : [];
  const textsOf = (said: readonly unknown[]): string =>
    said.map((part) => (isRecord(part) ? (textOf(part['text']) ?? '') : '')).join('');
  const thoughts = parts.map(({ thinking }) =>
    Array.isArray(thinking) ? textsOf(thinking) : (textOf(thinking) ?? ''),
  );
  const thought = thoughts.join('');
  return { content: textsOf(parts), ...(thought !== '' && { reasoning_content: thought }) };
}

/** Throws as `parseCompletion` does. */
export function parseEmbeddings(bytes: Buffer, status: number): EmbeddingList {
  return parseAnswer(bytes, status, isEmbeddings, 'list of embeddings');
}

function parseAnswer<T>(bytes: Buffer, status: number, fits: (value: unknown) => value is T, name: string): T {
  if (!isUtf8(bytes))
    throw new UpstreamFailure('malformed', 'The upstream answered with bytes that are no UTF-8.', { status });
  const value = parseJson(bytes.toString('utf8'));
  if (fits(value)) return value;
  const body = errorBodyOf(value);
  if (body !== undefined)
    throw new UpstreamFailure('reported', 'The upstream reported an error inside a 200.', { status, body });
  const what = value === undefined ? 'something that is no JSON' : `JSON that is no ${name}`;
  throw new UpstreamFailure('malformed', `The upstream answered with ${what}.`, { status });
}

/** One event of a stream out of its text. Throws as `parseCompletion` does. */
export function parseChunk(data: string): ProviderEvent {
  const value = parseJson(data);
  if (isRecord(value) && Array.isArray(value['choices']) && !isRecord(value['error'])) {
    if (isChunk(value)) return { chunk: value, data };
    const mended = { ...value, choices: value['choices'].map(mendChoice) };
    if (isChunk(mended)) return { chunk: mended, data: JSON.stringify(mended) };
  }
  const body = errorBodyOf(value);
  if (body === undefined && isRecord(value) && lacksChoices(value)) {
    const mended = { ...value, choices: [] };
    if (isChunk(mended)) return { chunk: mended, data: JSON.stringify(mended) };
  }
  if (body !== undefined)
    throw new UpstreamFailure('reported', 'The upstream reported an error in its stream.', { body });
  const what = value === undefined ? 'an event that is no JSON' : 'an event that is no chunk of a chat completion';
  throw new UpstreamFailure('malformed', `The upstream sent ${what}.`);
}

/** The list that `GET /models` gives, bounded by its body; entries without an id are left out. */
export function parseModels(bytes: Buffer, owner: string): Model[] {
  const value = parseJson(bytes.toString('utf8'));
  const list: unknown = isRecord(value) ? value['data'] : value;
  if (!Array.isArray(list)) throw new UpstreamFailure('malformed', 'The upstream answered with no list of models.');
  return list.filter(isRecord).flatMap((entry) => {
    const { id, created, owned_by } = entry;
    if (typeof id !== 'string' || id === '') return [];
    return [
      {
        id,
        object: 'model' as const,
        created: typeof created === 'number' ? created : 0,
        owned_by: typeof owned_by === 'string' ? owned_by : owner,
      },
    ];
  });
}

/** The error of a response that is not 2xx, where its body holds one. */
export function parseErrorBody(bytes: Buffer): ProviderErrorBody | undefined {
  const value = parseJson(bytes.toString('utf8'));
  if (value === undefined) return undefined;
  const body = errorBodyOf(value);
  if (body !== undefined) return body;
  return isRecord(value) && typeof value['message'] === 'string' ? describe(value) : undefined;
}

function isCompletion(value: unknown): value is ChatCompletion {
  if (!isRecord(value) || !Array.isArray(value['choices']) || value['choices'].length === 0) return false;
  return value['choices'].every((choice) => isRecord(choice) && isRecord(choice['message']));
}

function isEmbeddings(value: unknown): value is EmbeddingList {
  if (!isRecord(value) || !Array.isArray(value['data'])) return false;
  return value['data'].every(
    (entry) => isRecord(entry) && (Array.isArray(entry['embedding']) || typeof entry['embedding'] === 'string'),
  );
}

function isChunk(value: Record<string, unknown>): value is ChatChunk {
  const { choices } = value;
  return (
    Array.isArray(choices) &&
    choices.every(
      (choice) =>
        isRecord(choice) &&
        Number.isInteger(choice['index']) &&
        isRecord(choice['delta']) &&
        !Array.isArray(choice['delta']['content']),
    )
  );
}

/** What an answer used, or that its server is at work, some say in an event of its own without a list of choices. */
function lacksChoices({ choices, usage, object }: Record<string, unknown>): boolean {
  return choices === null || (choices === undefined && (isRecord(usage) || object === 'chat.completion.chunk'));
}

/** Azure's filter events have no delta and some servers no index; clients fail on either, so both are filled in. */
function mendChoice(choice: unknown, position: number): unknown {
  if (!isRecord(choice)) return choice;
  const { index, delta } = choice;
  const said = isRecord(delta) && Array.isArray(delta['content']) ? { ...delta, ...saidIn(delta) } : (delta ?? {});
  return { ...choice, index: index ?? position, delta: said };
}

/** `{error: {…}}`, `{error: "…"}`, `[{error: …}]` (Google), `{object: "error", message}` (Mistral, vLLM), `{detail}` (FastAPI). */
function errorBodyOf(value: unknown): ProviderErrorBody | undefined {
  if (Array.isArray(value)) return value.length === 0 ? undefined : errorBodyOf(value[0]);
  if (!isRecord(value)) return undefined;
  const { error, detail } = value;
  if (isRecord(error)) return describe(error);
  if (typeof error === 'string') return { ...describe(value), message: cutText(error) };
  if (value['object'] === 'error') return describe(value);
  if (typeof detail === 'string') return { message: cutText(detail) };
  if (Array.isArray(detail) && isRecord(detail[0]))
    return { message: cutText(textOf(detail[0]['msg']) ?? 'invalid request') };
  return undefined;
}

function describe(error: Record<string, unknown>): ProviderErrorBody {
  return {
    message: cutText(textOf(error['message']) ?? 'no message'),
    type: textOf(error['type']) ?? textOf(error['status']),
    code: textOf(error['code']),
    param: textOf(error['param']),
  };
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string' && value !== '') return value;
  return typeof value === 'number' ? String(value) : undefined;
}

function cutText(text: string): string {
  return text.length > MESSAGE_CHARS_MAX ? `${text.slice(0, MESSAGE_CHARS_MAX)}…` : text;
}
