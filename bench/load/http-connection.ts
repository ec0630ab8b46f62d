/**
 * One keep-alive connection of a load generator, on a bare socket: it knows just enough HTTP/1.1 to find the end of an answer
 * (Content-Length, or chunked), so that the generator costs little beside the servers it shares a core with. It refuses
 * answers without either. Not a client for anything else.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');
const ANSWER_BYTES_MAX = 1 << 20;

export interface HttpConnection {
  /** Sends one whole request and reports the status of its answer, 0 when the connection failed first. One at a time. */
  send(request: Buffer, answered: (status: number) => void): void;
  close(): void;
}

export function openConnection(port: number, host: string): HttpConnection {
  let socket: Socket | null = null;
  let waiting: ((status: number) => void) | null = null;
  let received: Buffer | null = null;

  function settle(status: number): void {
    const answered = waiting;
    waiting = null;
    received = null;
    answered?.(status);
  }

  function onData(chunk: Buffer): void {
    received = received === null ? chunk : Buffer.concat([received, chunk]);
    const status = wholeAnswer(received);
    if (status !== null) settle(status);
    else if (received.length > ANSWER_BYTES_MAX) socket?.destroy();
  }

  function open(): Socket {
    const opened = connect({ port, host, noDelay: true });
    opened.on('data', onData);
    // An error is always followed by close, and close is where the waiting caller learns of it.
    opened.on('error', () => opened.destroy());
    opened.on('close', () => {
      if (socket === opened) socket = null;
      settle(0);
    });
    return opened;
  }

  return {
    send(request, answered) {
      waiting = answered;
      socket ??= open();
      socket.write(request);
    },
    close() {
      socket?.destroy();
    },
  };
}

/** The status once the answer is whole, null before. */
function wholeAnswer(bytes: Buffer): number | null {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd === -1) return null;
  const head = bytes.toString('latin1', 0, headEnd);
  const status = Number(head.slice(9, 12));
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return bytes.length >= headEnd + HEAD_END.length + Number(length) ? status : null;
  return bytes.subarray(-LAST_CHUNK.length).equals(LAST_CHUNK) ? status : null;
}

/** The bytes of one POST. */
export function requestBytes(url: URL, headers: Readonly<Record<string, string>>, body: Buffer): Buffer {
  const lines = [
    `POST ${url.pathname} HTTP/1.1`,
    `host: ${url.host}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]);
}
