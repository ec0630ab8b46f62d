/**
 * What limits say of a call: what was set, where it stands, and what was reserved for the call until it is settled. Money is whole
 * millionths of a US dollar.
 */

/** What a limit is set for, from the widest to the narrowest. A route's counts for all projects. */
export const LIMIT_SCOPES = ['organisation', 'project', 'key', 'agent', 'route'] as const;
export type LimitScope = (typeof LIMIT_SCOPES)[number];

export type LimitKind = 'requests' | 'tokens' | 'concurrent' | 'usd';
/** `minute` slides; the others begin at midnight UTC, a week on Monday (ISO 8601). Null: calls under way at the same time. */
export type LimitPeriod = 'minute' | 'day' | 'week' | 'month' | null;

/** What may be set for one organisation, project, key, agent or route. What is left out is not limited there. */
export interface LimitSettings {
  readonly requestsPerMinute?: number;
  /** Of prompt and answer together. */
  readonly tokensPerMinute?: number;
  /** Calls under way; a stream is, to its end. */
  readonly concurrent?: number;
  readonly usdPerDay?: number;
  readonly usdPerWeek?: number;
  readonly usdPerMonth?: number;
}

/** What is known of a call's size before it, and of its cost after it. */
export interface LimitAmounts {
  readonly tokens: number;
  readonly microUsd: number;
}

/** Where one limit stands. `usd` in millionths. */
export interface LimitStanding {
  readonly scope: LimitScope;
  /** Of the organisation, project, key; the agent's or the route's name. */
  readonly id: string;
  readonly kind: LimitKind;
  readonly period: LimitPeriod;
  readonly max: number;
  readonly used: number;
  /** Until there is room for what was refused, else until what counts longest counts no more. Milliseconds. */
  readonly resetMs: number;
}

export interface Admission {
  readonly standings: readonly LimitStanding[];
  /** What was reserved. */
  readonly estimate: LimitAmounts;
  /** The call has ended; once. Null: nobody knows what it came to, and the estimate stays. */
  settle(spent: LimitAmounts | null): void;
}
