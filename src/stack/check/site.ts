/** The stack that is checked, as the rows see it. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '#core/clock';
import { pause } from '#core/clock';
import type { StackStatus } from '../stack.ts';
import type { Answer, Caller, Question } from './caller.ts';
import type { CheckUpstream } from './upstream.ts';

export interface Site {
  readonly clock: Clock;
  readonly caller: Caller;
  /** The balancer's address. */
  readonly url: string;
  readonly hubs: readonly CheckedHub[];
  /** Null where the stack runs without. */
  readonly prometheus: string | null;
  readonly alertmanager: string | null;
  /** Null where the stack has upstreams of its own, which nobody makes fail. */
  readonly upstream: CheckUpstream | null;
  /** What chats ask for. */
  readonly model: string;
  readonly status: () => Promise<StackStatus>;
}

export interface CheckedHub {
  readonly name: string;
  readonly url: string;
  /** By which it tells its figures. */
  readonly socket: string;
}

/** What a row found: passed where nothing is wrong. */
export interface Row {
  readonly name: string;
  /** In a few words, with the figures. */
  readonly said: string;
  readonly figures: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
}

export interface Target {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly below?: number;
  readonly atLeast?: number;
}

export function isMet({ value, below = Infinity, atLeast = -Infinity }: Target): boolean {
  return value < below && value >= atLeast;
}

/** No two are alike, so that nothing but the caching row meets the cache. */
export function uniqueQuestion(): string {
  return `check ${randomUUID()}`;
}

/** One chat; a stream where `stream` is set. */
export function chat(
  { caller, model }: Pick<Site, 'caller' | 'model'>,
  url: string,
  content: string,
  { stream = false, headers = {} }: { stream?: boolean; headers?: Question['headers'] } = {},
): Promise<Answer> {
  const body = { model, messages: [{ role: 'user', content }], stream, temperature: 0 };
  return caller.ask(`${url}/v1/chat/completions`, { method: 'POST', body, headers });
}

/** Asks until it is so; false where it is not within `withinMs`. */
export async function until(clock: Clock, withinMs: number, ask: () => Promise<boolean>): Promise<boolean> {
  const end = clock.now() + withinMs;
  for (;;) {
    if (await ask().catch(() => false)) return true;
    if (clock.now() > end) return false;
    await pause(clock, ASK_MS);
  }
}

const ASK_MS = 50;

/** The value below which `share` of them lie; not a number where there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
