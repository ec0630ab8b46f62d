/** What instances tell each other about upstreams: evidence, on which each still decides by itself. */

/** An operator's order to a breaker, for all instances. */
export type BreakerOrder =
  | { readonly kind: 'force-open'; readonly by: string; readonly reason: string; readonly forMs?: number | undefined }
  | { readonly kind: 'disable'; readonly by: string; readonly reason: string }
  | { readonly kind: 'reset'; readonly by: string; readonly reason: string };

export interface SharedEvidence {
  /** Passes it on; never throws and never waits. */
  order(key: string, order: BreakerOrder): void;
  /** A Redis is named for it and does not answer: this instance decides on what it sees alone. */
  readonly degraded: boolean;
}
