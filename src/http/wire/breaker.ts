/** A circuit breaker as `/api/circuit-breakers` shows it, and what the three orders given to one have in common. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import type { BreakerStatus } from '#contract/breakers';
import type { Answer } from '../answer.ts';
import type { Services } from '../operation.ts';
import { json } from '../answer.ts';
import { actorOf, notFound } from '../operation.ts';
import type { RequestContext } from '../request-context.ts';
import { writtenDown } from '../written-down.ts';
import { nullable, strict } from './common.ts';

/** What a circuit lets through: `closed` and `disabled` all, `half_open` a probe, the others nothing. */
export const BREAKER_STATES = ['closed', 'open', 'half_open', 'forced_open', 'disabled'] as const;

export const breakerSchema = Type.Object({
  key: Type.String({ description: 'What it protects, e.g. `provider:openai/gpt-4o`.' }),
  state: Type.Enum(BREAKER_STATES),
  suspect: Type.Boolean({ description: 'Failures are near the threshold.' }),
  failuresInWindow: Type.Integer(),
  callsInWindow: Type.Integer(),
  inFlight: Type.Integer(),
  retryAfterMs: nullable(Type.Number(), 'Until the next probe may go, where open.'),
  stateAgeMs: Type.Number({ description: 'Since when it is in this state, in milliseconds ago.' }),
  trips: Type.Integer({ description: 'How often it opened since the start.' }),
  rejected: Type.Integer({ description: 'Calls it refused since the start.' }),
  lateResults: Type.Integer({ description: 'Results of calls that began in an earlier state, which it ignored.' }),
  forced: nullable(
    Type.Object({
      by: Type.String(),
      reason: Type.String(),
      remainingMs: nullable(Type.Number(), 'Null: until it is reset.'),
    }),
    'Who forced it and why.',
  ),
});

/** Field by field, so that what the registry adds to a status is shown only once it is described here. */
export function breakerView(status: BreakerStatus): Static<typeof breakerSchema> {
  const { key, state, suspect, failuresInWindow, callsInWindow, inFlight } = status;
  const { retryAfterMs, stateAgeMs, trips, rejected, lateResults, forced } = status;
  return {
    key,
    state,
    suspect,
    failuresInWindow,
    callsInWindow,
    inFlight,
    retryAfterMs,
    stateAgeMs,
    trips,
    rejected,
    lateResults,
    forced,
  };
}

export const breakerExample = {
  key: 'provider:openai/gpt-4o',
  state: 'open',
  suspect: false,
  failuresInWindow: 5,
  callsInWindow: 9,
  inFlight: 0,
  retryAfterMs: 21_400,
  stateAgeMs: 8_600,
  trips: 1,
  rejected: 37,
  lateResults: 0,
  forced: null,
} satisfies Static<typeof breakerSchema>;

export const breakerParams = Type.Object({
  key: Type.String({
    minLength: 1,
    maxLength: 512,
    description: 'URL-encoded, `/` included.',
    examples: ['provider:openai%2Fgpt-4o'],
  }),
});

const reason = Type.String({
  minLength: 1,
  maxLength: 500,
  description: 'Why; it is kept in the audit.',
  examples: ['provider incident 4711'],
});
export const orderBody = Type.Object({ reason }, strict);
export const forceOpenBody = Type.Object(
  {
    reason,
    forMs: Type.Optional(
      Type.Integer({
        minimum: 1_000,
        maximum: 86_400_000,
        description: 'Milliseconds until it is reset by itself; never where it is not given.',
      }),
    ),
  },
  strict,
);

export const orderedSchema = Type.Object({
  breaker: breakerSchema,
  audited: Type.Boolean({ description: 'False where the database was away: the order holds, and the log has it.' }),
});

/** Gives the order, then writes it down. */
export async function giveOrder(
  context: RequestContext,
  services: Services,
  order: { key: string; action: string; detail: Record<string, unknown> },
  give: (by: string) => BreakerStatus | null,
): Promise<Answer> {
  const status = give(actorOf(context));
  if (status === null) throw notFound('There is no such circuit breaker. GET /api/circuit-breakers lists them.');
  const { action, detail, key: subject } = order;
  const audited = await writtenDown(context, services, { action, subject, detail });
  return json({ breaker: breakerView(status), audited });
}
