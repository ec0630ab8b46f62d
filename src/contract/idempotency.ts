/**
 * `Idempotency-Key`: a caller that does not know whether its request arrived sends it again, and nothing is done twice. After the IETF
 * draft "The Idempotency-Key HTTP Header Field" (draft-ietf-httpapi-idempotency-key-header).
 */

/** Who may meet whose claim: the same caller, operation and key. */
export interface IdempotentRequest {
  readonly projectId: string;
  readonly keyId: string | null;
  readonly operation: string;
  /** As the caller sent it. */
  readonly key: string;
  /** Tells one request from another. */
  readonly body: string;
}

export interface KeptAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export type Claim =
  /** Nobody has done it: do it, and settle the claim once. The answer is there for others as soon as `settle` is called. */
  | { readonly kind: 'mine'; settle(answer: KeptAnswer | 'too-large' | 'failed'): Promise<void> }
  | { readonly kind: 'answered'; readonly answer: KeptAnswer }
  /** It was done, and its answer is not kept where this instance can see it. */
  | { readonly kind: 'not-kept' }
  | { readonly kind: 'running' }
  /** The key belongs to a request with another body. */
  | { readonly kind: 'other-request' };

export interface Idempotency {
  claim(request: IdempotentRequest): Promise<Claim>;
  /** Ends the renewal of claims; those that run are given up when their lease ends. */
  close(): void;
}
