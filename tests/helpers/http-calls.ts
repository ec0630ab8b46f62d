/** Calls to a hub under test, and event streams taken apart. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';

export function post(
  { url }: { url: string },
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

export interface SseEvent {
  readonly event?: string;
  readonly data: string;
}

/** The events of a whole stream; comments are left out. */
export function sseEvents(text: string): SseEvent[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '' && !block.startsWith(':'))
    .map((block) => {
      const lines = block.split('\n');
      const valueOf = (name: string): string | undefined =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const event = valueOf('event');
      return { ...(event === undefined ? {} : { event }), data: valueOf('data') ?? '' };
    });
}

/** A bare connection: for what no HTTP client would send. */
export async function openSocket(t: TestContext, url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  t.after(() => socket.destroy());
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Everything the server says until `pattern` shows; fails when the connection ends without it. */
export function readUntil(socket: Socket, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const stop = (): void => void socket.off('data', onData).off('close', onClose);
    const onData = (bytes: Buffer): void => {
      text += bytes.toString();
      if (!pattern.test(text)) return;
      stop();
      resolve(text);
    };
    const onClose = (): void => {
      stop();
      reject(new Error(`the connection closed after: ${text}`));
    };
    socket.on('data', onData).on('close', onClose);
  });
}
