/**
 * External APIs as transports call them. Everything that protects the target, the hub and the caller from each other is behind this
 * port: a transport hands on what it was sent as it was sent, and gives back what it is given.
 */
import type { CancelSignal } from '#core/cancel';
import type { IncomingHttpHeaders } from 'node:http';
import type { BreakerStateName } from './breakers.ts';
import type { CacheFacts, CachePreferences, Caller, RunCall } from './gateway.ts';

/** Where transports show it; links of an answer that lead back into the API are written anew below it. */
export const externalPath = (name: string): string => `/api/external/${name}`;

export interface ExternalCall {
  /** Its name in the configuration. */
  readonly name: string;
  readonly method: string;
  /** The rest of the request target, raw: from the slash after the name on, query included. Checked here, never decoded before. */
  readonly target: string;
  /** All of the caller's headers; those on the lists go on. */
  readonly headers: IncomingHttpHeaders;
  /** Reads the body; called once the rest of the call is found good. Throws a `HubError` beyond `bytesMax`. */
  readonly body: (bytesMax: number) => Promise<Uint8Array>;
  readonly cache?: CachePreferences | undefined;
  /** Aborted when the caller leaves. */
  readonly signal: CancelSignal;
  readonly traceparent: string;
  /** Whose call it is: what one project was answered, no other is; and whose limits it counts for. */
  readonly caller: Caller;
  /** As in a call of a model. */
  readonly onLimits?: RunCall['onLimits'];
}

export interface ExternalAnswer {
  readonly status: number;
  /** Those on the lists; names in small letters. With the length where it is known. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** None where the answer was kept or shared. */
  readonly attempts: number;
  readonly breaker: BreakerStateName;
  /**
   * Pulled at the caller's pace; without pulling nothing more is read from the target. Throws a `HubError` where the answer is cut,
   * too large or late; `return()` ends the call.
   */
  readonly body: AsyncIterableIterator<Uint8Array>;
  /** All of it, where it is kept or will be: `body` gives the same, unless the status is 304. */
  readonly whole?: {
    readonly bytes: Uint8Array;
    /** Names these bytes and no others. */
    readonly digest: string;
  };
  /** Left out where the cache was not asked. */
  readonly cache?: CacheFacts;
}

export interface ExternalStatus {
  readonly name: string;
  readonly methods: readonly string[];
  readonly paths: readonly string[];
  /** Its key among the circuit breakers. */
  readonly breaker: string;
}

export interface External {
  list(): readonly ExternalStatus[];
  /** Throws a `HubError` where there is no answer of the target to pass on. */
  call(call: ExternalCall): Promise<ExternalAnswer>;
}
