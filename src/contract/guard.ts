/**
 * The protection an outbound call goes through. Rooms that talk to the outside (storage now, Redis and external APIs later)
 * take a guard; the hub makes it from a breaker and a deadline of the resilience room and registers it under a name.
 */
export interface Guard {
  /** The breaker's key in the registry, `/metrics`, `/health` and `/api/circuit-breakers`. */
  readonly name: string;
  /** Runs `operation` unless the breaker is open; the signal aborts at the deadline. Throws what the operation threw, or `UnavailableError`. */
  run<T>(operation: (signal: AbortSignal) => Promise<T>): Promise<T>;
}
