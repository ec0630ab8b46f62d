/** The `routes` section: how calls for a model name are served. */
import { Type } from 'typebox';
import { routeCache } from './cache.ts';
import { ms, text } from './numbers.ts';

const strict = { additionalProperties: false };

const timeouts = Type.Object(
  {
    connectMs: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 600_000,
        description: 'Until the request goes out on an open connection. Milliseconds.',
      }),
    ),
    firstTokenMs: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 3_600_000,
        description: 'Until the first content of a stream. Milliseconds.',
      }),
    ),
    idleMs: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 3_600_000, description: 'Between two events of a stream. Milliseconds.' }),
    ),
    totalMs: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 86_400_000,
        description: 'The whole request, over all attempts. Milliseconds.',
      }),
    ),
  },
  { ...strict, description: 'Other timeouts than those of resilience.timeouts, or of the route.' },
);

const target = Type.Object(
  {
    provider: text('A name under providers.'),
    model: Type.Optional(
      text("The provider's name of the model. Left out in a pattern route: what the caller asked for."),
    ),
    weight: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 1_000_000,
        default: 1,
        description: 'Share of the calls within its group.',
      }),
    ),
    timeouts: Type.Optional(timeouts),
  },
  { ...strict, description: 'A deployment: a provider and one of its models.' },
);

export const routeSchema = Type.Object(
  {
    groups: Type.Array(Type.Array(target, { minItems: 1, maxItems: 100 }), {
      minItems: 1,
      maxItems: 20,
      description: 'Tried in order; the deployments of one group share the calls by the strategy.',
    }),
    strategy: Type.Optional(
      Type.Enum(['weighted', 'least-latency', 'least-busy'], {
        default: 'weighted',
        description:
          'How a group shares its calls: drawn by weight; to the one that answered fastest of late; to the one with the fewest calls in flight for its weight.',
      }),
    ),
    timeouts: Type.Optional(timeouts),
    hedge: Type.Optional(
      Type.Object(
        { afterMs: ms(1, 600_000, 1_000, 'How long the first deployment may be silent.') },
        {
          ...strict,
          description:
            'A second deployment of the route is asked as well when the first has given nothing for so long; the first good answer wins. Takes from the retry budget.',
        },
      ),
    ),
    continueCut: Type.Optional(
      Type.Boolean({
        default: false,
        description:
          'Whether another deployment goes on with a stream that was cut or stalled after its first content. Callers may say otherwise (x-revoagent-continue).',
      }),
    ),
    guardrail: Type.Optional(
      Type.Object(
        {
          module: text(
            'A file that exports before, after, or both; relative to this file. docs/guardrails.md tells more.',
          ),
          onFailure: Type.Enum(['open', 'closed'], {
            description:
              'Whether a call goes on when the guardrail throws, hangs or returns nonsense. To be declared: there is no default.',
          }),
          timeoutMs: ms(1, 60_000, 500, 'For each of before and after.'),
        },
        { ...strict, description: 'Judges, changes or refuses requests and answers of this route.' },
      ),
    ),
    content: Type.Optional(
      Type.Enum(['off', 'redacted', 'full'], {
        default: 'off',
        description:
          'Whether messages and answers are stored: never; with e-mail addresses, keys, card numbers and the like taken out; as they are. docs/content.md tells more.',
      }),
    ),
    cache: routeCache,
    lastResort: Type.Optional(
      Type.Object(
        {
          text: text(
            'What the assistant is made to say, marked as degraded, where the upstreams fail, limit the rate, are full or their circuits are open; never after the first content, and never for a mistake, a limit or a time limit of the caller’s own.',
          ),
        },
        { ...strict, description: 'An answer of the hub’s own in place of an error. docs/routing.md tells when.' },
      ),
    ),
  },
  { ...strict, description: 'How calls for a model name are served.' },
);

export interface TimeoutsConfig {
  readonly connectMs: number;
  readonly firstTokenMs: number;
  readonly idleMs: number;
  readonly totalMs: number;
}

export interface RouteConfig {
  readonly groups: readonly (readonly {
    readonly provider: string;
    readonly model?: string;
    readonly weight?: number;
    readonly timeouts?: Partial<TimeoutsConfig>;
  }[])[];
  readonly strategy?: 'weighted' | 'least-latency' | 'least-busy';
  readonly timeouts?: Partial<TimeoutsConfig>;
  readonly hedge?: { readonly afterMs: number };
  readonly continueCut?: boolean;
  readonly guardrail?: { readonly module: string; readonly onFailure: 'open' | 'closed'; readonly timeoutMs: number };
  readonly content?: 'off' | 'redacted' | 'full';
  readonly cache?: { readonly ttlMs?: number; readonly staleOnErrorMs?: number };
  readonly lastResort?: { readonly text: string };
}
