/**
 * Every upstream that speaks OpenAI's chat completions: OpenAI, Azure OpenAI, Groq, Mistral, DeepSeek, OpenRouter, vLLM, LM
 * Studio, llama.cpp, Ollama. The request travels as the caller wrote it, whatever fields it holds; only `model` and `stream` are
 * the hub's. Protocol: https://platform.openai.com/docs/api-reference/chat.
 */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { limits } from '#core/limits';
import { Secret } from '#core/secret';
import { UpstreamFailure } from '#contract/provider';
import type {
  Provider,
  ProviderAnswer,
  ProviderCall,
  ProviderContext,
  ProviderErrorBody,
  ProviderStream,
} from '#contract/provider';
import type { Model } from '#contract/chat';
import { defineProvider } from './define-provider.ts';
import { createConnections } from './exchange.ts';
import type { Connections, Exchange } from './exchange.ts';
import { OpenAiEvents } from './openai-events.ts';
import { parseCompletion, parseErrorBody, parseModels } from './openai-body.ts';
import { retryAfterMs } from './retry-after.ts';

const CONNECTIONS_DEFAULT = 512;

const settings = Type.Object(
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
  settings,
  capabilities: {
    streaming: true,
    tools: true,
    jsonMode: true,
    vision: true,
    embeddings: true,
    passesUnknownFields: true,
  },
  create: (given, context) => new OpenAiCompatible(given, context),
});

class OpenAiCompatible implements Provider {
  readonly name: string;
  readonly kind = 'openai-compatible';
  readonly address: string;
  readonly #connections: Connections;
  readonly #context: ProviderContext;
  readonly #path: string;
  readonly #query: string;
  readonly #headers: readonly string[];
  readonly #secrets: readonly string[];
  readonly #models: readonly string[] | undefined;

  constructor(given: Static<typeof settings>, context: ProviderContext) {
    const url = new URL(given.baseUrl);
    const headers = requestHeaders(given);
    this.name = context.name;
    this.address = url.origin + url.pathname;
    this.#context = context;
    this.#connections = createConnections(url.origin, given.maxConnections ?? CONNECTIONS_DEFAULT, context.clock);
    this.#path = url.pathname.replace(/\/+$/, '');
    this.#query = url.search;
    this.#headers = headers.list;
    this.#secrets = headers.secrets;
    this.#models = given.models;
  }

  async complete(call: ProviderCall): Promise<ProviderAnswer> {
    const exchange = await this.#post(call, false);
    const raw = await exchange.readAll(limits.answerBytesMax);
    return { body: this.#clean(() => parseCompletion(raw, exchange.status)), raw };
  }

  async stream(call: ProviderCall): Promise<ProviderStream> {
    const exchange = await this.#post(call, true);
    const type = exchange.headers['content-type'];
    // Errors inside a 200 come as plain JSON from servers that fail before they stream.
    if (type !== undefined && !type.startsWith('text/event-stream')) {
      const bytes = await exchange.readSome(limits.errorBodyBytesMax);
      const body = this.#scrub(parseErrorBody(bytes));
      if (body !== undefined)
        throw new UpstreamFailure('reported', 'The upstream reported an error inside a 200.', {
          status: exchange.status,
          body,
        });
      throw new UpstreamFailure('malformed', `The upstream answered a stream with ${type.slice(0, 100)}.`, {
        status: exchange.status,
      });
    }
    return { events: new OpenAiEvents(exchange, (read) => this.#clean(read)) };
  }

  async models(signal: AbortSignal): Promise<Model[]> {
    if (this.#models !== undefined) {
      return this.#models.map((id) => ({ id, object: 'model', created: 0, owned_by: this.name }));
    }
    const headers = [...this.#headers];
    const path = `${this.#path}/models${this.#query}`;
    const exchange = await this.#connections.open({ method: 'GET', path, headers, body: null, signal });
    if (exchange.status !== 200) throw await this.#refusal(exchange);
    return parseModels(await exchange.readAll(limits.answerBytesMax), this.name);
  }

  close(): Promise<void> {
    return this.#connections.close();
  }

  async #post(call: ProviderCall, stream: boolean): Promise<Exchange> {
    const headers = [...this.#headers];
    if (call.traceparent !== undefined) headers.push('traceparent', call.traceparent);
    const exchange = await this.#connections.open({
      method: 'POST',
      path: `${this.#path}/chat/completions${this.#query}`,
      headers,
      body: JSON.stringify({ ...call.request, model: call.model, stream }),
      signal: call.signal,
      onConnected: call.onConnected,
    });
    const encoding = exchange.headers['content-encoding'];
    if (exchange.status < 200 || exchange.status > 299) throw await this.#refusal(exchange);
    if (encoding !== undefined && encoding !== 'identity') {
      exchange.destroy();
      throw new UpstreamFailure('malformed', 'The upstream compressed its answer, which it was not asked to do.', {
        status: exchange.status,
      });
    }
    return exchange;
  }

  async #refusal(exchange: Exchange): Promise<UpstreamFailure> {
    const { status, headers } = exchange;
    let bytes: Buffer;
    try {
      bytes = await exchange.readSome(limits.errorBodyBytesMax);
    } catch (error) {
      // The status is known, and says more than that its explanation did not arrive.
      if (!(error instanceof UpstreamFailure)) throw error;
      bytes = Buffer.alloc(0);
    }
    const wait = retryAfterMs(headers, this.#context.clock.wallMs());
    const body = this.#scrub(parseErrorBody(bytes));
    return new UpstreamFailure('status', `The upstream answered with status ${status}.`, {
      status,
      ...(wait === undefined ? {} : { retryAfterMs: wait }),
      ...(body === undefined ? {} : { body }),
    });
  }

  /** Runs a read of the upstream's words; an error that quotes our credentials is passed on without them. */
  #clean<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      const body = error instanceof UpstreamFailure ? this.#scrub(error.body) : undefined;
      if (!(error instanceof UpstreamFailure) || body === undefined) throw error;
      const status = error.status === undefined ? {} : { status: error.status };
      throw new UpstreamFailure(error.kind, error.message, { ...status, body });
    }
  }

  #scrub(body: ProviderErrorBody | undefined): ProviderErrorBody | undefined {
    if (body === undefined) return undefined;
    const without = (text: string): string =>
      this.#secrets.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text);
    return {
      ...body,
      message: without(body.message),
      param: body.param === undefined ? undefined : without(body.param),
    };
  }
}

/** Too short to be a secret, and likely to be a part of an innocent word. */
const SECRET_CHARS_MIN = 8;

function requestHeaders(given: Static<typeof settings>): { list: string[]; secrets: string[] } {
  const list = ['content-type', 'application/json', 'user-agent', 'revoagent'];
  const values: string[] = [];
  if (given.apiKey !== undefined) {
    const key = reveal(given.apiKey);
    values.push(key);
    list.push('authorization', `Bearer ${key}`);
  }
  if (given.organization !== undefined) list.push('openai-organization', given.organization);
  if (given.project !== undefined) list.push('openai-project', given.project);
  for (const [name, value] of Object.entries(given.headers ?? {})) {
    const text = reveal(value);
    values.push(text);
    list.push(name.toLowerCase(), text);
  }
  return { list, secrets: values.filter((value) => value.length >= SECRET_CHARS_MIN) };
}

/** The configuration wraps what the schema marks as secret; a program that uses the provider alone may pass text. */
function reveal(value: string | Secret): string {
  return value instanceof Secret ? value.reveal() : value;
}
