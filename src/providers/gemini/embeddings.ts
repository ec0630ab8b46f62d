/**
 * Embeddings both ways: a request as `batchEmbedContents`, and its vectors as a list of embeddings. After
 * https://ai.google.dev/api/embeddings. What Gemini cannot be told, such as tokens in place of texts, is refused by name.
 */
import type { EmbeddingList, EmbeddingRequest } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import { given, isRecord, parseJson } from '#dialects/json';
import { untranslatable } from '#dialects/untranslatable';
import { vectorAs } from '../vectors.ts';
import { parseGeminiError } from './errors.ts';

const FIELDS: readonly string[] = ['model', 'input', 'encoding_format', 'dimensions', 'user'];

/** `resource`: the model as Google names it, `models/…`. Throws `UpstreamFailure('untranslatable')` that names the field. */
export function toEmbeddingRequest(request: EmbeddingRequest, resource: string): { requests: unknown[] } {
  for (const [name, value] of Object.entries(request)) {
    if (given(value) && !FIELDS.includes(name)) throw untranslatable(name, 'Gemini has nothing like it.');
  }
  const { input, dimensions, encoding_format: format } = request;
  if (given(format) && format !== 'float' && format !== 'base64')
    throw untranslatable('encoding_format', 'it may be "float" or "base64".');
  const texts = typeof input === 'string' ? [input] : input;
  const size = dimensions === undefined || dimensions === null ? {} : { outputDimensionality: dimensions };
  return {
    requests: texts.map((text, index) => {
      if (typeof text !== 'string') throw untranslatable(`input[${index}]`, 'Gemini takes texts, no tokens.');
      return { model: resource, content: { parts: [{ text }] }, ...size };
    }),
  };
}

/** Throws `UpstreamFailure`: `reported` for an error inside a 200, `malformed` for anything that is not one vector for each text. */
export function toEmbeddingList(text: string, status: number, request: EmbeddingRequest, model: string): EmbeddingList {
  const value = parseJson(text);
  const embeddings = isRecord(value) ? value['embeddings'] : undefined;
  const body = Array.isArray(embeddings) ? undefined : parseGeminiError(Buffer.from(text));
  if (body !== undefined)
    throw new UpstreamFailure('reported', 'The upstream reported an error inside a 200.', { status, body });
  const asked = typeof request.input === 'string' ? 1 : request.input.length;
  const vectors = Array.isArray(embeddings) ? embeddings.map(vectorOf) : [];
  if (vectors.length !== asked || !vectors.every((vector) => vector !== undefined))
    throw new UpstreamFailure('malformed', 'The upstream did not answer with a vector for each text.', { status });
  return {
    object: 'list',
    data: vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: vectorAs(request['encoding_format'], vector),
    })),
    model,
    usage: usageOf(isRecord(value) ? value['usageMetadata'] : undefined),
  };
}

function vectorOf(embedding: unknown): number[] | undefined {
  const values = isRecord(embedding) ? embedding['values'] : undefined;
  return Array.isArray(values) && values.every((value) => typeof value === 'number') ? values : undefined;
}

/** Older models do not say what they counted; a number of the hub's own would be a guess. */
function usageOf(value: unknown): { prompt_tokens: number; total_tokens: number } | null {
  const count = isRecord(value) ? value['promptTokenCount'] : undefined;
  return typeof count === 'number' ? { prompt_tokens: count, total_tokens: count } : null;
}
