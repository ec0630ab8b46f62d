/** What instances tell each other about a breaker, as text. Durations only: no clock of one is read by another. */
import { parseObject } from './registry.ts';

/**
 * `trip`: its circuit opened there. `exhausted`: its quota is used up for all. `recovered`, `reset`: over. `forced`, `disabled`: an
 * operator's word.
 */
export const MESSAGE_KINDS = ['trip', 'closed', 'exhausted', 'recovered', 'forced', 'disabled', 'reset'] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

export interface Message {
  /** Given by Redis; a later one has a greater number. */
  readonly version: number;
  readonly kind: MessageKind;
  readonly breaker: string;
  /** The process that tells it, and its name. */
  readonly incarnation: string;
  readonly instance: string;
  /** Null: until it is taken back. Of a reset: how long it is still told to those who could not hear it. */
  readonly remainingMs: number | null;
  readonly by: string | null;
  readonly reason: string | null;
}

/** Without braces and version, which Redis puts around. */
export function messageFields(message: Omit<Message, 'version'>): string {
  return JSON.stringify(message).slice(1, -1);
}

/** Null for what this version does not understand. */
export function parseMessage(text: string): Message | null {
  const value = parseObject(text);
  if (value === null) return null;
  const { version, kind, breaker, incarnation, instance, remainingMs } = value;
  const known = MESSAGE_KINDS.find((each) => each === kind);
  if (known === undefined || typeof version !== 'number' || typeof breaker !== 'string') return null;
  if (typeof incarnation !== 'string' || typeof instance !== 'string') return null;
  const textOf = (name: 'by' | 'reason'): string | null => (typeof value[name] === 'string' ? value[name] : null);
  return {
    version,
    kind: known,
    breaker,
    incarnation,
    instance,
    remainingMs: typeof remainingMs === 'number' && remainingMs >= 0 ? remainingMs : null,
    by: textOf('by'),
    reason: textOf('reason'),
  };
}
