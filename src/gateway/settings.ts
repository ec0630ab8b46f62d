/** What the gateway may be told: routes, and the bounds of every call. Durations are in milliseconds. */
import { limits } from '#core/limits';
import type { CallTimeouts } from '#contract/gateway';
import type { ContentPolicy } from '#contract/runs';

type SomeTimeouts = { readonly [Name in keyof CallTimeouts]?: number | undefined };

export interface RouteTarget {
  readonly provider: string;
  /** The upstream's name of the model. Left out, or where it holds `*`: the caller's, as the pattern passes it on. */
  readonly model?: string | undefined;
  /** Share within its group; 1 where it is left out. */
  readonly weight?: number | undefined;
  /** In place of the route's, for this deployment. */
  readonly timeouts?: SomeTimeouts | undefined;
}

/** How the deployments of a group share the calls. */
export type Strategy =
  /** A draw by weight. */
  | 'weighted'
  /** The one that answered fastest of late, calls in flight counted in. */
  | 'least-latency'
  /** The one with the fewest calls in flight, by weight. */
  | 'least-busy';

export interface GuardrailSettings {
  /** Path of its file. */
  readonly module: string;
  /** Whether a call goes on when the guardrail throws, hangs or returns nonsense. */
  readonly onFailure: 'open' | 'closed';
  /** For each of `before` and `after`. */
  readonly timeoutMs: number;
}

export interface RouteSettings {
  /** Tried in order. */
  readonly groups: readonly (readonly RouteTarget[])[];
  /** `weighted` where it is left out. */
  readonly strategy?: Strategy | undefined;
  readonly timeouts?: SomeTimeouts | undefined;
  /** A second deployment is asked as well when the first has given nothing for so long. */
  readonly hedge?: { readonly afterMs: number } | undefined;
  /** Whether another deployment goes on with a stream that was cut after its first content, where the caller says nothing. */
  readonly continueCut?: boolean | undefined;
  readonly guardrail?: GuardrailSettings | undefined;
  /** Whether what is said is stored; `off` where it is left out. */
  readonly content?: ContentPolicy | 'off' | undefined;
  /** Answered, marked as degraded, where the upstreams fail, limit the rate, are full, or their circuits are open. */
  readonly lastResort?: { readonly text: string } | undefined;
  /** Answers are cached and shared where the caller says nothing; figures in place of the hub's. */
  readonly cache?: Partial<CacheLifetime> | undefined;
}

/** Milliseconds. */
export interface CacheLifetime {
  /** Fresh for so long. */
  readonly ttlMs: number;
  /** And for so much longer in place of an upstream that fails. */
  readonly staleOnErrorMs: number;
}

/** By model name, or by a pattern that ends in `*`. */
export type Routes = Readonly<Record<string, RouteSettings>>;

export interface RetrySettings {
  /** Further attempts at the same deployment, at most. */
  readonly retries: number;
  /** The wait before retry k is drawn from 0 to baseMs × 2^k ("full jitter"), at most maxMs. */
  readonly baseMs: number;
  readonly maxMs: number;
}

export interface GatewaySettings {
  readonly timeouts: CallTimeouts;
  readonly retry: RetrySettings;
  /** Calls in flight at one deployment; one more goes elsewhere. */
  readonly concurrentMax: number;
  /** Attempts of one request over all deployments. */
  readonly attemptsMax: number;
  /** Of a cached answer. */
  readonly cache: CacheLifetime;
}

export const GATEWAY_DEFAULTS: GatewaySettings = Object.freeze({
  timeouts: Object.freeze({ connectMs: 5_000, firstTokenMs: 60_000, idleMs: 30_000, totalMs: 600_000 }),
  retry: Object.freeze({ retries: 2, baseMs: 100, maxMs: 2_000 }),
  concurrentMax: 100,
  attemptsMax: limits.attemptsMax,
  cache: Object.freeze({ ttlMs: 300_000, staleOnErrorMs: 86_400_000 }),
});
