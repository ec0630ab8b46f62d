/** Where budgets begin and end: days since 1970 in UTC. Weeks begin on Monday (ISO 8601), months on their first. */
import type { LimitPeriod } from '#contract/admission';

export const DAY_MS = 86_400_000;
/** 1 January 1970 was a Thursday, three days after a Monday. */
const MONDAY_SHIFT = 3;

export type Calendar = Exclude<LimitPeriod, 'minute' | null>;

export interface Days {
  readonly start: number;
  /** The first that is no longer in it. */
  readonly end: number;
}

export function daysOf(period: Calendar, wallMs: number): Days {
  const day = Math.floor(wallMs / DAY_MS);
  if (period === 'day') return { start: day, end: day + 1 };
  if (period === 'week') {
    const start = day - ((day + MONDAY_SHIFT) % 7);
    return { start, end: start + 7 };
  }
  const date = new Date(wallMs);
  const month = (offset: number): number => Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + offset, 1) / DAY_MS;
  return { start: month(0), end: month(1) };
}
