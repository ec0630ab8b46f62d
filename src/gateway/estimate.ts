/**
 * How many tokens a call may come to, and what they may cost, before it is made: high rather than low, since a limit is held against it.
 * The prompt by its bytes and its pictures, the answer by what the caller allows it; the price is the highest of the route's.
 */
import type { LimitAmounts } from '#contract/admission';
import type { RunCall } from '#contract/gateway';
import type { Prices } from './prices.ts';
import type { Route } from './route.ts';

/** English has about four characters a token (https://platform.openai.com/tokenizer), code fewer; scripts of three bytes a character, about one character. */
const BYTES_PER_TOKEN = 3;
/** What separates messages. */
const TOKENS_PER_MESSAGE = 4;
/** A large picture: https://docs.anthropic.com/en/docs/build-with-claude/vision has 1,600 at most, OpenAI's tiles come to about that. */
const TOKENS_PER_PICTURE = 1_600;
/** An answer that nobody bounds. */
const ANSWER_TOKENS = 1_024;
/** More than any model gives for one call. What costs more than can be reckoned exactly would have no price, and be let in as such. */
const ANSWER_TOKENS_MAX = 10_000_000;
/** Where nobody knows the price: the least there is, so that a budget that is spent holds such a call back too. What is free costs 0. */
const UNPRICED_MICRO_USD = 1;

export function estimateOf(
  { request }: Pick<RunCall, 'request'>,
  route: Pick<Route, 'groups'> | null,
  prices: Prices,
): LimitAmounts {
  const prompt = promptTokens(request);
  const answer = answerTokens(request);
  let microUsd = 0;
  const stated = { prompt_tokens: prompt, completion_tokens: Math.min(answer, ANSWER_TOKENS_MAX) };
  for (const { deployment } of route?.groups.flat() ?? []) {
    // Whatever tier the caller asks for: the price of others is not known, and he would choose not to be counted.
    const { costMicroUsd } = prices.usageOf(deployment, stated, undefined);
    microUsd = Math.max(microUsd, costMicroUsd ?? UNPRICED_MICRO_USD);
  }
  return { tokens: prompt + answer, microUsd };
}

/** Of the input alone. */
export function promptTokens(request: RunCall['request']): number {
  const parts = 'messages' in request ? request.messages : 'input' in request ? request.input : [];
  let size = sizeOf(parts);
  if (request['tools'] !== undefined) size += sizeOf(request['tools']);
  return Math.ceil(size);
}

/** Everything that is said in it, whatever its form: a text, a list, or fields that hold some. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value) / BYTES_PER_TOKEN;
  // A token by its number, as embeddings take them.
  if (typeof value === 'number') return 1;
  if (Array.isArray(value)) return (value as unknown[]).reduce((sum: number, part) => sum + sizeOf(part), 0);
  if (typeof value !== 'object' || value === null) return 0;
  let size = 'role' in value ? TOKENS_PER_MESSAGE : 0;
  for (const [name, part] of Object.entries(value)) {
    // In place of the picture alone: a text that has such a field beside it is a text.
    if (name === 'image_url' || name === 'source') size += TOKENS_PER_PICTURE;
    else if (name !== 'role' && name !== 'type') size += sizeOf(part);
  }
  return size;
}

function answerTokens(request: RunCall['request']): number {
  if (!('messages' in request)) return 0;
  const { max_completion_tokens: newer, max_tokens: older, n } = request;
  const allowed = [newer, older].find((value) => typeof value === 'number' && Number.isSafeInteger(value) && value > 0);
  const choices = typeof n === 'number' && Number.isSafeInteger(n) && n > 1 ? n : 1;
  return (typeof allowed === 'number' ? allowed : ANSWER_TOKENS) * choices;
}
