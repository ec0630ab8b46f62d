/**
 * Anthropic's Messages API. Requests and answers are translated in `dialects/anthropic`, which refuses by name what cannot be told;
 * this file owns the address, the credentials and the order of calls. Protocol: https://docs.anthropic.com/en/api/messages.
 */
import { isUtf8 } from 'node:buffer';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { CancelSignal } from '#core/cancel';
import { limits } from '#core/limits';
import type { Clock } from '#core/clock';
import type { Model } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import type {
  Provider,
  ProviderAnswer,
  ProviderCall,
  ProviderContext,
  ProviderErrorBody,
  ProviderStream,
} from '#contract/provider';
import { toCompletion } from '#dialects/anthropic/answer';
import { betasOf, toCountRequest, toMessagesRequest } from '#dialects/anthropic/request';
import { errorIn, ToChunks } from '#dialects/anthropic/stream';
import { isRecord, parseJson, textOf } from '#dialects/json';
import { asksForUsage } from './asks-for-usage.ts';
import { defineProvider } from './define-provider.ts';
import { UpstreamEvents } from './events.ts';
import { maxConnectionsSetting, modelsSetting } from './settings.ts';
import { JsonUpstream, secretHeader } from './upstream.ts';

const DEFAULTS = { baseUrl: 'https://api.anthropic.com/v1', version: '2023-06-01', maxTokens: 4_096 };
const MODELS_PAGE = 1_000;

const settings = Type.Object(
  {
    baseUrl: Type.Optional(
      Type.String({
        pattern: String.raw`^https?://[^\s/@?#]+(/[^\s?#]*)?$`,
        default: DEFAULTS.baseUrl,
        description: 'Address up to the version.',
      }),
    ),
    apiKey: Type.String({ minLength: 1, secret: true, description: 'Sent as x-api-key.' }),
    version: Type.Optional(
      Type.String({
        pattern: String.raw`^\d{4}-\d{2}-\d{2}$`,
        default: DEFAULTS.version,
        description: 'Sent as anthropic-version.',
      }),
    ),
    beta: Type.Optional(
      Type.Array(Type.String({ pattern: '^[a-z0-9-]+$' }), {
        minItems: 1,
        maxItems: 20,
        description: 'Beta features to switch on for every request, sent as anthropic-beta with those of the caller.',
      }),
    ),
    maxTokens: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_000_000,
        default: DEFAULTS.maxTokens,
        description: 'Tokens of an answer at most where the caller sets none: Anthropic demands a bound.',
      }),
    ),
    prefill: Type.Optional(
      Type.Boolean({
        default: true,
        description:
          'Whether its models go on from the beginning of an answer. The newest ones refuse that; then a cut stream is begun anew.',
      }),
    ),
    models: modelsSetting('Left out, the server is asked (GET /models).'),
    maxConnections: maxConnectionsSetting,
  },
  { additionalProperties: false },
);

export const anthropic = defineProvider({
  kind: 'anthropic',
  settings,
  capabilities: {
    streaming: true,
    tools: true,
    jsonMode: true,
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
  readonly #maxTokens: number;
  readonly #models: readonly string[] | undefined;
  readonly #betas: readonly string[];

  constructor(given: Static<typeof settings>, { name, clock }: ProviderContext) {
    this.name = name;
    this.prefill = given.prefill ?? true;
    this.#clock = clock;
    this.#maxTokens = given.maxTokens ?? DEFAULTS.maxTokens;
    this.#models = given.models;
    this.#betas = given.beta ?? [];
    this.#upstream = new JsonUpstream({
      baseUrl: given.baseUrl ?? DEFAULTS.baseUrl,
      headers: {
        'x-api-key': secretHeader(given.apiKey),
        'anthropic-version': given.version ?? DEFAULTS.version,
      },
      maxConnections: given.maxConnections,
      clock,
      parseError: (bytes) => errorIn(parsed(bytes)),
    });
    this.address = this.#upstream.address;
  }

  async complete(call: ProviderCall): Promise<ProviderAnswer> {
    const exchange = await this.#upstream.post('/messages', this.#bodyOf(call, false), call, this.#headers(call));
    const value = parsed(await exchange.readAll(limits.answerBytesMax));
    const body = this.#upstream.clean(() => {
      const error = errorIn(value);
      if (error !== undefined) throw reported(error, exchange.status);
      return toCompletion(value, this.#seconds());
    });
    return { body, raw: undefined };
  }

  async stream(call: ProviderCall): Promise<ProviderStream> {
    const exchange = await this.#upstream.postForEvents(
      '/messages',
      this.#bodyOf(call, true),
      call,
      this.#headers(call),
    );
    const chunks = new ToChunks(this.#seconds(), asksForUsage(call.request));
    return {
      events: new UpstreamEvents(exchange, (data) => {
        const read = this.#upstream.clean(() => chunks.read(data));
        return read === 'end' ? 'end' : read.map((chunk) => ({ chunk, data: JSON.stringify(chunk) }));
      }),
    };
  }

  async countTokens(call: ProviderCall): Promise<number> {
    const body = JSON.stringify(toCountRequest(call.request, call.model, call.surface));
    const exchange = await this.#upstream.post('/messages/count_tokens', body, call, this.#headers(call));
    const value = parsed(await exchange.readAll(limits.answerBytesMax));
    const tokens = isRecord(value) ? value['input_tokens'] : undefined;
    if (typeof tokens === 'number' && Number.isSafeInteger(tokens) && tokens >= 0) return tokens;
    throw new UpstreamFailure('malformed', 'The upstream answered with no count of tokens.', {
      status: exchange.status,
    });
  }

  async models(signal: CancelSignal): Promise<Model[]> {
    if (this.#models !== undefined)
      return this.#models.map((id) => ({ id, object: 'model', created: 0, owned_by: this.name }));
    const value = parsed(await this.#upstream.get(`/models?limit=${MODELS_PAGE}`, signal));
    const list: unknown = isRecord(value) ? value['data'] : undefined;
    if (!Array.isArray(list)) throw new UpstreamFailure('malformed', 'The upstream answered with no list of models.');
    return list.filter(isRecord).flatMap(({ id, created_at: at }) => {
      if (textOf(id) === '') return [];
      const created = Math.floor(Date.parse(textOf(at)) / 1_000);
      return [
        { id: textOf(id), object: 'model' as const, created: Number.isNaN(created) ? 0 : created, owned_by: this.name },
      ];
    });
  }

  close(): Promise<void> {
    return this.#upstream.close();
  }

  #bodyOf({ request, model, surface }: ProviderCall, stream: boolean): string {
    return JSON.stringify({ ...toMessagesRequest(request, model, this.#maxTokens, surface), stream });
  }

  /** What the operator switches on, and the caller of Anthropic's form besides. */
  #headers({ request }: ProviderCall): string[] {
    const betas = new Set([...this.#betas, ...betasOf(request)]);
    return betas.size === 0 ? [] : ['anthropic-beta', [...betas].join(',')];
  }

  #seconds(): number {
    return Math.floor(this.#clock.wallMs() / 1_000);
  }
}

function reported(body: ProviderErrorBody, status: number): UpstreamFailure {
  return new UpstreamFailure('reported', 'The upstream reported an error inside a 200.', { status, body });
}

function parsed(bytes: Buffer): unknown {
  return isUtf8(bytes) ? parseJson(bytes.toString('utf8')) : undefined;
}
