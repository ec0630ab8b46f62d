/** Ports that were free a moment ago. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server } from 'node:net';

/** All different: they are held until the last of them is known. */
export async function freePorts(count: number): Promise<number[]> {
  const held: Server[] = [];
  try {
    for (let at = 0; at < count; at++) {
      const server = createServer().listen(0, '127.0.0.1');
      held.push(server);
      await once(server, 'listening');
    }
    return held.map((server) => {
      const address = server.address();
      if (typeof address !== 'object' || address === null) throw new Error('no free port');
      return address.port;
    });
  } finally {
    for (const server of held) server.close();
  }
}
