/** Bounds of `/ws/chat`: `server.webSocket` of the configuration. Each says with its description what it bounds. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { count, ms } from './numbers.ts';

export const webSocket = Type.Object(
  {
    socketsMax: count(1, 100_000, 5_000, 'Open sockets of this instance.'),
    runsMax: count(1, 1_000, 32, 'Runs under way on one socket.'),
    runsInFlightMax: count(1, 1_000_000, 20_000, 'Runs under way on all sockets of this instance.'),
    messageBytesMax: count(1_024, 104_857_600, 4_194_304, 'Largest message of a client, in bytes.'),
    queueBytesMax: count(
      1_024,
      104_857_600,
      262_144,
      'Bytes that may wait for a reader before nothing more is taken from upstreams for him.',
    ),
    authenticateMs: ms(100, 300_000, 10_000, 'From the open socket to an accepted key.'),
    pingMs: ms(100, 3_600_000, 30_000, 'Between two pings; one that is not answered by the next ends the socket.'),
    idleMs: ms(100, 86_400_000, 600_000, 'A socket without a message and without a run is closed after this.'),
    stalledMs: ms(100, 3_600_000, 30_000, 'A reader who takes nothing for so long while something waits is closed.'),
  },
  { additionalProperties: false, description: 'Bounds of /ws/chat.' },
);

export type WebSocketConfig = Readonly<Static<typeof webSocket>>;
