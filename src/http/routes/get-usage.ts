/** `GET /api/usage`: tokens and money of the caller's project, summed from the usage ledger. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { CallerError } from '#core/errors';
import type { UsageGroup, UsageTotals } from '#contract/ledger';
import { json } from '../answer.ts';
import { callerOf, defineOperation } from '../operation.ts';
import { isoTime, nullable, strict, timestamp } from '../wire/common.ts';

const DAY_MS = 86_400_000;
const SPAN_DAYS_DEFAULT = 30;
/** A year and the day of a leap year: what one statement may read. */
const SPAN_DAYS_MAX = 366;
const GROUPS_MAX = 1_000;

const time = (description: string, example: string) =>
  Type.Optional(
    Type.String({
      pattern: String.raw`^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z)?$`,
      patternMeaning: 'must be a day (2026-01-31) or a moment in UTC (2026-01-31T12:00:00Z)',
      description,
      examples: [example],
    }),
  );

const query = Type.Object(
  {
    from: time(
      `The begin, which belongs to it; ${SPAN_DAYS_DEFAULT} days before the end where it is not given.`,
      '2026-01-01',
    ),
    to: time(
      `The end, which does not; now where it is not given. At most ${SPAN_DAYS_MAX} days after the begin.`,
      '2026-02-01',
    ),
    groupBy: Type.Optional(
      Type.Enum(['key', 'model', 'deployment', 'provider', 'day'], {
        description: 'What to sum by, besides the total. Days are in UTC.',
        examples: ['model'],
      }),
    ),
  },
  strict,
);

const totals = {
  requests: Type.Integer({ description: 'Requests whose first attempt is among the attempts.' }),
  attempts: Type.Integer({ description: 'Calls to upstreams.' }),
  succeeded: Type.Integer({ description: 'Attempts that brought a whole answer.' }),
  interrupted: Type.Integer({ description: 'Attempts that the hub did not live to see the end of.' }),
  promptTokens: Type.Integer({ description: 'As upstreams stated them; unknown ones are left out.' }),
  completionTokens: Type.Integer({ description: 'As upstreams stated them; unknown ones are left out.' }),
  cachedTokens: Type.Integer({ description: 'Tokens of the prompts that upstreams had cached.' }),
  unknownTokens: Type.Integer({ description: 'Attempts whose tokens no upstream stated.' }),
  costUsd: Type.Number({ description: 'US dollars, to the millionth; attempts of unknown cost are left out.' }),
  unknownCost: Type.Integer({ description: 'Attempts whose tokens or price are unknown.' }),
};
const totalsSchema = Type.Object(totals);
const groupSchema = Type.Object({
  group: nullable(Type.String(), 'A key’s id (null: without keys), a model, a deployment, a provider or a day.'),
  ...totals,
});

function totalsView({ costMicroUsd, ...rest }: UsageTotals): Static<typeof totalsSchema> {
  return { ...rest, costUsd: costMicroUsd / 1e6 };
}

function groupView({ group, ...sums }: UsageGroup): Static<typeof groupSchema> {
  return { group, ...totalsView(sums) };
}

const example = {
  requests: 1200,
  attempts: 1260,
  succeeded: 1190,
  interrupted: 1,
  promptTokens: 960_000,
  completionTokens: 310_000,
  cachedTokens: 120_000,
  unknownTokens: 70,
  costUsd: 4.61,
  unknownCost: 70,
} satisfies Static<typeof totalsSchema>;

export const getUsage = defineOperation({
  id: 'getUsage',
  method: 'GET',
  path: '/api/usage',
  access: ['read'],
  tag: 'Runs',
  summary: 'Tokens and cost',
  description:
    'Sums over the project’s calls to upstreams. Rows appear a moment after a call has ended. What is unknown is left out of a sum and ' +
    `counted beside it, never taken for 0. At most ${GROUPS_MAX} groups: those with the most attempts, or the first days.`,
  query,
  responses: {
    200: {
      description: 'The sums.',
      schema: Type.Object({
        from: timestamp,
        to: timestamp,
        groupBy: nullable(Type.String(), 'As it was asked for.'),
        totals: totalsSchema,
        groups: Type.Array(groupSchema, { description: 'Empty where nothing is grouped by.' }),
      }),
      example: {
        from: '2026-01-01T00:00:00.000Z',
        to: '2026-02-01T00:00:00.000Z',
        groupBy: 'model',
        totals: example,
        groups: [{ group: 'gpt-4o-mini', ...example }],
      },
    },
  },
  async handle({ query: { from, to, groupBy = null }, context }, { usage, clock }) {
    const toWallMs = to === undefined ? Math.ceil(clock.wallMs()) : momentOf('to', to);
    const fromWallMs = from === undefined ? toWallMs - SPAN_DAYS_DEFAULT * DAY_MS : momentOf('from', from);
    if (fromWallMs >= toWallMs) throw wrong('from', 'must be before the end');
    if (toWallMs - fromWallMs > SPAN_DAYS_MAX * DAY_MS)
      throw wrong('from', `is more than ${SPAN_DAYS_MAX} days before the end`);
    const { projectId } = callerOf(context);
    const report = await usage.report(projectId, { fromWallMs, toWallMs, groupBy, groupsMax: GROUPS_MAX });
    return json({
      from: isoTime(fromWallMs),
      to: isoTime(toWallMs),
      groupBy,
      totals: totalsView(report.totals),
      groups: report.groups.map(groupView),
    });
  },
});

/** Throws where there is no such day: the runtime would take the 30th of February for the 2nd of March. */
function momentOf(name: string, text: string): number {
  const wallMs = Date.parse(text);
  if (Number.isNaN(wallMs) || !isoTime(wallMs).startsWith(text.slice(0, 10)))
    throw wrong(name, 'is no day of the calendar');
  return wallMs;
}

function wrong(param: string, message: string): CallerError {
  return new CallerError('bad_request', `${param} ${message}.`, { param });
}
