/** What the gateway may be told: routes, and the bounds of every call. Durations are in milliseconds. */
import { limits } from '#core/limits';

export interface Timeouts {
  /** From dispatch until the request goes out on an open connection. */
  readonly connectMs: number;
  /** From then until the first content of a stream. A plain answer has no first token: there only the total counts. */
  readonly firstTokenMs: number;
  /** Between two events of a stream, while the hub waits for the upstream; a slow reader does not count. */
  readonly idleMs: number;
  /** From the first byte of the caller's request to the end of the answer, over all attempts. */
  readonly totalMs: number;
}

export interface RouteTarget {
  readonly provider: string;
  /** The upstream's name of the model. Left out, or where it holds `*`: the caller's, as the pattern passes it on. */
  readonly model?: string | undefined;
  /** Share within its group; 1 where it is left out. */
  readonly weight?: number | undefined;
}

export interface RouteSettings {
  /** Tried in order; inside a group the weights share the calls. */
  readonly groups: readonly (readonly RouteTarget[])[];
  readonly timeouts?: { readonly [Name in keyof Timeouts]?: number | undefined } | undefined;
  /** Answered, marked as degraded, where every deployment's circuit is open. */
  readonly lastResort?: { readonly text: string } | undefined;
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
  readonly timeouts: Timeouts;
  readonly retry: RetrySettings;
  /** Calls in flight at one deployment; one more goes elsewhere. */
  readonly concurrentMax: number;
  /** Attempts of one request over all deployments. */
  readonly attemptsMax: number;
}

export const GATEWAY_DEFAULTS: GatewaySettings = Object.freeze({
  timeouts: Object.freeze({ connectMs: 5_000, firstTokenMs: 60_000, idleMs: 30_000, totalMs: 600_000 }),
  retry: Object.freeze({ retries: 2, baseMs: 100, maxMs: 2_000 }),
  concurrentMax: 100,
  attemptsMax: limits.attemptsMax,
});
