/** A proxy that lies where a test says so: the fault that a check has to find. Sockets pass. */
import { createServer, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Cleanup } from './suite.ts';

interface Lie {
  readonly status: number;
  readonly body: string;
}

/**
 * `instead`: the answer to a request, or null to hand it on; `count` is that of its path, from 1. `retell`: changes the bodies of answers
 * that were handed on. `drop`: headers that requests lose.
 */
export async function startLiar(
  t: Cleanup,
  target: string,
  instead: (asked: { readonly path: string; readonly count: number }) => Lie | null,
  retell: (body: string) => string = (body) => body,
  drop: readonly string[] = [],
): Promise<{ url: string }> {
  const counts = new Map<string, number>();
  const onward = (asked: IncomingMessage) => {
    const headers = Object.fromEntries(Object.entries(asked.headers).filter(([name]) => !drop.includes(name)));
    return request(target + asked.url, { method: asked.method, headers });
  };
  const server = createServer((asked, response) => {
    const path = asked.url ?? '';
    const count = (counts.get(path) ?? 0) + 1;
    counts.set(path, count);
    const lie = instead({ path, count });
    if (lie !== null) {
      response.writeHead(lie.status, { 'content-type': 'application/json' }).end(lie.body);
      return;
    }
    const sent = onward(asked);
    sent.on('error', () => response.destroy());
    sent.on('response', (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (part: string) => (body += part));
      answer.on('end', () => {
        const { 'content-length': _, 'transfer-encoding': __, ...headers } = answer.headers;
        response.writeHead(answer.statusCode ?? 502, headers).end(retell(body));
      });
    });
    asked.pipe(sent);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}
