/**
 * The journal's lines: JSON, one a line, a dispatch or a settlement. A line that a crash or a full disk left torn is no line; nothing
 * is guessed out of it.
 */
import type { Settlement, UsageDispatch, UsageRecord } from '#contract/ledger';

export type Line = { readonly dispatch: UsageDispatch } | { readonly of: string; readonly settlement: Settlement };

export function dispatchLine(dispatch: UsageDispatch): string {
  return `${JSON.stringify(dispatch)}\n`;
}

export function settlementLine(of: string, settlement: Settlement): string {
  return `${JSON.stringify({ of, ...settlement })}\n`;
}

/** Null for what is no whole line of ours. */
export function parseLine(text: string): Line | null {
  const value = parse(text);
  if (isDispatch(value)) return { dispatch: value };
  return isSettlement(value) ? settlementOf(value) : null;
}

/** A reservation: a dispatch, or the row it became. Null for what is neither. */
export function parseReservation(text: string): UsageDispatch | null {
  const value = parse(text);
  return isDispatch(value) ? value : null;
}

/** Whether a reservation has become a row. */
export function isRow(entry: UsageDispatch): entry is UsageRecord {
  return 'state' in entry && entry.state === 'settled' && isSettlement({ of: entry.id, ...entry });
}

function settlementOf({ of, ...settlement }: Settlement & { of: string }): Line {
  return { of, settlement };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const TEXTS = ['id', 'runId', 'projectId', 'requestedModel', 'deployment', 'provider', 'model', 'kind'] as const;

function isDispatch(value: unknown): value is UsageDispatch {
  if (!isRecord(value)) return false;
  const numbers = [value['startedWallMs'], value['estimatedPromptTokens']];
  return TEXTS.every((name) => typeof value[name] === 'string') && numbers.every(Number.isSafeInteger);
}

const COUNTS = ['promptTokens', 'completionTokens', 'cachedTokens', 'costMicroUsd'] as const;

function isSettlement(value: unknown): value is Settlement & { of: string } {
  if (!isRecord(value) || typeof value['of'] !== 'string' || typeof value['outcome'] !== 'string') return false;
  return COUNTS.every((name) => value[name] === null || Number.isSafeInteger(value[name]));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
