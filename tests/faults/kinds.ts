/**
 * How the upstream of each provider kind words the same things, so that one table of faults holds for them all. The words are those of
 * the providers' references; what goes wrong with them is the table's.
 */
import { event as anthropicEvent, message as anthropicMessage } from '../helpers/anthropic-upstream.ts';
import { answer as geminiAnswer } from '../helpers/gemini-upstream.ts';
import { event, flushed, json, startUpstream } from '../helpers/upstream.ts';
import type { Behaviour, Exchange, Received, Upstream } from '../helpers/upstream.ts';
import type { Cleanup } from '../helpers/suite.ts';

/** A body under the status that this kind of upstream gives it. */
export interface Said {
  readonly status: number;
  readonly body: unknown;
}

export interface KindUnderTest {
  readonly kind: string;
  /** Of a provider that calls the upstream at this address. */
  settings(origin: string): Record<string, unknown>;
  wantsStream(received: Received): boolean;
  /** A whole answer. */
  answer(text: string, finish: 'whole' | 'filtered'): unknown;
  /** A stream is the opening, the words, the closing and the last event, each as text. */
  readonly opening: string;
  word(text: string): string;
  /** With the reason why the answer ends; a stream without it is not whole. */
  closing(finish: 'whole' | 'filtered'): string;
  /** Empty where the end of the body is the end. */
  readonly last: string;
  readonly errors: Readonly<Record<'failed' | 'limited' | 'credentials' | 'tooLong', Said>> & {
    /** A prompt that the content filter refuses; null where no such refusal exists. */
    readonly blocked: Said | null;
    /** That an answer cannot be gone on with; null where the kind is never asked to. */
    readonly beginning: Said | null;
  };
}

/** `finish`, `delta`: of the one choice. */
function openAiFrame(object: string, choice: Record<string, unknown>): Record<string, unknown> {
  return { id: 'chatcmpl-1', object, created: 1, model: 'test-model', choices: [{ index: 0, ...choice }] };
}

const openAiChunk = (delta: unknown, finish: string | null = null): string =>
  event(openAiFrame('chat.completion.chunk', { delta, finish_reason: finish }));

const openAiError = (status: number, message: string, type: string, code: string | null): Said => ({
  status,
  body: { error: { message, type, code, param: null } },
});

const openAiFinish = { whole: 'stop', filtered: 'content_filter' } as const;

const openAi: KindUnderTest = {
  kind: 'openai-compatible',
  settings: (origin) => ({ baseUrl: `${origin}/v1` }),
  wantsStream: ({ body }) => body['stream'] === true,
  answer: (content, finish) => ({
    ...openAiFrame('chat.completion', {
      message: { role: 'assistant', content },
      finish_reason: openAiFinish[finish],
    }),
    usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
  }),
  opening: openAiChunk({ role: 'assistant', content: '' }),
  word: (content) => openAiChunk({ content }),
  closing: (finish) => openAiChunk({}, openAiFinish[finish]),
  last: 'data: [DONE]\n\n',
  errors: {
    failed: openAiError(500, 'The server had an error.', 'server_error', null),
    limited: openAiError(429, 'Rate limit reached.', 'requests', 'rate_limit_exceeded'),
    credentials: openAiError(401, 'Incorrect API key provided.', 'invalid_request_error', 'invalid_api_key'),
    tooLong: openAiError(
      400,
      'This model’s maximum context length is 8 tokens.',
      'invalid_request_error',
      'context_length_exceeded',
    ),
    blocked: openAiError(400, 'Your request was rejected.', 'invalid_request_error', 'content_policy_violation'),
    beginning: openAiError(400, 'Prefilling is not supported for this model.', 'invalid_request_error', null),
  },
};

const azure: KindUnderTest = {
  ...openAi,
  kind: 'azure-openai',
  settings: (endpoint) => ({ endpoint, deployments: ['test-model'], apiVersion: '2024-10-21' }),
  // Azure begins with what its filter found in the prompt, and its filter's events have no delta.
  opening:
    event({ ...openAiFrame('', {}), id: '', choices: [], prompt_filter_results: [{ prompt_index: 0 }] }) +
    openAi.opening +
    event(openAiFrame('', { finish_reason: null, content_filter_results: { hate: { filtered: false } } })),
  errors: {
    ...openAi.errors,
    limited: openAiError(429, 'Exceeded call rate limit of your tier.', '', '429'),
    credentials: openAiError(401, 'Access denied due to invalid subscription key.', '', '401'),
    blocked: openAiError(400, 'The prompt triggered the content management policy.', '', 'content_filter'),
    beginning: null,
  },
};

const ollama: KindUnderTest = {
  ...openAi,
  kind: 'ollama',
  settings: (baseUrl) => ({ baseUrl }),
  errors: {
    ...openAi.errors,
    failed: openAiError(500, 'llama runner process has terminated: exit status 2', 'api_error', null),
    beginning: null,
  },
};

const anthropicFinish = { whole: 'end_turn', filtered: 'refusal' } as const;

const anthropicError = (status: number, type: string, text: string): Said => ({
  status,
  body: { type: 'error', error: { type, message: text }, request_id: 'req_1' },
});

const anthropic: KindUnderTest = {
  kind: 'anthropic',
  settings: (origin) => ({ baseUrl: `${origin}/v1` }),
  wantsStream: ({ body }) => body['stream'] === true,
  answer: (text, finish) => anthropicMessage([{ type: 'text', text }], anthropicFinish[finish]),
  opening:
    anthropicEvent({ type: 'message_start', message: { ...anthropicMessage([], ''), stop_reason: null } }) +
    anthropicEvent({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }) +
    anthropicEvent({ type: 'ping' }),
  word: (text) => anthropicEvent({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
  closing: (finish) =>
    anthropicEvent({ type: 'content_block_stop', index: 0 }) +
    anthropicEvent({
      type: 'message_delta',
      delta: { stop_reason: anthropicFinish[finish], stop_sequence: null },
      usage: { output_tokens: 3 },
    }),
  last: anthropicEvent({ type: 'message_stop' }),
  errors: {
    failed: anthropicError(500, 'api_error', 'Internal server error'),
    limited: anthropicError(429, 'rate_limit_error', 'This request would exceed your rate limit.'),
    credentials: anthropicError(401, 'authentication_error', 'invalid x-api-key'),
    tooLong: anthropicError(400, 'invalid_request_error', 'prompt is too long: 9 tokens > 8 maximum'),
    // Anthropic's filter speaks in answers (stop_reason "refusal") and refuses no request by a code of its own.
    blocked: null,
    beginning: anthropicError(
      400,
      'invalid_request_error',
      'This model does not support assistant message prefill. The conversation must end with a user message.',
    ),
  },
};

const geminiFinish = { whole: 'STOP', filtered: 'SAFETY' } as const;

const geminiError = (code: number, message: string, status: string, details: readonly unknown[] = []): Said => ({
  status: code,
  body: { error: { code, message, status, details } },
});

const gemini: KindUnderTest = {
  kind: 'gemini',
  settings: (origin) => ({ baseUrl: `${origin}/v1beta` }),
  wantsStream: ({ path }) => path.includes(':streamGenerateContent?alt=sse'),
  answer: (text, finish) => geminiAnswer([{ text }], geminiFinish[finish]),
  opening: '',
  word: (text) => event(geminiAnswer([{ text }])),
  closing: (finish) => event(geminiAnswer([], geminiFinish[finish])),
  last: '',
  errors: {
    failed: geminiError(500, 'An internal error has occurred.', 'INTERNAL'),
    limited: geminiError(429, 'Resource has been exhausted.', 'RESOURCE_EXHAUSTED'),
    credentials: geminiError(400, 'API key not valid.', 'INVALID_ARGUMENT', [{ reason: 'API_KEY_INVALID' }]),
    tooLong: geminiError(
      400,
      'The input token count (9) exceeds the maximum number of tokens allowed (8).',
      'INVALID_ARGUMENT',
    ),
    blocked: { status: 200, body: { promptFeedback: { blockReason: 'SAFETY' } } },
    beginning: null,
  },
};

export const KINDS: readonly KindUnderTest[] = [openAi, azure, anthropic, gemini, ollama];

/** An upstream of this kind that answers well until it is told otherwise. */
export async function startKindUpstream(t: Cleanup, kind: KindUnderTest): Promise<Upstream> {
  const upstream = await startUpstream(t);
  upstream.otherwise = kindAnswers(kind, ['All', ' is', ' well.']);
  return upstream;
}

/** With its provider's settings, as `startBench` takes them. */
export function providerOf(kind: KindUnderTest, upstream: Upstream): { kind: string; [setting: string]: unknown } {
  return { kind: kind.kind, ...kind.settings(new URL(upstream.baseUrl).origin) };
}

/** A whole answer, or its stream where the request asks for one. */
export function kindAnswers(
  kind: KindUnderTest,
  words: readonly string[],
  finish: 'whole' | 'filtered' = 'whole',
): Behaviour {
  return (exchange) => {
    if (!kind.wantsStream(exchange.received)) return json(exchange.response, 200, kind.answer(words.join(''), finish));
    return kindStreams([kind.opening, ...words.map(kind.word), kind.closing(finish), kind.last])(exchange);
  };
}

/** An error, with its status; inside a 200 as the stream's event where a stream was asked for. */
export function kindRefuses(
  kind: KindUnderTest,
  { status, body }: Said,
  headers: Record<string, string> = {},
): Behaviour {
  return (exchange) => {
    if (status === 200 && kind.wantsStream(exchange.received)) return kindStreams([event(body)])(exchange);
    json(exchange.response, status, body, headers);
  };
}

export interface Ending {
  /** What happens once the parts are sent; left out, the body ends as it should. */
  readonly after?: (exchange: Exchange) => void;
  /** Waited for after the headers. */
  readonly before?: Promise<void>;
}

/** Exactly these parts as the body of a stream. */
export function kindStreams(parts: readonly string[], { after, before }: Ending = {}): Behaviour {
  return async (exchange) => {
    const { response } = exchange;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    await before;
    for (const part of parts) if (part !== '') await flushed(response, part);
    if (after === undefined) response.end();
    else after(exchange);
  };
}
