/** The `limits` section: what organisations, projects, keys, agents and routes may have. */
import { Type } from 'typebox';
import { ms } from './numbers.ts';

const strict = { additionalProperties: false };
const LARGEST = 1_000_000_000;

const bound = (description: string) => Type.Optional(Type.Integer({ minimum: 1, maximum: LARGEST, description }));
const usd = (period: string) =>
  Type.Optional(
    Type.Number({ minimum: 0, maximum: LARGEST, description: `US dollars a ${period}, from midnight UTC on.` }),
  );

/** Of one organisation, project, key, agent or route; what is left out is not limited there. */
const limitSettings = Type.Object(
  {
    requestsPerMinute: bound('Requests within any minute.'),
    tokensPerMinute: bound('Tokens of prompts and answers within any minute.'),
    concurrent: bound('Calls under way at the same time; a stream is to its end.'),
    usdPerDay: usd('day'),
    usdPerWeek: usd('week that begins on Monday'),
    usdPerMonth: usd('month'),
  },
  { ...strict, description: 'What one of them may have.' },
);

const scope = (each: string, id: string) =>
  Type.Object(
    {
      default: limitSettings,
      named: Type.Record(Type.String(), limitSettings, {
        default: {},
        description: `By ${id}; what is left out there is as in default.`,
      }),
    },
    { ...strict, description: `For each ${each}.` },
  );

export const limitsSection = Type.Object(
  {
    organisations: scope('organisation', 'id'),
    projects: scope('project', 'id'),
    keys: scope('key', 'id'),
    agents: scope('agent of each project', 'name'),
    routes: scope('route, over all projects', 'name, as under routes; `external:<name>` for an external API'),
    leaseMs: ms(
      1_000,
      3_600_000,
      30_000,
      'A place among the calls under way is renewed at a third of this time, and free after it where an instance was killed.',
    ),
  },
  { ...strict, description: 'Limits: docs/limits.md.' },
);

interface LimitSettingsConfig {
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
  readonly concurrent?: number;
  readonly usdPerDay?: number;
  readonly usdPerWeek?: number;
  readonly usdPerMonth?: number;
}

interface ScopeLimitsConfig {
  readonly default: LimitSettingsConfig;
  readonly named: Readonly<Record<string, LimitSettingsConfig>>;
}

export interface LimitsConfig {
  readonly organisations: ScopeLimitsConfig;
  readonly projects: ScopeLimitsConfig;
  readonly keys: ScopeLimitsConfig;
  readonly agents: ScopeLimitsConfig;
  readonly routes: ScopeLimitsConfig;
  readonly leaseMs: number;
}
