/** What is asked of models, agents and external APIs: attempts, tokens, money, runs. */
import type { MetricEntry } from './entry.ts';
import { LATENCY, deployment } from './entry.ts';

export const modelsMetrics = {
  attempts: {
    name: 'revoagent_attempts_total',
    type: 'counter',
    unit: '1',
    help: 'Calls to upstreams by how they ended.',
    labels: { provider: deployment, outcome: 'the outcomes of an attempt' },
  },
  attemptDuration: {
    name: 'revoagent_attempt_duration_seconds',
    type: 'histogram',
    unit: 's',
    help: 'Time of one call to an upstream.',
    labels: { provider: deployment },
    buckets: LATENCY,
  },
  firstToken: {
    name: 'gen_ai_server_time_to_first_token_seconds',
    type: 'histogram',
    unit: 's',
    help: 'Time from dispatch to the first content of a stream.',
    labels: { provider: deployment },
    buckets: LATENCY,
  },
  tokens: {
    name: 'gen_ai_client_token_usage_tokens_total',
    type: 'counter',
    unit: 'tokens',
    help: 'Tokens that upstreams reported.',
    labels: { provider: deployment, gen_ai_token_type: 'input, output' },
  },
  cost: {
    name: 'revoagent_cost_usd_total',
    type: 'counter',
    unit: 'USD',
    help: 'What attempts cost, where tokens and price are known.',
    labels: { provider: deployment },
  },
  costUnknown: {
    name: 'revoagent_cost_unknown_total',
    type: 'counter',
    unit: '1',
    help: 'Attempts that succeeded and whose cost is unknown: no price, or no token count.',
    labels: { provider: deployment },
  },
  runs: {
    name: 'revoagent_runs_total',
    type: 'counter',
    unit: '1',
    help: 'Runs by how they ended.',
    labels: { status: 'the statuses of a run' },
  },
  guardrail: {
    name: 'revoagent_guardrail_total',
    type: 'counter',
    unit: '1',
    help: 'What guardrails did, before the first attempt and after the answer.',
    labels: { stage: 'before or after', action: 'allowed, changed, refused, failed_open, failed_closed' },
  },
  agentTurns: {
    name: 'revoagent_agent_turns_total',
    type: 'counter',
    unit: '1',
    help: 'Turns of agents by how they ended, and whether the memory was there.',
    labels: {
      end: 'stop, length, content_filter, tool_calls, steps, deadline, cost, degraded, failed, cancelled',
      memory: 'none, used, unavailable',
    },
  },
  agentTools: {
    name: 'revoagent_agent_tool_calls_total',
    type: 'counter',
    unit: '1',
    help: 'Calls of tools that the hub ran for agents.',
    labels: { outcome: 'succeeded, failed, timed_out, unknown_tool, bad_arguments, oversize' },
  },
  externals: {
    name: 'revoagent_external_duration_seconds',
    type: 'histogram',
    unit: 's',
    help: 'Time of a call to an external API to the head of its answer, repeats included.',
    labels: {
      api: 'external APIs in the configuration',
      outcome: 'the class of the status (2xx to 5xx), cached, or the error code of docs/errors.md that the caller got',
    },
    buckets: LATENCY,
  },
} as const satisfies Record<string, MetricEntry>;
