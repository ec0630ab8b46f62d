/**
 * Opens the hub's two doors: the local socket for this user, and the address for everybody. Either both are open or none: what
 * did not start must leave nothing behind that keeps its process alive. Says what to do where an address cannot be had.
 */
import { messageOf } from '#core/errors';
import type { Config } from '#config/index';
import type { HttpServer } from '#http/server';
import { socketPath } from './socket.ts';

/** Resolves with the address. Throws an `Error` in words. */
export async function openDoors(server: HttpServer, config: Config): Promise<string> {
  const { host, port } = config.server;
  try {
    await server.listenSocket(socketPath(config.storage.dataDir));
    const { url } = await server.listen({ host, port }).catch((error: unknown) => {
      throw new Error(whyNot(error, host, port), { cause: error });
    });
    return url;
  } catch (error) {
    await server.close(0);
    throw error;
  }
}

function whyNot(error: unknown, host: string, port: number): string {
  switch (error instanceof Error && 'code' in error ? error.code : undefined) {
    case 'EADDRINUSE':
      return `Port ${port} of ${host} is in use by another process. Stop that one, or choose another with --port (server.port); 0 takes a free one.`;
    case 'EACCES':
      return `This user may not listen on port ${port}. Choose one above 1023 with --port (server.port).`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `This machine has no address ${host}. Correct --host (server.host); 127.0.0.1 and 0.0.0.0 are always there.`;
    default:
      return messageOf(error);
  }
}
