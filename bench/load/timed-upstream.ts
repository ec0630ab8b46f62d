/**
 * An upstream that takes its time: the fixed completion after `delayMs`, or, to a request that asks for a stream, 64 deltas
 * `delayMs` apart. On bare sockets, because it shares its core with the load generator. One request at a time a connection,
 * as HTTP/1.1 clients without pipelining send them. A program: `node timed-upstream.ts <port> <delayMs>`.
 */
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { CHAT_ANSWER, STREAM_DELTAS } from './chat.ts';

const REQUEST_BYTES_MAX = 1 << 20;
const HEAD_END = Buffer.from('\r\n\r\n');

const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(CHAT_ANSWER)}\r\n\r\n${CHAT_ANSWER}`,
);
const STREAM_HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';

interface Caller {
  readonly socket: Socket;
  received: Buffer | null;
  /** Deltas sent of the stream it asked for; -1 when it asked for a plain answer. */
  sent: number;
}

interface Due {
  readonly atMs: number;
  readonly caller: Caller;
}

function serve(port: number, delayMs: number): void {
  // All delays are equal, so what is due first was queued first: one timer and no heap.
  let queue: Due[] = [];

  function tick(): void {
    const now = performance.now();
    const soon = queue.findIndex(({ atMs }) => atMs > now);
    const due = soon === -1 ? queue : queue.slice(0, soon);
    queue = soon === -1 ? [] : queue.slice(soon);
    for (const { caller, atMs } of due) if (!caller.socket.destroyed) answer(caller, atMs);
  }

  function answer(caller: Caller, atMs: number): void {
    if (caller.sent === -1) {
      caller.socket.write(ANSWER);
      return;
    }
    caller.sent += 1;
    if (caller.sent <= STREAM_DELTAS) {
      caller.socket.write(delta(caller.sent));
      queue.push({ atMs: atMs + delayMs, caller });
    } else caller.socket.write(chunk('data: [DONE]\n\n') + '0\r\n\r\n');
  }

  function asked(caller: Caller, request: Buffer): void {
    caller.received = null;
    caller.sent = request.includes('"stream":true') ? 0 : -1;
    if (caller.sent === 0) caller.socket.write(STREAM_HEAD);
    queue.push({ atMs: performance.now() + delayMs, caller });
  }

  const server = createServer({ noDelay: true }, (socket) => {
    const caller: Caller = { socket, received: null, sent: -1 };
    socket.on('data', (bytes: Buffer) => {
      caller.received = caller.received === null ? bytes : Buffer.concat([caller.received, bytes]);
      if (isWhole(caller.received)) asked(caller, caller.received);
      else if (caller.received.length > REQUEST_BYTES_MAX) socket.destroy();
    });
    socket.on('error', () => socket.destroy());
  });
  server.listen({ port, host: '127.0.0.1', backlog: 4_096 });
  setInterval(tick, 1);
}

function delta(index: number): string {
  const choice = {
    index: 0,
    delta: { content: ` word${index}` },
    logprobs: null,
    finish_reason: index === STREAM_DELTAS ? 'stop' : null,
  };
  const head = { id: 'chatcmpl-bench-9x2Qh7YbTf3Lw', object: 'chat.completion.chunk', created: 1_760_000_000 };
  return chunk(`data: ${JSON.stringify({ ...head, model: 'gpt-4o-mini-2024-07-18', choices: [choice] })}\n\n`);
}

function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}

function isWhole(request: Buffer): boolean {
  const headEnd = request.indexOf(HEAD_END);
  if (headEnd === -1) return false;
  const head = request.toString('latin1', 0, headEnd);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return request.length >= headEnd + HEAD_END.length + Number(length);
  return /\r\ntransfer-encoding: *chunked/i.test(head) ? request.subarray(-5).toString() === '0\r\n\r\n' : true;
}

const [port, delayMs] = process.argv.slice(2).map(Number);
if (port === undefined || delayMs === undefined) throw new Error('usage: timed-upstream.ts <port> <delayMs>');
serve(port, delayMs);
