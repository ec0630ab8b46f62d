/**
 * Every upstream that speaks OpenAI's chat completions: OpenAI, Groq, Mistral, DeepSeek, OpenRouter, vLLM, LM Studio, llama.cpp;
 * Azure OpenAI and Ollama are kinds of their own and share this class. The request travels as the caller wrote it, whatever fields it holds; the hub's are
 * `model`, `stream`, and that a stream says what it used (`stream_options.include_usage`). Protocol: https://platform.openai.com/docs/api-reference/chat.
 */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { CancelSignal } from '#core/cancel';
import { limits } from '#core/limits';
import type { Secret } from '#core/secret';
import type {
  EmbeddingAnswer,
  EmbeddingCall,
  Provider,
  ProviderAnswer,
  ProviderCall,
  ProviderContext,
  ProviderEvent,
  ProviderStream,
} from '#contract/provider';
import type { ChatRequest, Model } from '#contract/chat';
import { inOpenAiForm } from '#dialects/anthropic/openai-form';
import { isRecord } from '#dialects/json';
import { asksForUsage } from './asks-for-usage.ts';
import { defineProvider } from './define-provider.ts';
import { UpstreamEvents } from './events.ts';
import { parseChunk, parseCompletion, parseEmbeddings, parseErrorBody, parseModels } from './openai-body.ts';
import { maxConnectionsSetting, modelsSetting } from './settings.ts';
import { StreamMender } from './stream-mender.ts';
import { JsonUpstream, secretHeader } from './upstream.ts';

const OPENROUTER = 'openrouter.ai';

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
    models: modelsSetting('Left out, the server is asked (GET /models).'),
    prefill: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          'Whether the server goes on from the beginning of an answer that ends the conversation (vLLM, llama.cpp and others do, OpenAI does not). Needed to continue a cut stream in place.',
      }),
    ),
    streamUsage: Type.Optional(
      Type.Boolean({
        default: true,
        description:
          'Whether every stream is asked what it used (stream_options.include_usage), so that the usage ledger knows; a caller who did not ask does not see it. Switch it off for a server that refuses the field.',
      }),
    ),
    cacheControl: Type.Optional(
      Type.Boolean({
        description:
          'Whether the server takes cache_control, as OpenRouter does, so that requests in Anthropic’s form keep it. Left out, OpenRouter’s own address does and no other.',
      }),
    ),
    maxConnections: maxConnectionsSetting,
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
  create: ({ baseUrl, maxConnections, models, prefill = false, streamUsage = true, cacheControl, ...given }, context) =>
    new OpenAiCompatible('openai-compatible', context, {
      baseUrl,
      maxConnections,
      models,
      prefill,
      streamUsage,
      cacheControl: cacheControl ?? new URL(baseUrl).hostname === OPENROUTER,
      headers: requestHeaders(given),
    }),
});

export interface OpenAiParts {
  readonly baseUrl: string;
  /** Where below `baseUrl` an operation with this model is asked for; left out, at the operation's name. */
  readonly pathOf?: (operation: 'chat/completions' | 'embeddings', model: string) => string;
  /** Where its models are listed, and how; left out, as OpenAI does. */
  readonly modelList?: { readonly path: string; readonly parse: (bytes: Buffer, owner: string) => Model[] };
  readonly headers: Readonly<Record<string, string | Secret>>;
  readonly maxConnections: number | undefined;
  readonly models: readonly string[] | undefined;
  readonly prefill: boolean;
  /** Whether every stream is asked what it used; left out, it is. */
  readonly streamUsage?: boolean;
  /** Whether it takes `cache_control`; left out, it does not. */
  readonly cacheControl?: boolean;
  /** A chat in the words of a server that has others for some; left out, as it is. */
  readonly worded?: (request: ChatRequest) => ChatRequest;
}

/** One server that speaks the protocol, wherever it keeps its operations. */
export class OpenAiCompatible implements Provider {
  readonly name: string;
  readonly kind: string;
  readonly address: string;
  readonly prefill: boolean;
  readonly #upstream: JsonUpstream;
  readonly #pathOf: NonNullable<OpenAiParts['pathOf']>;
  readonly #modelList: NonNullable<OpenAiParts['modelList']>;
  readonly #models: readonly string[] | undefined;
  readonly #streamUsage: boolean;
  readonly #cacheControl: boolean;
  readonly #worded: NonNullable<OpenAiParts['worded']>;

  constructor(kind: string, context: ProviderContext, parts: OpenAiParts) {
    const { baseUrl, headers, maxConnections, pathOf, modelList } = parts;
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
    this.#pathOf = pathOf ?? ((operation) => `/${operation}`);
    this.#modelList = modelList ?? { path: '/models', parse: parseModels };
    this.#models = parts.models;
    this.#streamUsage = parts.streamUsage ?? true;
    this.#cacheControl = parts.cacheControl ?? false;
    this.#worded = parts.worded ?? ((request) => request);
  }

  async complete(call: ProviderCall): Promise<ProviderAnswer> {
    const path = this.#pathOf('chat/completions', call.model);
    const exchange = await this.#upstream.post(path, bodyOf(this.#told(call), call, false), call);
    const read = exchange.readAll(limits.answerBytesMax);
    const raw = read instanceof Promise ? await read : read;
    return this.#upstream.clean(() => parseCompletion(raw, exchange.status));
  }

  async stream(call: ProviderCall): Promise<ProviderStream> {
    const path = this.#pathOf('chat/completions', call.model);
    const asked = asksForUsage(call.request);
    const request = this.#told(call);
    const body = bodyOf(!asked && this.#streamUsage ? withUsage(request) : request, call, true);
    const exchange = await this.#upstream.postForEvents(path, body, call);
    const mender = new StreamMender();
    return {
      events: new UpstreamEvents(exchange, (data) => {
        if (data === '[DONE]') return 'end';
        const event = mender.mend(this.#upstream.clean(() => parseChunk(data)));
        return !asked && isUsageAlone(event) ? { ...event, hidden: true } : event;
      }),
    };
  }

  async embed(call: EmbeddingCall): Promise<EmbeddingAnswer> {
    const body = JSON.stringify({ ...call.request, model: call.model });
    const exchange = await this.#upstream.post(this.#pathOf('embeddings', call.model), body, call);
    const raw = await exchange.readAll(limits.answerBytesMax);
    return { body: this.#upstream.clean(() => parseEmbeddings(raw, exchange.status)), raw };
  }

  async models(signal: CancelSignal): Promise<Model[]> {
    if (this.#models !== undefined)
      return this.#models.map((id) => ({ id, object: 'model', created: 0, owned_by: this.name }));
    const { path, parse } = this.#modelList;
    return parse(await this.#upstream.get(path, signal), this.name);
  }

  close(): Promise<void> {
    return this.#upstream.close();
  }

  #told({ request, surface }: ProviderCall): ChatRequest {
    return this.#worded(surface === 'anthropic' ? inOpenAiForm(request, this.#cacheControl) : request);
  }
}

function bodyOf(request: ChatRequest, { model }: ProviderCall, stream: boolean): string {
  return JSON.stringify({ ...request, model, stream });
}

function withUsage(request: ChatRequest): ChatRequest {
  const given = request['stream_options'];
  return { ...request, stream_options: { ...(isRecord(given) ? given : {}), include_usage: true } };
}

function isUsageAlone({ chunk }: ProviderEvent): boolean {
  return chunk.choices.length === 0 && chunk.usage !== undefined && chunk.usage !== null;
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
