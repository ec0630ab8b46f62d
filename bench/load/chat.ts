/** The one exchange every server is asked to pass on: a realistic request, and the completion the upstream answers with. */

export const MODEL = 'gpt-4o-mini';
export const CHAT_PATH = '/v1/chat/completions';
/** A fragment of the answer: who sees it has seen the upstream's bytes. */
export const ANSWER_MARK = 'chatcmpl-bench';

/** Deltas of one streamed answer. */
export const STREAM_DELTAS = 64;

export interface ChatBodyOptions {
  /** Bytes of text in the user's message; a short question unless told. */
  readonly textBytes?: number;
  readonly stream?: boolean;
}

export function chatBody({ textBytes, stream = false }: ChatBodyOptions = {}): string {
  const question = 'Which of the three suppliers delivered late in October, and what did each of the delays cost us?';
  return JSON.stringify({
    model: MODEL,
    messages: [
      {
        role: 'system',
        content: 'You are the purchasing agent of a machine builder. Answer from the given tables, in two sentences.',
      },
      { role: 'user', content: textBytes === undefined ? question : question.repeat(textBytes).slice(0, textBytes) },
    ],
    temperature: 0.2,
    max_tokens: 256,
    ...(stream ? { stream: true } : {}),
  });
}

/** About 700 bytes, in the form of OpenAI's reference (platform.openai.com/docs/api-reference/chat/object). */
export const CHAT_ANSWER = JSON.stringify({
  id: 'chatcmpl-bench-9x2Qh7YbTf3Lw',
  object: 'chat.completion',
  created: 1_760_000_000,
  model: 'gpt-4o-mini-2024-07-18',
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content:
          'Two of the three delivered late: Kessler by four days and Brandt by nine. The delays cost 1,840 and 6,320 euros, most of it for the idle welding line.',
        refusal: null,
      },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage: {
    prompt_tokens: 58,
    completion_tokens: 41,
    total_tokens: 99,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
  },
  service_tier: 'default',
  system_fingerprint: 'fp_06737a9306',
});
