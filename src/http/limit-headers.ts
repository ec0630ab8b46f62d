/**
 * Where the limits stand, in the headers of an answer: `RateLimit-Policy` and `RateLimit` as draft-ietf-httpapi-ratelimit-headers-10 has
 * them, and what the SDKs of each surface read: OpenAI's `x-ratelimit-*`, Anthropic's `anthropic-ratelimit-*`. Of several limits of one
 * kind only the one with the least left is told. The older `RateLimit-Limit`, `-Remaining`, `-Reset` are not: one name cannot hold several limits.
 */
import type { RunCall } from '#contract/gateway';
import type { LimitStanding } from '#contract/admission';
import type { RequestContext } from './request-context.ts';

/** Most that an integer of a structured field may be (RFC 9651, 3.3.1). A budget of a billion dollars is a millionth more. */
const INTEGER_MAX = 999_999_999_999_999;
const PERIOD_S = { minute: 60, day: 86_400, week: 604_800, month: undefined } as const;

/** For a call: puts its limits into the headers of whatever is answered. */
export function limitsToldIn(context: RequestContext): NonNullable<RunCall['onLimits']> {
  return (standings, refusedBy) => {
    Object.assign(context.headers, limitHeaders(standings, context.surface));
    // What was refused is no run.
    if (refusedBy !== undefined) context.runId = null;
  };
}

export function limitHeaders(
  standings: readonly LimitStanding[],
  surface: RequestContext['surface'],
): Record<string, string> {
  const shown = tightest(standings);
  const headers: Record<string, string> = {};
  let policies = '';
  let states = '';
  for (const standing of shown) {
    const { kind, period, max, resetMs } = standing;
    const name = limitName(standing);
    const left = Math.max(0, max - standing.used);
    const [quota, rest] = [Math.min(max, INTEGER_MAX), Math.min(left, INTEGER_MAX)];
    const windowS = period === null ? undefined : PERIOD_S[period];
    const policy = `"${name}";q=${quota}${windowS === undefined ? '' : `;w=${windowS}`};qu="${UNITS[kind]}"`;
    const state = Number.isFinite(resetMs) && resetMs > 0 ? `;t=${seconds(resetMs)}` : '';
    policies += policies === '' ? policy : `, ${policy}`;
    states += `${states === '' ? '' : ', '}"${name}";r=${rest}${state}`;
    if (kind !== 'requests' && kind !== 'tokens') continue;
    if (surface === 'openai') tellOpenai(headers, kind, { max, left, resetMs });
    else if (surface === 'anthropic') tellAnthropic(headers, kind, { max, left, resetMs });
  }
  if (policies !== '') headers['ratelimit-policy'] = policies;
  if (states !== '') headers['ratelimit'] = states;
  return headers;
}

/** `requests` and `concurrent-requests` are registered by the draft. */
const UNITS = { requests: 'requests', tokens: 'tokens', concurrent: 'concurrent-requests', usd: 'micro-usd' } as const;

/** `key-requests-minute`: the scope tells whose limit it is, and nothing tells who else counts for it. */
function limitName({ scope, kind, period }: Pick<LimitStanding, 'scope' | 'kind' | 'period'>): string {
  return period === null ? `${scope}-${kind}` : `${scope}-${kind}-${period}`;
}

interface Told {
  readonly max: number;
  readonly left: number;
  readonly resetMs: number;
}

/** https://platform.openai.com/docs/guides/rate-limits: the time as `17ms` or `6m0s`. */
function tellOpenai(headers: Record<string, string>, kind: 'requests' | 'tokens', { max, left, resetMs }: Told): void {
  headers[`x-ratelimit-limit-${kind}`] = String(max);
  headers[`x-ratelimit-remaining-${kind}`] = String(left);
  headers[`x-ratelimit-reset-${kind}`] = duration(resetMs);
}

/** https://docs.anthropic.com/en/api/rate-limits: the time as RFC 3339; left out here where it is unknown. */
function tellAnthropic(headers: Record<string, string>, kind: 'requests' | 'tokens', { max, left }: Told): void {
  headers[`anthropic-ratelimit-${kind}-limit`] = String(max);
  headers[`anthropic-ratelimit-${kind}-remaining`] = String(left);
}

function duration(ms: number): string {
  if (!Number.isFinite(ms)) return '0s';
  if (ms < 1_000) return `${Math.ceil(ms)}ms`;
  const whole = seconds(ms);
  return whole < 60 ? `${whole}s` : `${Math.floor(whole / 60)}m${whole % 60}s`;
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1_000);
}

/** Of each kind and period, the one with the least left. */
function tightest(standings: readonly LimitStanding[]): readonly LimitStanding[] {
  if (standings.length < 2) return standings;
  const found: LimitStanding[] = [];
  for (const standing of standings) {
    const place = found.findIndex(({ kind, period }) => kind === standing.kind && period === standing.period);
    const other = found[place];
    if (other === undefined) found.push(standing);
    else if (standing.max - standing.used < other.max - other.used) found[place] = standing;
  }
  return found;
}
