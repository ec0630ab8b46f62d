/**
 * Rows out of a journal's segments: a dispatch and its settlement, wherever in them it is; what was never settled is interrupted.
 * Holds one segment at a time, and the dispatches that are not settled yet.
 */
import { readFile } from 'node:fs/promises';
import type { UsageDispatch, UsageRecord } from '#contract/ledger';
import { parseLine } from './lines.ts';

export interface Replay {
  /** Files, in order. */
  readonly segments: readonly string[];
  /** Whether this entry is somebody else's to write. */
  readonly skips: (id: string) => boolean;
  /** Told of every line that is none: a torn one. */
  readonly unreadable: () => void;
}

/** Throws where a segment cannot be read. */
export async function* replay({ segments, skips, unreadable }: Replay): AsyncGenerator<UsageRecord, void> {
  const open = new Map<string, UsageDispatch>();
  for (const segment of segments) {
    for (const text of (await readFile(segment, 'utf8')).split('\n')) {
      if (text === '') continue;
      const line = parseLine(text);
      if (line === null) unreadable();
      else if ('dispatch' in line) open.set(line.dispatch.id, line.dispatch);
      else {
        const dispatch = open.get(line.of);
        open.delete(line.of);
        if (dispatch !== undefined && !skips(line.of)) yield { ...dispatch, ...line.settlement, state: 'settled' };
      }
    }
  }
  for (const dispatch of open.values()) if (!skips(dispatch.id)) yield interrupted(dispatch);
}

/** What is written of an attempt whose end nobody knows. */
export function interrupted(dispatch: UsageDispatch): UsageRecord {
  return {
    ...dispatch,
    state: 'interrupted',
    outcome: 'running',
    promptTokens: null,
    completionTokens: null,
    cachedTokens: null,
    costMicroUsd: null,
    priceSource: null,
  };
}
