/** A caller who wants a cut stream to go on, and what becomes of the text that it keeps. */
import type { ChatCall } from '#contract/gateway';
import type { ChatChunk, ChatRequest } from '#contract/chat';
import type { Bench } from './harness.ts';

export interface Seen {
  /** The text as a client keeps it: dropped at every restart. */
  text: string;
  restarts: number;
  readonly ids: Set<string>;
  finish: string | null;
  error: unknown;
}

/** Reads a stream as a client does that asked for continuation. */
export async function read(bench: Bench, call: ChatCall): Promise<Seen> {
  const seen: Seen = { text: '', restarts: 0, ids: new Set(), finish: null, error: null };
  try {
    const { events } = await bench.gateway.stream(call);
    for await (const data of events) {
      const event: ChatChunk & { revoagent?: { event: string } } = JSON.parse(data);
      seen.ids.add(event.id);
      if (event.revoagent?.event === 'restart') {
        seen.restarts++;
        seen.text = '';
      }
      seen.text += event.choices[0]?.delta.content ?? '';
      seen.finish = event.choices[0]?.finish_reason ?? seen.finish;
    }
  } catch (error) {
    seen.error = error;
  }
  return seen;
}

export function continued(bench: Bench, fields: Partial<ChatRequest> = {}, controller?: AbortController): ChatCall {
  return { ...bench.call({ stream: true, ...fields }, controller), preferences: { continueCut: true } };
}
