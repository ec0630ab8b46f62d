/** Callers that go on until they are told to stop, and what became of each of their requests. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { systemClock } from '#core/clock';
import { messageOf } from '#core/errors';
import { WebSocket } from 'ws';
import type { Upstream } from './upstream.ts';

export interface Load {
  readonly done: { gets: number; posts: number; streams: number };
  /** What did not succeed, in words. */
  readonly failures: string[];
  /** The ids of posts that were answered. */
  readonly answered: Set<string>;
  stop(): Promise<void>;
}

/** So that the callers leave the machine to what they call: a hundred requests a second in all are with a hub at every moment it ends. */
const PAUSE_MS = 50;

/** GETs, POSTs with a unique id in their message, and event streams, a few callers of each. */
export function startLoad(url: string, callers = 2): Load {
  const done = { gets: 0, posts: 0, streams: 0 };
  const failures: string[] = [];
  const answered = new Set<string>();
  const stopping = new AbortController();
  // Its own: what one load asked is told from what another did.
  const name = randomUUID();
  let next = 0;
  const loop = async (what: keyof typeof done, act: () => Promise<void>): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        await act();
        done[what]++;
      } catch (error) {
        failures.push(
          `${what}: ${messageOf(error)}${error instanceof Error && error.cause !== undefined ? ` (${messageOf(error.cause)})` : ''}`,
        );
      }
      await systemClock.sleep(PAUSE_MS);
    }
  };
  const get = async (): Promise<void> => void (await bodyOf(await fetch(`${url}/api/models`)));
  const ask = async (stream: boolean): Promise<void> => {
    const id = `${name}-${++next}`;
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: id }], stream }),
    });
    const text = await bodyOf(response);
    if (stream && !text.includes('data: [DONE]')) throw new Error(`a stream that was cut: ${text.slice(-200)}`);
    answered.add(id);
  };
  const running = Array.from({ length: callers }, () => [
    loop('gets', get),
    loop('posts', () => ask(false)),
    loop('streams', () => ask(true)),
  ]).flat();
  return {
    done,
    failures,
    answered,
    async stop() {
      stopping.abort();
      await Promise.all(running);
    },
  };
}

/** Every id that was answered was asked once of the upstream, and no id twice. */
export function assertOnce(upstream: Upstream, answered: ReadonlySet<string>): void {
  const seen = new Map<string, number>();
  for (const { body } of upstream.received) {
    const [message] = body['messages'] as { content: string }[];
    seen.set(message?.content ?? '', (seen.get(message?.content ?? '') ?? 0) + 1);
  }
  assert.deepEqual(
    [...seen].filter(([, times]) => times > 1),
    [],
    'asked twice',
  );
  assert.deepEqual(
    [...answered].filter((id) => !seen.has(id)),
    [],
  );
}

async function bodyOf(response: Response): Promise<string> {
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status} ${text.slice(0, 200)}`);
  return text;
}

export interface Sockets {
  /** Milliseconds from each close to the next open, where there was one. */
  readonly backMs: number[];
  /** Attempts that were refused. */
  readonly refused: string[];
  /** The hub that each is on now; null while it is on none. */
  homes(): (string | null)[];
  /** Resolves when each has ended. */
  stop(): Promise<void>;
}

/** WebSockets as a client keeps them: whichever is closed is opened again at once, with the cookie of its hub. */
export async function startSockets(url: string, count: number): Promise<Sockets> {
  const backMs: number[] = [];
  const refused: string[] = [];
  const homes = Array.from<string | null>({ length: count }).fill(null);
  const open = new Set<WebSocket>();
  let stopped = false;
  const keep = (at: number, cookie: string, closedAt: number | null): Promise<void> =>
    new Promise((resolve) => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/ws/chat`, { headers: { cookie } });
      let mine = cookie;
      open.add(socket);
      socket.on('upgrade', (response: IncomingMessage) => {
        mine = /^revoagent_route=[\w.-]+/.exec(response.headers['set-cookie']?.[0] ?? '')?.[0] ?? cookie;
        homes[at] = mine.slice('revoagent_route='.length);
        if (closedAt !== null) backMs.push(performance.now() - closedAt);
        resolve();
      });
      socket.on('error', (error) => {
        if (!stopped && homes[at] === null) refused.push(messageOf(error));
      });
      socket.on('close', () => {
        open.delete(socket);
        if (stopped) return;
        const wasOpen = homes[at] !== null;
        homes[at] = null;
        void systemClock
          .sleep(wasOpen ? 0 : PAUSE_MS)
          .then(() => void keep(at, mine, wasOpen ? performance.now() : closedAt));
      });
    });
  await Promise.all(homes.map((_, at) => keep(at, '', null)));
  return {
    backMs,
    refused,
    homes: () => [...homes],
    async stop() {
      stopped = true;
      const ended = [...open].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
      for (const socket of open) socket.terminate();
      await Promise.all(ended);
    },
  };
}
