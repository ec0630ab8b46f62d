/** What the models do: tokens, money, time to the first token, and how attempts end. */
import type { Board } from './board.ts';
import { orZero, quantile, rate, ratio } from './promql.ts';

const attempts = rate('attempts', 'provider');

export const models: Board = {
  uid: 'revoagent-models',
  title: 'Models',
  about: 'Tokens, cost, latency and failures by provider.',
  rows: [
    {
      title: 'Now',
      panels: [
        {
          title: 'Tokens',
          about: 'Tokens a second, in and out.',
          unit: 'short',
          shape: 'number',
          queries: [{ expr: rate('tokens'), legend: 'tokens/s' }],
        },
        {
          title: 'Cost an hour',
          about: 'At the present rate, where a price is known.',
          unit: 'currencyUSD',
          shape: 'number',
          queries: [{ expr: `${rate('cost')} * 3600`, legend: 'USD/h' }],
        },
        {
          title: 'Cost unknown',
          about: 'Attempts that succeeded without a known price or token count.',
          unit: 'percentunit',
          shape: 'number',
          queries: [
            {
              expr: ratio(orZero(rate('costUnknown')), rate('attempts', '', 'outcome="succeeded"')),
              legend: 'unknown',
            },
          ],
        },
        {
          title: 'Attempts',
          about: 'Calls to upstreams a second.',
          unit: 'reqps',
          shape: 'number',
          queries: [{ expr: rate('attempts'), legend: 'attempts' }],
        },
        {
          title: 'Failed',
          about: 'Share of attempts that failed; callers see it only where no other deployment answered.',
          unit: 'percentunit',
          shape: 'number',
          bad: [0.1, 0.5],
          queries: [
            {
              expr: ratio(orZero(rate('attempts', '', 'outcome!~"succeeded|cancelled|superseded"')), rate('attempts')),
              legend: 'failed',
            },
          ],
        },
        {
          title: 'Attempts a run',
          about: '1 where nothing is repeated.',
          unit: 'short',
          shape: 'number',
          bad: [1.2, 2],
          queries: [{ expr: ratio(rate('attempts'), rate('runs')), legend: 'attempts' }],
        },
      ],
    },
    {
      title: 'Tokens and money',
      panels: [
        {
          title: 'Tokens in',
          about: 'As upstreams reported them.',
          unit: 'short',
          shape: 'stacked',
          queries: [{ expr: rate('tokens', 'provider', 'gen_ai_token_type="input"'), legend: '{{provider}}' }],
        },
        {
          title: 'Tokens out',
          about: 'As upstreams reported them.',
          unit: 'short',
          shape: 'stacked',
          queries: [{ expr: rate('tokens', 'provider', 'gen_ai_token_type="output"'), legend: '{{provider}}' }],
        },
        {
          title: 'Cost an hour',
          about: 'By provider, where a price is known.',
          unit: 'currencyUSD',
          shape: 'stacked',
          queries: [{ expr: `${rate('cost', 'provider')} * 3600`, legend: '{{provider}}' }],
        },
      ],
    },
    {
      title: 'Latency',
      panels: [
        {
          title: 'First token, p50',
          about: 'From dispatch to the first content of a stream.',
          unit: 's',
          queries: [{ expr: quantile(0.5, 'firstToken', 'provider'), legend: '{{provider}}' }],
        },
        {
          title: 'First token, p95',
          about: 'From dispatch to the first content of a stream.',
          unit: 's',
          bad: [10, 30],
          queries: [{ expr: quantile(0.95, 'firstToken', 'provider'), legend: '{{provider}}' }],
        },
        {
          title: 'Attempt, p95',
          about: 'One call to an upstream, to its end.',
          unit: 's',
          queries: [{ expr: quantile(0.95, 'attemptDuration', 'provider'), legend: '{{provider}}' }],
        },
      ],
    },
    {
      title: 'Attempts',
      panels: [
        {
          title: 'By provider',
          about: 'Attempts a second.',
          unit: 'reqps',
          shape: 'stacked',
          queries: [{ expr: attempts, legend: '{{provider}}' }],
        },
        {
          title: 'By outcome',
          about: 'How they ended.',
          unit: 'reqps',
          shape: 'stacked',
          queries: [{ expr: rate('attempts', 'outcome'), legend: '{{outcome}}' }],
        },
        {
          title: 'Failures by provider',
          about: 'Share that failed; a caller who left is none.',
          unit: 'percentunit',
          bad: [0.1, 0.5],
          queries: [
            {
              expr: ratio(
                rate('attempts', 'provider', 'outcome!~"succeeded|cancelled|superseded"'),
                rate('attempts', 'provider', 'outcome!~"cancelled|superseded"'),
              ),
              legend: '{{provider}}',
            },
          ],
        },
        {
          title: 'Guardrails',
          about: 'What they did.',
          unit: 'ops',
          queries: [{ expr: rate('guardrail', 'stage, action'), legend: '{{stage}}: {{action}}' }],
        },
        {
          title: 'Tools of agents',
          about: 'By how the call ended.',
          unit: 'ops',
          queries: [{ expr: rate('agentTools', 'outcome'), legend: '{{outcome}}' }],
        },
        {
          title: 'External APIs',
          about: 'By the class of the answer, or the error that the caller got instead.',
          unit: 'reqps',
          shape: 'stacked',
          queries: [{ expr: rate('externals', 'api, outcome', '', '_count'), legend: '{{api}}: {{outcome}}' }],
        },
        {
          title: 'External APIs, p95',
          about: 'To the head of the answer, repeats included.',
          unit: 's',
          queries: [{ expr: quantile(0.95, 'externals', 'api'), legend: '{{api}}' }],
        },
        {
          title: 'Memory of agents, p95',
          about: 'Its embedding included.',
          unit: 's',
          queries: [{ expr: quantile(0.95, 'memoryDuration', 'operation'), legend: '{{operation}}' }],
        },
        {
          title: 'Memory without a vector',
          about: 'Facts kept, and recalls served, by words only because no embedding came in time.',
          unit: 'ops',
          queries: [{ expr: rate('memoryWithoutVector', 'operation'), legend: '{{operation}}' }],
        },
      ],
    },
  ],
};
