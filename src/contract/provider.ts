/**
 * The port to a model provider. A provider turns one call into one exchange with its upstream and reports what happened; it
 * never retries, never falls back, arms no timer and knows no breaker: those are the gateway's, which owns the call.
 */
import type { TSchema } from 'typebox';
import type { CancelSignal } from '#core/cancel';
import type { Clock } from '#core/clock';
import type { Random } from '#core/random';
import type { Surface } from './gateway.ts';
import type { ChatChunk, ChatCompletion, ChatRequest, EmbeddingList, EmbeddingRequest, Model } from './chat.ts';

/** One attempt at one deployment. */
export interface Call<Request> {
  /** The upstream's own name of the model. */
  readonly model: string;
  /** The caller's request; `model` and `stream` in it are the caller's, not the upstream's. Never changed in place. */
  readonly request: Request;
  /** In whose form he wrote it: Anthropic's has words that others do not know. */
  readonly surface: Surface;
  /** Aborted by the caller, a timer or the hub; the provider stops at once, destroys the exchange and throws the reason. */
  readonly signal: CancelSignal;
  /** Trace context for the upstream. */
  readonly traceparent: string | undefined;
  /** Called at most once, when the request goes out on an open connection: the connect timer ends here. */
  readonly onConnected: () => void;
}

export type ProviderCall = Call<ChatRequest>;
export type EmbeddingCall = Call<EmbeddingRequest>;

interface WholeAnswer<Body> {
  readonly body: Body;
  /** The upstream's bytes when they are already in the hub's form, so that they need not be serialised again. */
  readonly raw: Uint8Array | undefined;
}

/** A whole answer. */
export type ProviderAnswer = WholeAnswer<ChatCompletion>;
export type EmbeddingAnswer = WholeAnswer<EmbeddingList>;

/** One event of a stream. */
export interface ProviderEvent {
  readonly chunk: ChatChunk;
  /** The JSON text of `chunk`, as it arrived or as it was translated. */
  readonly data: string;
  /** For the hub alone: the caller did not ask for it, or it says nothing but that the upstream is at work. */
  readonly hidden?: boolean;
}

export interface ProviderStream {
  /**
   * The events in order. Ends normally only where the upstream said that it was finished (`[DONE]`, or its protocol's own
   * final event, or a clean end of the body): whether every choice got its finish reason is for the gateway to judge.
   * Throws `UpstreamFailure` when it is cut, malformed or carries an error. `return()` destroys the exchange.
   */
  readonly events: AsyncIterableIterator<ProviderEvent>;
}

export interface Provider {
  /** The name it has in the configuration. */
  readonly name: string;
  readonly kind: string;
  /** Where it calls, safe to show (no credentials, no query). */
  readonly address: string;
  /** Whether it goes on from the beginning of an answer that ends the conversation, so that a cut stream can be continued. */
  readonly prefill: boolean;
  complete(call: ProviderCall): Promise<ProviderAnswer>;
  /** Resolves with the upstream's response headers; throws `UpstreamFailure` on any status but 2xx. */
  stream(call: ProviderCall): Promise<ProviderStream>;
  /** Where the kind's `embeddings` says so; left out elsewhere. */
  embed?(call: EmbeddingCall): Promise<EmbeddingAnswer>;
  /** The tokens of the request's input, where the upstream can tell; left out elsewhere. Costs no money. */
  countTokens?(call: ProviderCall): Promise<number>;
  /** The models the upstream offers. Costs no money. */
  models(signal: CancelSignal): Promise<Model[]>;
  /** Ends every connection. */
  close(): Promise<void>;
}

/** What a kind can be told and can do; what it cannot, it refuses by name (`untranslatable`). docs/providers/README.md shows them as a table. */
export interface ProviderCapabilities {
  readonly streaming: boolean;
  readonly tools: boolean;
  /** `response_format: {type: "json_object"}`. */
  readonly jsonMode: boolean;
  /** `response_format: {type: "json_schema"}`. */
  readonly jsonSchema: boolean;
  readonly vision: boolean;
  readonly embeddings: boolean;
  /** Whether a provider of this kind may have `prefill`. */
  readonly prefill: boolean;
  /** Whether request fields the hub does not know reach the upstream unchanged. */
  readonly passesUnknownFields: boolean;
}

export interface ProviderContext {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** What a file in `providers/` declares: see `defineProvider`. */
export interface ProviderKind<Settings = never> {
  readonly kind: string;
  /** The shape of its part of the configuration, without `kind`; every field carries a description. */
  readonly settings: TSchema;
  readonly capabilities: ProviderCapabilities;
  /** A method, not a property, so that a list may hold kinds with different settings. */
  create(settings: Settings, context: ProviderContext): Provider;
}

export type FailureKind =
  /** No connection: refused, unresolved, TLS. Nothing was sent. */
  | 'unreachable'
  /** It waited for one of the hub's own connections, and all of them stayed taken. Nothing was sent. */
  | 'crowded'
  /** The connection ended before response headers; the upstream may have worked. */
  | 'reset'
  /** A status that is not 2xx. */
  | 'status'
  /** An error object inside a 200: plain, or as an SSE event. */
  | 'reported'
  /** An answer that is not what the protocol says. */
  | 'malformed'
  /** The answer ended before it was whole. */
  | 'cut'
  /** An answer or event over its bound. */
  | 'oversize'
  /** The request holds something this upstream cannot be told. */
  | 'untranslatable';

/** What a provider throws when the upstream let it down. Aborts are not failures: there the signal's reason is thrown. */
export class UpstreamFailure extends Error {
  readonly kind: FailureKind;
  /** The HTTP status, where there was one. */
  readonly status: number | undefined;
  /** From `Retry-After` or the provider's own header, in milliseconds, not capped. */
  readonly retryAfterMs: number | undefined;
  /** The provider's error object (`{message, type, code, param}` as far as it has them). Holds no credentials of ours. */
  readonly body: ProviderErrorBody | undefined;

  constructor(
    kind: FailureKind,
    message: string,
    details: { status?: number; retryAfterMs?: number; body?: ProviderErrorBody; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'UpstreamFailure';
    this.kind = kind;
    this.status = details.status;
    this.retryAfterMs = details.retryAfterMs;
    this.body = details.body;
  }
}

export interface ProviderErrorBody {
  readonly message: string;
  readonly type?: string | undefined;
  readonly code?: string | undefined;
  readonly param?: string | undefined;
}
