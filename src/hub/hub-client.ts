/**
 * One command's questions to a running hub: over the local socket beside its data, which needs no key, or over its address. Says
 * in words who was not reached; what an answer means is the asker's. Follows no redirect, repeats nothing.
 */
import { existsSync } from 'node:fs';
import { Client } from 'undici';
import { messageOf } from '#core/errors';
import { socketPath } from './socket.ts';

/** A person waits: a hub that says nothing for so long is told as one that does not answer. */
const SILENT_MS = 30_000;
/** Beyond a full page of runs with every attempt. */
const ANSWER_BYTES_MAX = 32 * 1024 * 1024;

export interface HubAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface HubClient {
  /** Throws an `Error` in words where no hub answered. */
  ask(method: 'GET' | 'POST' | 'DELETE', path: string, payload?: unknown): Promise<HubAnswer>;
  close(): Promise<void>;
}

/** Null where no hub runs on this folder; a socket may be what a killed one left behind. */
export async function localHubClient(dataDir: string): Promise<HubClient | null> {
  const socket = socketPath(dataDir);
  if (!existsSync(socket)) return null;
  const client = new Client('http://localhost', { ...limited, socketPath: socket });
  try {
    const { body } = await client.request({ path: '/health/live', method: 'GET' });
    await body.dump();
  } catch {
    // Nobody listens there.
    await client.destroy();
    return null;
  }
  return clientOver(client, { shown: 'this machine', prefix: '', headers: {} });
}

/** Throws an `Error` where `address` is no URL of HTTP. The key goes into the header only, never into a text. */
export function remoteHubClient(address: string, key: string | undefined): HubClient {
  const url = URL.parse(address);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new Error(`"${address}" is no address of a hub. Give one such as http://127.0.0.1:12001.`);
  return clientOver(new Client(url.origin, limited), {
    shown: url.origin,
    prefix: url.pathname.replace(/\/+$/, ''),
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
  });
}

const limited = { headersTimeout: SILENT_MS, bodyTimeout: SILENT_MS, maxResponseSize: ANSWER_BYTES_MAX };

interface Target {
  readonly shown: string;
  readonly prefix: string;
  readonly headers: Readonly<Record<string, string>>;
}

function clientOver(client: Client, { shown, prefix, headers }: Target): HubClient {
  return {
    async ask(method, path, payload) {
      const typed = payload === undefined ? headers : { ...headers, 'content-type': 'application/json' };
      const sent = payload === undefined ? null : JSON.stringify(payload);
      let status: number;
      let text: string;
      try {
        const answered = await client.request({ method, path: prefix + path, headers: typed, body: sent });
        status = answered.statusCode;
        text = await answered.body.text();
      } catch (error) {
        throw new Error(`No hub answers at ${shown}: ${messageOf(error)}`, { cause: error });
      }
      try {
        return { status, body: text === '' ? {} : JSON.parse(text) };
      } catch (error) {
        throw new Error(`What answers at ${shown} is no hub: status ${status}, and no JSON.`, { cause: error });
      }
    },
    close: () => client.destroy(),
  };
}

/** What the hub itself says is wrong. */
export function problemOf({ status, body }: HubAnswer): string {
  const { detail, title } = asRecord(body);
  if (typeof detail === 'string') return detail;
  return typeof title === 'string' ? title : `The hub answered with status ${status}.`;
}

export function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
