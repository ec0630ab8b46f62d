/** A whole answer as the chunks of a stream, for an answer that had to be whole before any of it could be sent. */
import type { ChatChunk, ChatCompletion } from '#contract/chat';

/** JSON texts. `usage` is asked for by `stream_options.include_usage`. */
export function chunksOf(completion: ChatCompletion, usage: boolean): string[] {
  const { choices: made, usage: spent, ...frame } = completion;
  const chunk = (choices: ChatChunk['choices'], more?: object): string =>
    JSON.stringify({ ...frame, object: 'chat.completion.chunk', choices, ...more });
  const texts: string[] = [];
  for (const { index, message, finish_reason: finish, logprobs = null, ...beside } of made) {
    const { tool_calls: calls, ...said } = message;
    const numbered = Array.isArray(calls) ? calls.map((call: object, at) => ({ index: at, ...call })) : undefined;
    const delta = { ...said, ...(numbered === undefined ? {} : { tool_calls: numbered }) };
    texts.push(chunk([{ index, delta, logprobs, finish_reason: null }]));
    texts.push(chunk([{ ...beside, index, delta: {}, logprobs: null, finish_reason: finish }]));
  }
  if (usage) texts.push(chunk([], { usage: spent ?? null }));
  return texts;
}
