/**
 * Ollama, by its own OpenAI-compatible API under /v1; its models are those of /api/tags, which are the ones that are there. How long
 * it keeps a model loaded is Ollama's own setting (OLLAMA_KEEP_ALIVE): /v1 reads no `keep_alive`.
 * API: https://docs.ollama.com/api/openai-compatibility and https://docs.ollama.com/api/tags.
 */
import { Type } from 'typebox';
import type { ChatRequest, Model } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import { defineProvider } from './define-provider.ts';
import { given, isRecord, parseJson } from '#dialects/json';
import { OpenAiCompatible } from './openai-compatible.ts';
import { maxConnectionsSetting, modelsSetting } from './settings.ts';
import { secretHeader } from './upstream.ts';

/** Where `ollama serve` listens unless it is told otherwise. */
const BASE_URL = 'http://127.0.0.1:11434';

const ollamaSettings = Type.Object(
  {
    baseUrl: Type.Optional(
      Type.String({
        pattern: String.raw`^https?://[^\s/@?#]+(/[^\s?#]*)?$`,
        default: BASE_URL,
        description: 'Address of the server, with or without the /v1 at its end.',
        examples: ['https://ollama.com'],
      }),
    ),
    apiKey: Type.Optional(
      Type.String({
        minLength: 1,
        secret: true,
        description: 'Sent as a bearer token. Needed for ollama.com and behind a proxy that asks for one.',
      }),
    ),
    models: modelsSetting('Left out, the server is asked (GET /api/tags).'),
    maxConnections: maxConnectionsSetting,
  },
  { additionalProperties: false },
);

export const ollama = defineProvider({
  kind: 'ollama',
  settings: ollamaSettings,
  capabilities: {
    streaming: true,
    tools: true,
    jsonMode: true,
    jsonSchema: true,
    vision: true,
    embeddings: true,
    prefill: false,
    passesUnknownFields: true,
  },
  create: ({ baseUrl = BASE_URL, apiKey, models, maxConnections }, context) =>
    new OpenAiCompatible('ollama', context, {
      baseUrl: baseUrl.replace(/\/(v1\/?)?$/, ''),
      headers: apiKey === undefined ? {} : { authorization: secretHeader(apiKey, 'Bearer ') },
      maxConnections,
      models,
      prefill: false,
      worded,
      pathOf: (operation) => `/v1/${operation}`,
      modelList: { path: '/api/tags', parse: parseTags },
    }),
});

/** Of the two names for the bound of an answer, `/v1` reads the older one alone, and says nothing of the other. */
function worded(request: ChatRequest): ChatRequest {
  const { max_completion_tokens: bound } = request;
  return given(bound) ? { ...request, max_tokens: bound } : request;
}

/** `{models: [{name, modified_at}]}`; entries without a name are left out. */
function parseTags(bytes: Buffer, owner: string): Model[] {
  const value = parseJson(bytes.toString('utf8'));
  if (!isRecord(value) || !Array.isArray(value['models']))
    throw new UpstreamFailure('malformed', 'The upstream answered with no list of models.');
  return value['models'].filter(isRecord).flatMap(({ name, modified_at: modified }) => {
    if (typeof name !== 'string' || name === '') return [];
    const changedMs = typeof modified === 'string' ? Date.parse(modified) : Number.NaN;
    const created = Number.isNaN(changedMs) ? 0 : Math.floor(changedMs / 1000);
    return [{ id: name, object: 'model' as const, created, owned_by: owner }];
  });
}
