/**
 * Requests of one connection one after the other. A client may send the next ones before it has the answer ("pipelining", RFC 9112,
 * 9.3.2), and the runtime hands all of them on at once: a client that reads nothing would hold a place of the instance for each, all of
 * them with a few connections and 60 bytes a place. They wait, unserved, until those ahead of them are sent; for more than a few the
 * connection ends.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { limits } from '#core/limits';
import { atTurnEnd } from '#core/turn-end';

type Serve = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

/** Serves as `serve` does, which must not throw. */
export function inTurn(serve: Serve): Serve {
  const waiting = new WeakMap<Socket, number>();
  return (incoming, outgoing) => {
    // The runtime gives a response its connection when those ahead of it are sent.
    if (outgoing.socket !== null) {
      serve(incoming, outgoing);
      return;
    }
    const { socket } = incoming;
    const count = (waiting.get(socket) ?? 0) + 1;
    waiting.set(socket, count);
    if (count > limits.requestsWaitingMax) {
      socket.destroy();
      return;
    }
    outgoing.once('socket', () => {
      waiting.set(socket, (waiting.get(socket) ?? 1) - 1);
      // Not before the runtime has done what it does with it.
      atTurnEnd(() => {
        if (!socket.destroyed) serve(incoming, outgoing);
      });
    });
  };
}
