/**
 * A real WebSocket client that keeps what it was told and waits for what a test needs. Every message of the hub's is held against
 * the schema file that is checked in: what the file does not say, the hub must not send.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { Ajv } from 'ajv';
import type { ClientOptions } from 'ws';
import { WebSocket } from 'ws';
import type { HttpSettings } from '#http/server';

/** Bounds that no test meets by chance. */
export const WEB_SOCKET: HttpSettings['webSocket'] = {
  socketsMax: 100,
  runsMax: 32,
  runsInFlightMax: 1_000,
  messageBytesMax: 64 * 1024,
  queueBytesMax: 64 * 1024,
  authenticateMs: 10_000,
  pingMs: 30_000,
  idleMs: 600_000,
  stalledMs: 30_000,
};

export interface Told {
  readonly type: string;
  readonly id?: string | null;
  readonly [field: string]: unknown;
}

export interface SocketClient {
  readonly socket: WebSocket;
  readonly told: Told[];
  /** Types of what was said about this run, in order. */
  of(id: string): Told[];
  send(message: unknown): void;
  /** Resolves with the first message, also of those that already came, that fits. */
  next(what: (message: Told) => boolean): Promise<Told>;
  readonly closed: Promise<{ code: number; reason: string }>;
}

interface Described {
  readonly components: { readonly messages: Readonly<Record<string, { readonly payload: object }>> };
}

const described: Described = JSON.parse(readFileSync(new URL('../../schema/asyncapi.json', import.meta.url), 'utf8'));
const ajv = new Ajv({ strict: false });
const checks = Object.entries(described.components.messages).map(([name, { payload }]) => ({
  name,
  fits: ajv.compile(payload),
}));

/** The name under which the checked-in file describes this message. */
export function nameOf(side: 'client' | 'server', message: unknown): string {
  const found = checks.find(({ name, fits }) => name.startsWith(side) && fits(message));
  assert.ok(found !== undefined, `schema/asyncapi.json does not describe ${JSON.stringify(message)}`);
  return found.name;
}

export function connect(
  t: TestContext,
  { url }: { url: string },
  options: ClientOptions & { protocols?: string[]; path?: string } = {},
): SocketClient {
  const { protocols = [], path = '/ws/chat', ...more } = options;
  const socket = new WebSocket(`${url.replace('http', 'ws')}${path}`, protocols, more);
  const told: Told[] = [];
  const waiting: (() => void)[] = [];
  socket.on('error', () => undefined);
  socket.on('message', (data: Buffer) => {
    const message: Told = JSON.parse(data.toString());
    nameOf('server', message);
    told.push(message);
    for (const look of waiting.splice(0)) look();
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code, reason) => {
      for (const look of waiting.splice(0)) look();
      resolve({ code, reason: String(reason) });
    });
  });
  t.after(() => socket.terminate());
  return {
    socket,
    told,
    closed,
    of: (id) => told.filter((message) => message.id === id),
    send: (message) => socket.send(JSON.stringify(message)),
    async next(what) {
      for (;;) {
        const found = told.find(what);
        if (found !== undefined) return found;
        assert.ok(socket.readyState < WebSocket.CLOSING, `closed after ${JSON.stringify(told)}`);
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}

/** Connected and greeted. */
export async function opened(...given: Parameters<typeof connect>): Promise<SocketClient> {
  const client = connect(...given);
  await client.next(({ type }) => type === 'hello');
  return client;
}

/** The status, and the code of the error, with which a handshake was refused. */
export function refusal(client: SocketClient): Promise<{ status: number; code: string }> {
  return new Promise((resolve, reject) => {
    client.socket.once('open', () => reject(new Error('the handshake was accepted')));
    client.socket.once('unexpected-response', (_request, response) => {
      let text = '';
      response.on('data', (part) => (text += String(part)));
      response.on('end', () => client.socket.terminate());
      response.on('end', () => resolve({ status: response.statusCode ?? 0, code: JSON.parse(text).code }));
    });
  });
}

/** Resolves with the last message about the run. */
export function ended(client: SocketClient, id: string): Promise<Told> {
  return client.next((message) => message.id === id && (message.type === 'end' || message.type === 'error'));
}
