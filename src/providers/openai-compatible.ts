/**
 * Every upstream that speaks OpenAI's chat completions: OpenAI, Azure OpenAI, Groq, Mistral, DeepSeek, OpenRouter, vLLM, LM
 * Studio, llama.cpp, Ollama. The request travels as the caller wrote it, whatever fields it holds; only `model` and `stream` are
 * the hub's. Protocol: https://platform.openai.com/docs/api-reference/chat.
 */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { limits } from '#core/limits';
import type { Secret } from '#core/secret';
import type {
  EmbeddingAnswer,
  EmbeddingCall,
  Provider,
  ProviderAnswer,
  ProviderCall,
  ProviderContext,
  ProviderStream,
} from '#contract/provider';
import type { Model } from '#contract/chat';
import { defineProvider } from './define-provider.ts';
import { UpstreamEvents } from './events.ts';
import { parseChunk, parseCompletion, parseEmbeddings, parseErrorBody, parseModels } from './openai-body.ts';
import { CONNECTIONS_DEFAULT, JsonUpstream, secretHeader } from './upstream.ts';

const openaiSettings = Type.Object(
  {
    baseUrl: Type.String({
      pattern: String.raw`^https?://[^\s/@?#]+(/[^\s#]*)?$`,
      description:
        'Address up to the version, as in https://api.openai.com/v1. No credentials in it; a query (Azure) is kept.',
      examples: ['https://api.openai.com/v1', 'http://127.0.0.1:11434/v1'],
    }),
    apiKey: Type.Optional(
      Type.String({
        minLength: 1,
        secret: true,
        description: 'Sent as a bearer token. Leave out for a server that asks for none.',
      }),
    ),
    headers: Type.Optional(
      Type.Record(Type.String({ minLength: 1 }), Type.String({ secret: true }), {
        description: 'Further headers of every request, such as api-key for Azure.',
      }),
    ),
    organization: Type.Optional(Type.String({ minLength: 1, description: 'Sent as OpenAI-Organization.' })),
    project: Type.Optional(Type.String({ minLength: 1, description: 'Sent as OpenAI-Project.' })),
    models: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: limits.modelNameCharsMax }), {
        maxItems: 1000,
        description: 'The models it offers. Left out, the server is asked (GET /models).',
      }),
    ),
    prefill: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          'Whether the server goes on from the beginning of an answer that ends the conversation (vLLM, llama.cpp and others do, OpenAI does not). Needed to continue a cut stream in place.',
      }),
    ),
    maxConnections: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 10_000,
        default: CONNECTIONS_DEFAULT,
        description: 'Connections held to it at most; requests beyond that wait for one.',
      }),
    ),
  },
  { additionalProperties: false },
);

export const openaiCompatible = defineProvider({
  kind: 'openai-compatible',
  settings: openaiSettings,
  capabilities: {
    streaming: true,
    tools: true,
    jsonMode: true,
    jsonSchema: true,
    vision: true,
    embeddings: true,
    prefill: true,
    passesUnknownFields: true,
  },
  create: ({ baseUrl, maxConnections, models, prefill = false, ...given }, context) =>
    new OpenAiCompatible('openai-compatible', context, {
      baseUrl,
      maxConnections,
      models,
      prefill,
      headers: requestHeaders(given),
    }),
});

export interface OpenAiParts {
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string | Secret>>;
  readonly maxConnections: number | undefined;
  readonly models: readonly string[] | undefined;
  readonly prefill: boolean;
}

class OpenAiCompatible implements Provider {
  readonly name: string;
  readonly kind: string;
  readonly address: string;
  readonly prefill: boolean;
  readonly #upstream: JsonUpstream;
  readonly #models: readonly string[] | undefined;

  constructor(kind: string, context: ProviderContext, parts: OpenAiParts) {
    const { baseUrl, headers, maxConnections } = parts;
    this.name = context.name;
    this.kind = kind;
    this.#upstream = new JsonUpstream({
      baseUrl,
      headers,
      maxConnections,
      clock: context.clock,
      parseError: parseErrorBody,
    });
    this.address = this.#upstream.address;
    this.prefill = parts.prefill;
    this.#models = parts.models;
  }

  async complete(call: ProviderCall): Promise<ProviderAnswer> {
    const exchange = await this.#upstream.post('/chat/completions', bodyOf(call, false), call);
    const raw = await exchange.readAll(limits.answerBytesMax);
    return { body: this.#upstream.clean(() => parseCompletion(raw, exchange.status)), raw };
  }

  async stream(call: ProviderCall): Promise<ProviderStream> {
    const exchange = await this.#upstream.postForEvents('/chat/completions', bodyOf(call, true), call);
    return {
      events: new UpstreamEvents(exchange, (data) =>
        data === '[DONE]' ? 'end' : this.#upstream.clean(() => parseChunk(data)),
      ),
    };
  }

  async embed(call: EmbeddingCall): Promise<EmbeddingAnswer> {
    const body = JSON.stringify({ ...call.request, model: call.model });
    const exchange = await this.#upstream.post('/embeddings', body, call);
    const raw = await exchange.readAll(limits.answerBytesMax);
    return { body: this.#upstream.clean(() => parseEmbeddings(raw, exchange.status)), raw };
  }

  async models(signal: AbortSignal): Promise<Model[]> {
    if (this.#models !== undefined)
      return this.#models.map((id) => ({ id, object: 'model', created: 0, owned_by: this.name }));
    return parseModels(await this.#upstream.get('/models', signal), this.name);
  }

  close(): Promise<void> {
    return this.#upstream.close();
  }
}

function bodyOf({ request, model }: ProviderCall, stream: boolean): string {
  return JSON.stringify({ ...request, model, stream });
}

function requestHeaders(
  given: Pick<Static<typeof openaiSettings>, 'apiKey' | 'organization' | 'project' | 'headers'>,
): Record<string, string | Secret> {
  const { apiKey, organization, project, headers = {} } = given;
  return {
    ...(apiKey === undefined ? {} : { authorization: secretHeader(apiKey, 'Bearer ') }),
    ...(organization === undefined ? {} : { 'openai-organization': organization }),
    ...(project === undefined ? {} : { 'openai-project': project }),
    ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, secretHeader(value)])),
  };
}
