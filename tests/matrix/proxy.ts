/** A TCP proxy before a dependency, which refuses, delays what comes back, or breaks off in the middle of it. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { Cleanup } from '../helpers/suite.ts';

export type ProxyMode = 'pass' | 'refuse' | 'slow' | 'cut';

export interface Proxy {
  readonly port: number;
  /** In force for open connections too when it resolves. */
  set(mode: ProxyMode): Promise<void>;
}

const SLOW_MS = 2_000;

export async function startProxy(t: Cleanup, to: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let mode: ProxyMode = 'pass';
  let port = 0;
  let server: Server | null = null;

  function serve(client: Socket): void {
    const target = connect(to, '127.0.0.1');
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => socket.destroy());
    }
    client.on('data', (bytes) => target.write(bytes));
    target.on('data', (bytes: Buffer) => answer(client, bytes));
    client.on('close', () => target.destroy());
    target.on('close', () => client.destroy());
  }
  function answer(client: Socket, bytes: Buffer): void {
    if (mode === 'slow') setTimeout(() => client.destroyed || client.write(bytes), SLOW_MS).unref();
    else if (mode === 'cut') client.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => client.destroy());
    else client.write(bytes);
  }
  async function listen(): Promise<void> {
    server = createServer(serve).listen(port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address === 'object' && address !== null) ({ port } = address);
  }
  function stop(): void {
    server?.close();
    server = null;
    for (const socket of sockets) socket.destroy();
  }
  await listen();
  t.after(stop);
  return {
    get port() {
      return port;
    },
    async set(next) {
      const listens = server !== null;
      mode = next;
      if (next === 'refuse') stop();
      else if (!listens) await listen();
    },
  };
}
