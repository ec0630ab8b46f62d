/** Bounds of WebSockets; `server.webSocket` of the configuration. */
export interface WebSocketSettings {
  /** Open sockets of this instance. */
  readonly socketsMax: number;
  /** Runs under way on one socket. */
  readonly runsMax: number;
  /** Runs under way on all sockets of this instance. */
  readonly runsInFlightMax: number;
  /** Largest message of a client. */
  readonly messageBytesMax: number;
  /** Bytes that wait for a reader before nothing more is taken from upstreams or from him; one message a run may go beyond. */
  readonly queueBytesMax: number;
  /** From the open socket to an accepted key. */
  readonly authenticateMs: number;
  /** Between two pings of the hub; the next one without an answer to the last ends the socket. */
  readonly pingMs: number;
  /** Without a message of the client's and without a run. */
  readonly idleMs: number;
  /** A reader who takes nothing for so long while something waits is gone. */
  readonly stalledMs: number;
}
