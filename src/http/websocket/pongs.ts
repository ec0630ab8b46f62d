/**
 * Answers a client's pings. While many answers wait to be taken only the latest ping is answered, as RFC 6455, 5.5.3 allows: a burst
 * costs no memory. `ws` by itself cuts the connection then, and whoever pings too eagerly never learns why.
 */
import type { WebSocket } from 'ws';

const WAITING_MAX = 64;

export function answerPings(socket: WebSocket): void {
  let waiting = 0;
  let latest: Buffer | null = null;
  const answer = (data: Buffer): void => {
    if (socket.readyState !== socket.OPEN) return;
    waiting++;
    socket.pong(data, false, () => {
      waiting--;
      if (latest === null) return;
      const next = latest;
      latest = null;
      answer(next);
    });
  };
  socket.on('ping', (data) => {
    if (waiting < WAITING_MAX) answer(data);
    else latest = data;
  });
}
