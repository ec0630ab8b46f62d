/**
 * How a running stack is spoken to: JSON lines over a socket in its folder, which only its own user may open. A call is one line; its
 * answer is the events that happen meanwhile, a line each, and a last line with the result or what stood in the way.
 */
import { chmodSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { messageOf } from '#core/errors';
import type { StackEvent } from './part.ts';

const LINE_BYTES_MAX = 64 * 1024;

export interface Call {
  readonly command: string;
  readonly words: Readonly<Record<string, unknown>>;
}

type Line = { readonly event: StackEvent } | { readonly result: unknown } | { readonly error: string };

export interface Control {
  /** To whoever waits for a call of his. */
  tell(event: StackEvent): void;
  close(): void;
}

/** Resolves when it listens. A socket file that is there is a dead stack's. */
export async function serveControl(file: string, answer: (call: Call) => Promise<unknown>): Promise<Control> {
  const open = new Set<Socket>();
  rmSync(file, { force: true });
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    void serve(socket, answer);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(file, resolve);
  });
  chmodSync(file, 0o600);
  return {
    tell: (event) => {
      for (const socket of open) write(socket, { event });
    },
    close: () => {
      server.close();
      for (const socket of open) socket.end();
    },
  };
}

async function serve(socket: Socket, answer: (call: Call) => Promise<unknown>): Promise<void> {
  for await (const line of createInterface({ input: socket })) {
    if (line.length > LINE_BYTES_MAX) break;
    try {
      write(socket, { result: await answer(callOf(line)) });
    } catch (error) {
      write(socket, { error: messageOf(error) });
    }
    break;
  }
  socket.end();
}

function write(socket: Socket, line: Line): void {
  if (socket.writable) socket.write(`${JSON.stringify(line)}\n`);
}

function callOf(line: string): Call {
  const value: unknown = JSON.parse(line);
  if (!isRecord(value) || typeof value['command'] !== 'string') throw new Error('a call names its command');
  return { command: value['command'], words: isRecord(value['words']) ? value['words'] : {} };
}

/** Nobody answers any more; what it wrote on its way out says why. */
export class StackEndedError extends Error {}

/** Rejects with what stood in the way; `none` where no stack runs. */
export async function callStack(
  file: string,
  call: Call,
  onEvent: (event: StackEvent) => void,
  none: string,
): Promise<unknown> {
  const socket = connect(file);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EACCES'
          ? new Error(`This user may not speak to the stack: ${error.message}. Be who started it.`)
          : new Error(none),
      ),
    );
  });
  socket.write(`${JSON.stringify(call)}\n`);
  for await (const text of createInterface({ input: socket })) {
    const line: unknown = JSON.parse(text);
    if (!isRecord(line)) continue;
    if (isEvent(line['event'])) onEvent(line['event']);
    else if (typeof line['error'] === 'string') throw new Error(line['error']);
    else if ('result' in line) return line['result'];
  }
  throw new StackEndedError('The stack ended in the middle of this.');
}

function isEvent(value: unknown): value is StackEvent {
  return isRecord(value) && typeof value['part'] === 'string' && typeof value['what'] === 'string';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
