/** Callers that go on until they are told to stop, and what became of each of their requests. */
import { randomUUID } from 'node:crypto';
import { systemClock } from '#core/clock';
import { messageOf } from '#core/errors';

export interface Load {
  readonly done: { gets: number; posts: number; streams: number };
  /** What did not succeed, in words. */
  readonly failures: string[];
  /** The ids of posts that were answered. */
  readonly answered: Set<string>;
  stop(): Promise<void>;
}

/** So that the callers leave the machine to what they call. */
const PAUSE_MS = 10;

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
        await systemClock.sleep(PAUSE_MS);
      } catch (error) {
        failures.push(
          `${what}: ${messageOf(error)}${error instanceof Error && error.cause !== undefined ? ` (${messageOf(error.cause)})` : ''}`,
        );
      }
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

async function bodyOf(response: Response): Promise<string> {
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status} ${text.slice(0, 200)}`);
  return text;
}
