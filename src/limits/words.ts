/** What a caller is told who is over a limit: which one, whose it is, and when there is room again. */
import type { LimitStanding } from '#contract/admission';
import { LimitExceededError } from '#contract/limits';
import { MICRO_USD } from './rules.ts';

const KINDS = { requests: 'requests', tokens: 'tokens', concurrent: 'calls at the same time', usd: '' } as const;

export function exceeded(
  standings: readonly LimitStanding[],
  limit: LimitStanding,
  amount: number,
): LimitExceededError {
  const { scope, id, kind, period, max, used, resetMs } = limit;
  const amountText = kind === 'usd' ? `$${dollars(max)}` : `${max} ${KINDS[kind]}`;
  const what = `The ${scope} "${id}" may have ${amountText}${period === null ? '' : ` a ${period}`}`;
  const never = resetMs === Number.POSITIVE_INFINITY || (kind !== 'concurrent' && amount > max);
  const shown = kind === 'usd' ? `$${dollars(used)}` : String(used);
  const advice = never
    ? `this call alone asks for up to ${kind === 'usd' ? `$${dollars(amount)}` : amount}. Ask for less: fewer messages, or a smaller max_tokens.`
    : `${shown} ${kind === 'usd' ? 'is spent' : 'are counted'}, and this call asks for ${kind === 'usd' ? `up to $${dollars(amount)}` : `${kind === 'tokens' ? 'up to ' : ''}${amount}`}. There is room again in ${seconds(resetMs)} s.`;
  return new LimitExceededError(`${what}; ${advice}`, limit, standings, never ? undefined : Math.ceil(resetMs));
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1_000);
}

/** Cents, and as many digits more as there are. */
function dollars(microUsd: number): string {
  const text = (microUsd / MICRO_USD).toFixed(6).replace(/0+$/, '');
  const digits = text.length - text.indexOf('.') - 1;
  return digits < 2 ? text + '0'.repeat(2 - digits) : text;
}
