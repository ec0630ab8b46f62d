/**
 * Google's Gemini by its own API: https://ai.google.dev/api. The hub's chat is translated both ways; what Gemini cannot be told is
 * refused by name before anything is sent. docs/providers/gemini.md lists what is translated.
 */
import { isUtf8 } from 'node:buffer';
import { Type } from 'typebox';
import { inOpenAiForm } from '#dialects/anthropic/openai-form';
import type { CancelSignal } from '#core/cancel';
import { limits } from '#core/limits';
import type { Clock } from '#core/clock';
import type {
  EmbeddingAnswer,
  EmbeddingCall,
  Provider,
  ProviderAnswer,
  ProviderCall,
  ProviderStream,
} from '#contract/provider';
import { UpstreamFailure } from '#contract/provider';
import type { ChatRequest, Model } from '#contract/chat';
import type { Exchange } from '#exchange/connections';
import { asksForUsage } from './asks-for-usage.ts';
import { defineProvider } from './define-provider.ts';
import { UpstreamEvents } from './events.ts';
import { ChunkWriter, toCompletion } from './gemini/completion.ts';
import type { Asked } from './gemini/completion.ts';
import { toEmbeddingList, toEmbeddingRequest } from './gemini/embeddings.ts';
import { parseGeminiError } from './gemini/errors.ts';
import { parseGeminiModels } from './gemini/models.ts';
import { toGeminiRequest } from './gemini/request.ts';
import { maxConnectionsSetting, modelsSetting } from './settings.ts';
import { JsonUpstream, secretHeader } from './upstream.ts';

const BASE_URL = 'https://generativelanguage.googleapis.com/v1beta';
/** The most that Google gives at once. */
const MODELS_PATH = '/models?pageSize=1000';

export const gemini = defineProvider({
  kind: 'gemini',
  settings: Type.Object(
    {
      apiKey: Type.String({
        minLength: 1,
        secret: true,
        description: 'A key of Google AI Studio, sent as x-goog-api-key.',
      }),
      baseUrl: Type.Optional(
        Type.String({
          pattern: String.raw`^https?://[^\s/@?#]+(/[^\s#]*)?$`,
          default: BASE_URL,
          description: 'Address up to the version, for a proxy in front of Google. No credentials in it.',
        }),
      ),
      models: modelsSetting('Left out, Google is asked (GET models).'),
      maxConnections: maxConnectionsSetting,
    },
    { additionalProperties: false },
  ),
  capabilities: {
    streaming: true,
    tools: true,
    jsonMode: true,
    jsonSchema: true,
    vision: true,
    embeddings: true,
    prefill: false,
    passesUnknownFields: false,
  },
  create: ({ apiKey, baseUrl = BASE_URL, maxConnections, models }, { name, clock }) =>
    new Gemini(
      name,
      clock,
      models,
      new JsonUpstream({
        baseUrl,
        headers: { 'x-goog-api-key': secretHeader(apiKey) },
        maxConnections,
        clock,
        parseError: parseGeminiError,
      }),
    ),
});

class Gemini implements Provider {
  readonly kind = 'gemini';
  readonly name: string;
  readonly address: string;
  readonly prefill = false;
  readonly #clock: Clock;
  readonly #models: readonly string[] | undefined;
  readonly #upstream: JsonUpstream;

  constructor(name: string, clock: Clock, models: readonly string[] | undefined, upstream: JsonUpstream) {
    this.name = name;
    this.address = upstream.address;
    this.#clock = clock;
    this.#models = models;
    this.#upstream = upstream;
  }

  async complete(call: ProviderCall): Promise<ProviderAnswer> {
    const { model } = call;
    const request = toldTo(call);
    const body = JSON.stringify(toGeminiRequest(request, model));
    const exchange = await this.#upstream.post(pathOf(model, 'generateContent'), body, call);
    const text = await readText(exchange);
    const asked = this.#asked(model);
    return { body: this.#upstream.clean(() => toCompletion(text, exchange.status, asked)), raw: undefined };
  }

  async stream(call: ProviderCall): Promise<ProviderStream> {
    const { model } = call;
    const request = toldTo(call);
    const body = JSON.stringify(toGeminiRequest(request, model));
    const path = pathOf(model, 'streamGenerateContent?alt=sse');
    const exchange = await this.#upstream.postForEvents(path, body, call);
    const writer = new ChunkWriter(this.#asked(model), choicesOf(request), asksForUsage(request));
    return { events: new UpstreamEvents(exchange, (text) => this.#upstream.clean(() => writer.write(text))) };
  }

  async embed(call: EmbeddingCall): Promise<EmbeddingAnswer> {
    const { model, request } = call;
    const body = JSON.stringify(toEmbeddingRequest(request, `models/${model}`));
    const exchange = await this.#upstream.post(pathOf(model, 'batchEmbedContents'), body, call);
    const text = await readText(exchange);
    return {
      body: this.#upstream.clean(() => toEmbeddingList(text, exchange.status, request, model)),
      raw: undefined,
    };
  }

  async models(signal: CancelSignal): Promise<Model[]> {
    if (this.#models !== undefined)
      return this.#models.map((id) => ({ id, object: 'model', created: 0, owned_by: this.name }));
    return parseGeminiModels(await this.#upstream.get(MODELS_PATH, signal));
  }

  close(): Promise<void> {
    return this.#upstream.close();
  }

  #asked(model: string): Asked {
    return { model, created: Math.floor(this.#clock.wallMs() / 1000) };
  }
}

/** Gemini knows no word of Anthropic's either. */
function toldTo({ request, surface }: ProviderCall): ChatRequest {
  return surface === 'anthropic' ? inOpenAiForm(request) : request;
}

/** Whatever the name holds, it stays one step of the path: encoded, and never `.` or `..`, since the method follows it. */
function pathOf(model: string, method: string): string {
  return `/models/${encodeURIComponent(model.toWellFormed())}:${method}`;
}

async function readText(exchange: Exchange): Promise<string> {
  const bytes = await exchange.readAll(limits.answerBytesMax);
  if (isUtf8(bytes)) return bytes.toString('utf8');
  throw new UpstreamFailure('malformed', 'The upstream answered with bytes that are no UTF-8.', {
    status: exchange.status,
  });
}

function choicesOf({ n }: ChatRequest): number {
  return typeof n === 'number' && n > 1 ? n : 1;
}
