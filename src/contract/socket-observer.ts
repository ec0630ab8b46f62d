/** What WebSockets tell about themselves, as `Observer` does for requests. Every method is cheap, synchronous and never throws. */
export interface SocketObserver {
  opened(): void;
  /** `code`: of the documented close codes, or `other`. */
  closed(code: string): void;
  message(direction: 'received' | 'sent'): void;
  /** Runs under way, on all sockets: one more (1) or one less (-1). */
  runs(change: 1 | -1): void;
}
