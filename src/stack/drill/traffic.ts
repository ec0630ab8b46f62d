/** The ordinary traffic beside a drill: a bit of everything, at a steady pace. Counts what callers were refused. */
import type { Clock } from '#core/clock';

const EVERY_MS = 60;
const ANSWER_MS = 15_000;
const IN_FLIGHT_MAX = 200;
const CALLERS_FAULT = 500;

export interface Traffic {
  readonly sent: number;
  /** 5xx, no answer, or none within 15 s. */
  readonly failed: number;
  stop(): void;
}

export interface Chat {
  readonly model: string;
  readonly stream?: boolean;
  /** Told apart from others, so that the cache has something to do. */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function chat(
  hub: string,
  { model, stream = false, text = 'Hello', headers = {} }: Chat,
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(`${hub}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: text }] }),
    ...(signal === undefined ? {} : { signal }),
  });
}

export function startTraffic(clock: Clock, hub: string): Traffic {
  const kinds: readonly ((signal: AbortSignal, count: number) => Promise<Response>)[] = [
    (signal) => chat(hub, { model: 'drill' }, signal),
    (signal, count) => chat(hub, { model: 'drill', stream: true, text: `Stream ${count}` }, signal),
    (signal, count) =>
      chat(hub, { model: 'drill', text: `Again ${count % 7}`, headers: { 'x-revoagent-cache': 'on' } }, signal),
    (signal) => fetch(`${hub}/api/external/drill/thing`, { signal }),
    (signal) => fetch(`${hub}/api/runs?limit=5`, { signal }),
  ];
  const counts = { sent: 0, failed: 0 };
  let inFlight = 0;
  let stopped = false;
  const send = async (count: number): Promise<void> => {
    const late = new AbortController();
    const timer = clock.schedule(ANSWER_MS, () => late.abort(new Error('no answer in time')), true);
    inFlight++;
    counts.sent++;
    try {
      const answer = await kinds[count % kinds.length]?.(late.signal, count);
      await answer?.arrayBuffer();
      if (answer === undefined || answer.status >= CALLERS_FAULT) counts.failed++;
    } catch {
      counts.failed++;
    } finally {
      inFlight--;
      timer.cancel();
    }
  };
  const next = (count: number): void => {
    if (stopped) return;
    if (inFlight < IN_FLIGHT_MAX) void send(count);
    clock.schedule(EVERY_MS, () => next(count + 1), true);
  };
  next(0);
  return {
    get sent() {
      return counts.sent;
    },
    get failed() {
      return counts.failed;
    },
    stop: () => void (stopped = true),
  };
}
