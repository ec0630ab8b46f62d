/** A TCP proxy in front of a real server that can hold its answers back, and counts who connects to it. */
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import type { TestContext } from 'node:test';

export interface SlowProxy {
  readonly port: number;
  /** Connections that were made to it so far. */
  connections(): number;
  /** Every byte of an answer from now on comes so much later; 0: as it comes. */
  delay(ms: number): void;
  /** Cuts every connection; new ones are cut at once too until `admit`. */
  refuse(): void;
  admit(): void;
}

export async function startSlowProxy(t: TestContext, behind: number): Promise<SlowProxy> {
  const open = new Set<Socket>();
  let made = 0;
  let delayMs = 0;
  let refuses = false;
  const server = createServer((client) => {
    made++;
    if (refuses) {
      client.destroy();
      return;
    }
    const upstream = connect(behind, '127.0.0.1');
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (bytes) => upstream.write(bytes));
    upstream.on('data', (bytes) => {
      if (delayMs === 0) client.write(bytes);
      else setTimeout(() => client.write(bytes), delayMs).unref();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    port: address.port,
    connections: () => made,
    delay: (ms) => {
      delayMs = ms;
    },
    refuse() {
      refuses = true;
      for (const socket of open) socket.destroy();
    },
    admit: () => {
      refuses = false;
    },
  };
}
