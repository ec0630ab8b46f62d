/**
 * What transports (HTTP, WebSocket) ask of the gateway, and what it gives back. The HTTP room sees these types
 * and no mechanism; the gateway sees no HTTP.
 */
import type { CancelSignal } from '#core/cancel';
import type { ErrorCode } from '#core/errors';
import { CallerError, HubError, UnavailableError, UpstreamError } from '#core/errors';
import { TooSlowError } from '#core/within';
import type { ChatCompletion, ChatRequest, EmbeddingList, EmbeddingRequest, Model } from './chat.ts';
import type { Admission, LimitSettings, LimitStanding } from './admission.ts';
import type { AttemptRecord, RunRecord } from './runs.ts';

/** What a key may do: ask models; see what the hub does; call the external APIs, which act with credentials of the hub's; all. */
export const SCOPES = ['chat', 'read', 'external', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** Who asks. Without keys there is one local caller with every scope in the default project. */
export interface Caller {
  readonly keyId: string | null;
  readonly projectId: string;
  readonly scopes: ReadonlySet<Scope>;
  /** Left out: the one organisation there is without others. */
  readonly organisationId?: string;
  /** What is stored with the key and with its project, in place of what the configuration says. */
  readonly limits?: { readonly key?: LimitSettings; readonly project?: LimitSettings };
}

export type Surface = 'openai' | 'anthropic' | 'hub';

/** What a caller may wish for one call; the documented headers of `/v1` and `/api/chat`. Names of deployments are held against the route. */
export interface CallPreferences {
  /** Deployments (`openai/gpt-4o`) or providers (`openai`) that are tried first, in this order. */
  readonly order?: readonly string[];
  /** Nothing but these is tried. */
  readonly only?: readonly string[];
  /** False: one deployment is asked and no other stands in for it. */
  readonly fallback?: boolean;
  /** Milliseconds; in place of the route's. */
  readonly timeouts?: Partial<CallTimeouts>;
  /** Whether another deployment goes on with a stream that was cut after its first content. */
  readonly continueCut?: boolean;
  readonly cache?: CachePreferences;
}

export interface CachePreferences {
  /** Whether the answer may come from the cache and go into it, and be shared with who asks the same; the route says where the caller does not. */
  readonly use?: boolean;
  /** A kept answer is not taken; the new one is kept. */
  readonly anew?: boolean;
  /** A kept answer may be no older, in milliseconds. */
  readonly ageMsMax?: number;
  /** Nothing but a kept answer is given: no upstream is asked. */
  readonly onlyKept?: boolean;
}

/** Durations in milliseconds. */
export interface CallTimeouts {
  /** From dispatch until the request goes out on an open connection. */
  readonly connectMs: number;
  /** From then until the first content of a stream. A plain answer has no first token: there only the total counts. */
  readonly firstTokenMs: number;
  /** Between two events of a stream, while the hub waits for the upstream; a slow reader does not count. */
  readonly idleMs: number;
  /** From the first byte of the caller's request to the end of the answer, over all attempts. */
  readonly totalMs: number;
}

/** What a run is begun with, whatever is asked. */
export interface RunCall {
  readonly surface: Surface;
  readonly caller: Caller;
  readonly runId: string;
  readonly request: ChatRequest | EmbeddingRequest;
  readonly preferences?: CallPreferences | undefined;
  /** Aborted with `callerGone` when the caller's connection closes, or with any other reason by the hub. */
  readonly signal: CancelSignal;
  /** When the request's first byte was seen, on the hub's clock: hub time and the deadline count from here. */
  readonly receivedAt: number;
  readonly traceparent: string | undefined;
  /** The agent that asks, by name. */
  readonly agent?: string;
  /** Told where the limits stand as soon as they have decided, whichever way. */
  readonly onLimits?: ((standings: readonly LimitStanding[], refusedBy?: LimitStanding) => void) | undefined;
  /** Set where limits have admitted the call: its run settles it. */
  readonly admission?: Admission;
}

export interface ChatCall extends RunCall {
  readonly request: ChatRequest;
  /** False where the caller's form has no word for an answer that begins anew: a cut one is gone on with from its text, or not at all. */
  readonly restarts?: false;
}

export interface EmbedCall extends RunCall {
  readonly request: EmbeddingRequest;
}

/** The abort reason of a caller who went away; breakers tell it from our own deadlines by identity. */
export const callerGone: Error = Object.assign(new Error('the caller went away'), { name: 'CallerGone' });

/** What becomes of a run whose signal has aborted: its caller has left or would wait no longer, or the hub is going down. */
export function abortError(signal: CancelSignal): HubError {
  if (signal.reason === callerGone)
    return new CallerError('cancelled', 'The caller left before the answer was complete.');
  if (signal.reason instanceof HubError) return signal.reason;
  if (signal.reason instanceof TooSlowError)
    return new UpstreamError('upstream_timeout', 'The part of the hub that asked would not wait any longer.', {
      cause: signal.reason,
    });
  return new UnavailableError('draining', 'The hub is shutting down and ended this run. Send the request again.', {
    retryAfterMs: 1_000,
    cause: signal.reason,
  });
}

/** What response headers and `/api/runs` say of a run that has an answer (or, for a stream, has committed to one). */
export interface RunSummary {
  readonly runId: string;
  readonly provider: string | null;
  /** The upstream's own name of the model. */
  readonly model: string | null;
  readonly attempts: number;
  /** Milliseconds in the hub: total minus waiting for upstreams. */
  readonly overheadMs: number;
  /** The answer stands in for one: the configured last resort, or one that was kept and is past its time. */
  readonly degraded: boolean;
  /** The failure that it stands in for. */
  readonly insteadOf?: ErrorCode;
  /** The answer comes from the built-in simulator. */
  readonly simulated: boolean;
  /** A guardrail was out of order and let it pass. */
  readonly unjudged?: true;
  /** Left out where the cache was not asked. */
  readonly cache?: CacheFacts;
}

export interface CacheFacts {
  /** `shared`: of a call that was under way. `stale`: past its time, in place of an upstream that failed. */
  readonly status: 'hit' | 'miss' | 'shared' | 'stale';
  /** For `DELETE /api/cache`. */
  readonly key: string;
  /** Milliseconds. */
  readonly ageMs: number;
  /** How long it is fresh yet, in milliseconds; negative: since when it is not. */
  readonly ttlMs: number;
}

export interface WholeAnswer<Body> {
  readonly summary: RunSummary;
  readonly body: Body;
  /** The body's bytes, or JSON, where they can be sent as they are. */
  readonly raw: Uint8Array | string | undefined;
  /** Names what is in `raw`, where it is kept and will be given again: nothing else is ever called so. */
  readonly keptAs?: string;
}

export type ChatAnswer = WholeAnswer<ChatCompletion>;
export type EmbedAnswer = WholeAnswer<EmbeddingList>;

export interface ChatStream {
  readonly summary: RunSummary;
  /**
   * JSON texts of chat-completion chunks. Ends normally only after a whole answer; throws a `HubError` otherwise. Pulling
   * the next one is the backpressure: nothing is read from the upstream beyond what the reader took. `return()` cancels.
   */
  readonly events: AsyncIterableIterator<string>;
  /** What the run has used, over all its attempts; known once `events` has ended. */
  spent(): RunSpent;
}

export interface RunSpent {
  /** As the upstream stated them; null where it did not. */
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
  /** Null where an attempt that began to answer has an unknown price. */
  readonly costMicroUsd: number | null;
}

export interface TokenCount {
  readonly tokens: number;
  /** The hub's own guess, by the length of the texts, rather high than low; no provider was asked, or none could tell. */
  readonly estimated: boolean;
  /** Who counted, and for which of his models; null where it is estimated. */
  readonly provider: string | null;
  readonly model: string | null;
}

export interface Gateway {
  /** Throws a `HubError` when there is no answer; where a run began, the error's run is in `/api/runs/{runId}`. */
  complete(call: ChatCall): Promise<ChatAnswer>;
  /** Resolves at the commit point: the first good event is there. Before it failover is invisible. */
  stream(call: ChatCall): Promise<ChatStream>;
  /** As `complete`; a deployment whose provider has no embeddings is passed over. */
  embed(call: EmbedCall): Promise<EmbedAnswer>;
  /** The tokens of the chat's input. Begins no run. */
  countTokens(call: ChatCall): Promise<TokenCount>;
  /** Routes, what the providers offer, and what the caller's project adds, in that order, each id once. */
  models(caller: Caller, signal: CancelSignal): Promise<readonly Model[]>;
  /** Each deployment that routes use. */
  deployments(): readonly DeploymentStatus[];
}

export interface DeploymentStatus {
  readonly id: string;
  readonly provider: string;
  readonly kind: string;
  readonly model: string;
  /** Its circuit's key. */
  readonly breaker: string;
  readonly lastSuccessWallMs: number | null;
  readonly lastFailureWallMs: number | null;
  readonly lastFailure: AttemptRecord['outcome'] | null;
}

/** Reads of finished and running runs. */
export interface RunReader {
  get(caller: Caller, runId: string): Promise<RunRecord | null>;
  list(caller: Caller, page: { before?: string | undefined; limit: number }): Promise<readonly RunRecord[]>;
}
