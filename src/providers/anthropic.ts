/**
 * Anthropic's Messages API, and what speaks it. A chat is translated there and back (`anthropic/`); what cannot be translated is
 * refused by name before anything is sent. Protocol: https://platform.claude.com/docs/en/api/messages.
 */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { limits } from '#core/limits';
import type { Clock } from '#core/clock';
import type { Model } from '#contract/chat';
import type { Provider, ProviderAnswer, ProviderCall, ProviderContext, ProviderStream } from '#contract/provider';
import { completionOf } from './anthropic/answer.ts';
import { messageEvents } from './anthropic/events.ts';
import { messagesRequest } from './anthropic/request.ts';
import { isFields } from './anthropic/told.ts';
import { defineProvider } from './define-provider.ts';
import { UpstreamEvents } from './events.ts';
import { parseErrorBody, parseModels } from './openai-body.ts';
import { CONNECTIONS_DEFAULT, JsonUpstream, secretHeader } from './upstream.ts';

const DEFAULTS = {
  baseUrl: 'https://api.anthropic.com/v1',
  version: '2023-06-01',
  /** What every model since Claude 3 may write at least. */
  maxTokens: 4096,
} as const;

/** The most that `GET /models` gives at once; there are fewer models than that. */
const MODELS_PATH = '/models?limit=1000';

const settings = Type.Object(
  {
    apiKey: Type.String({ minLength: 1, secret: true, description: 'Sent as x-api-key.' }),
    baseUrl: Type.Optional(
      Type.String({
        pattern: String.raw`^https?://[^\s/@?#]+(/[^\s#]*)?$`,
        default: DEFAULTS.baseUrl,
        description: 'Address up to the version. No credentials in it; a query is kept.',
      }),
    ),
    version: Type.Optional(
      Type.String({ minLength: 1, default: DEFAULTS.version, description: 'Sent as anthropic-version.' }),
    ),
    betas: Type.Optional(
      Type.Array(Type.String({ pattern: String.raw`^[\w.-]+$` }), {
        maxItems: 32,
        description: 'Features under trial, by their names: sent as anthropic-beta.',
      }),
    ),
    models: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: limits.modelNameCharsMax }), {
        maxItems: 1000,
        description: 'The models it offers. Left out, the server is asked (GET /models).',
      }),
    ),
    maxTokensDefault: Type.Optional(
      Type.Integer({
        minimum: 1,
        default: DEFAULTS.maxTokens,
        description:
          'Tokens of an answer at most where the request names no bound, which Anthropic demands. An answer that reaches it ends with finish_reason "length".',
      }),
    ),
    prefill: Type.Optional(
      Type.Boolean({
        default: true,
        description:
          'Whether its models go on from the beginning of an answer that ends the conversation. Claude 4.6 and later refuse that: switch it off for them.',
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

type Settings = Static<typeof settings>;

export const anthropic = defineProvider({
  kind: 'anthropic',
  settings,
  capabilities: {
    streaming: true,
    tools: true,
    jsonMode: false,
    jsonSchema: true,
    vision: true,
    embeddings: false,
    prefill: true,
    passesUnknownFields: false,
  },
  create: (given, context) => new Anthropic(given, context),
});

class Anthropic implements Provider {
  readonly name: string;
  readonly kind = 'anthropic';
  readonly address: string;
  readonly prefill: boolean;
  readonly #upstream: JsonUpstream;
  readonly #clock: Clock;
  readonly #models: readonly string[] | undefined;
  readonly #maxTokensDefault: number;

  constructor(given: Settings, context: ProviderContext) {
    const { baseUrl = DEFAULTS.baseUrl, version = DEFAULTS.version, betas = [] } = given;
    this.name = context.name;
    this.prefill = given.prefill ?? true;
    this.#clock = context.clock;
    this.#models = given.models;
    this.#maxTokensDefault = given.maxTokensDefault ?? DEFAULTS.maxTokens;
    this.#upstream = new JsonUpstream({
      baseUrl,
      headers: {
        'x-api-key': secretHeader(given.apiKey),
        'anthropic-version': version,
        ...(betas.length === 0 ? {} : { 'anthropic-beta': betas.join(',') }),
      },
      maxConnections: given.maxConnections,
      clock: context.clock,
      parseError: parseErrorBody,
    });
    this.address = this.#upstream.address;
  }

  async complete(call: ProviderCall): Promise<ProviderAnswer> {
    const exchange = await this.#upstream.post('/messages', this.#bodyOf(call, false), call);
    const bytes = await exchange.readAll(limits.answerBytesMax);
    const body = this.#upstream.clean(() => completionOf(bytes, exchange.status, this.#seconds()));
    return { body, raw: undefined };
  }

  async stream(call: ProviderCall): Promise<ProviderStream> {
    const exchange = await this.#upstream.postForEvents('/messages', this.#bodyOf(call, true), call);
    const read = messageEvents(this.#seconds(), wantsUsage(call));
    return { events: new UpstreamEvents(exchange, (data) => this.#upstream.clean(() => read(data))) };
  }

  async models(signal: AbortSignal): Promise<Model[]> {
    if (this.#models !== undefined)
      return this.#models.map((id) => ({ id, object: 'model', created: 0, owned_by: this.name }));
    return parseModels(await this.#upstream.get(MODELS_PATH, signal), this.name);
  }

  close(): Promise<void> {
    return this.#upstream.close();
  }

  #bodyOf({ request, model }: ProviderCall, stream: boolean): string {
    const { prefill } = this;
    return JSON.stringify(
      messagesRequest(request, { model, stream, prefill, maxTokensDefault: this.#maxTokensDefault }),
    );
  }

  #seconds(): number {
    return Math.floor(this.#clock.wallMs() / 1000);
  }
}

function wantsUsage({ request }: ProviderCall): boolean {
  const { stream_options: options } = request;
  return isFields(options) && options['include_usage'] === true;
}
