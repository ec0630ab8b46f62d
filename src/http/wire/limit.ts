/** Limits as the API shows and takes them: money in US dollars, times in milliseconds. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { LimitStanding } from '#contract/admission';
import { LIMIT_SCOPES } from '#contract/admission';
import { nullable, strict } from './common.ts';

const MICRO = 1_000_000;
const LARGEST = 1_000_000_000;

const bound = (description: string) => Type.Optional(Type.Integer({ minimum: 1, maximum: LARGEST, description }));
const usd = (period: string) =>
  Type.Optional(
    Type.Number({ minimum: 0, maximum: LARGEST, description: `US dollars a ${period}, from midnight UTC.` }),
  );

/** What may be stored with a key or a project. */
export const limitsBody = Type.Object(
  {
    requestsPerMinute: bound('Requests within any minute.'),
    tokensPerMinute: bound('Tokens of prompts and answers within any minute.'),
    concurrent: bound('Calls under way at the same time.'),
    usdPerDay: usd('day'),
    usdPerWeek: usd('week that begins on Monday'),
    usdPerMonth: usd('month'),
  },
  strict,
);

export const limitsExample = { requestsPerMinute: 600, tokensPerMinute: 200_000, usdPerMonth: 50 };

export const standingSchema = Type.Object({
  scope: Type.Enum(LIMIT_SCOPES, { description: 'What it is set for.' }),
  id: Type.String({ description: 'Whose it is: an id, or the name of an agent or a route.' }),
  kind: Type.Enum(['requests', 'tokens', 'concurrent', 'usd']),
  period: nullable(
    Type.Enum(['minute', 'day', 'week', 'month']),
    'Any minute; a day, a week from Monday on, a month of the calendar in UTC; null for calls under way.',
  ),
  max: Type.Number({ description: 'Requests, tokens, calls or US dollars.' }),
  used: Type.Number({ description: 'Of it, what is reserved or spent.' }),
  remaining: Type.Number(),
  resetMs: nullable(
    Type.Integer({ minimum: 0 }),
    'Until what counts longest counts no more, or the period ends; in a refusal, until there is room. Null: never, for this call.',
  ),
});

export function standingView({
  scope,
  id,
  kind,
  period,
  max,
  used,
  resetMs,
}: LimitStanding): Static<typeof standingSchema> {
  const unit = kind === 'usd' ? MICRO : 1;
  const remaining = Math.max(0, max - used) / unit;
  const reset = Number.isFinite(resetMs) ? Math.ceil(resetMs) : null;
  return { scope, id, kind, period, max: max / unit, used: used / unit, remaining, resetMs: reset };
}

export const standingExample = {
  scope: 'key',
  id: 'key_01k3v9zq6x8m2f4t7w1c5r9hjd',
  kind: 'requests',
  period: 'minute',
  max: 600,
  used: 41,
  remaining: 559,
  resetMs: 12_400,
} satisfies Static<typeof standingSchema>;
