/**
 * The simulator's vectors: each word adds to one place of the vector, so that texts that share words are near each other, and the same
 * text always has the same vector. They know no meaning. Bounded, since a vector is larger than the text it is made of.
 */
import type { EmbeddingList, EmbeddingRequest } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import { vectorAs } from './vectors.ts';

const SIZE = 64;
const SIZE_MAX = 1_536;
const TEXTS_MAX = 256;

/** Throws `UpstreamFailure` with status 400 for more than it makes. */
export function embeddingsFor(request: EmbeddingRequest, model: string): EmbeddingList {
  const { input, dimensions, encoding_format: format } = request;
  const texts = textsOf(input).map((each) => wordsIn(each));
  const size = typeof dimensions === 'number' ? dimensions : SIZE;
  if (texts.length > TEXTS_MAX) throw refused('input', `input may hold ${TEXTS_MAX} texts at most.`);
  if (!Number.isInteger(size) || size < 1 || size > SIZE_MAX)
    throw refused('dimensions', `dimensions must be 1 to ${SIZE_MAX}.`);
  const tokens = texts.reduce((sum, words) => sum + words.length, 0);
  return {
    object: 'list',
    data: texts.map((words, index) => ({
      object: 'embedding',
      index,
      embedding: vectorAs(format, vectorOf(words, size)),
    })),
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}

/** A text or its tokens alone, or a list of either. */
function textsOf(input: EmbeddingRequest['input']): readonly unknown[] {
  return typeof input === 'string' || input.every((each) => typeof each === 'number') ? [input] : input;
}

/** The numbers of tokens stand for themselves. */
function wordsIn(input: unknown): string[] {
  return (
    String(input)
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}

/** Of length 1, as those of most models are. */
function vectorOf(words: readonly string[], size: number): number[] {
  const vector = Array.from({ length: size }, () => 0);
  for (const word of words) {
    const hash = hashOf(word);
    const at = (hash >>> 1) % size;
    vector[at] = (vector[at] ?? 0) + ((hash & 1) === 0 ? 1 : -1);
  }
  const length = Math.hypot(...vector);
  // A text without words, or whose words cancel each other, has a direction too.
  if (length === 0) return vector.with(0, 1);
  return vector.map((value) => value / length);
}

/** FNV-1a, 32 bits. */
function hashOf(word: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < word.length; at++) hash = Math.imul(hash ^ word.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

function refused(param: string, message: string): UpstreamFailure {
  const body = { message, type: 'invalid_request_error', param };
  return new UpstreamFailure('status', 'The simulator answered with status 400.', { status: 400, body });
}
