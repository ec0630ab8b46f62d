/** What the end of a call changes in what was counted at its beginning. */
import type { LimitAmounts } from '#contract/admission';
import type { Amendment, Claim, RuleState } from './store.ts';

/** Where it was reserved. `spent` null: nobody knows, and the estimate stays. */
export function settlementOf(claim: Claim, states: readonly RuleState[], spent: LimitAmounts | null): Amendment[] {
  return claim.rules.flatMap(({ kind, name }, place): Amendment[] => {
    const { mark = 0, generation = 0 } = states[place] ?? {};
    const { tokens, microUsd } = spent ?? claim;
    if (kind === 'concurrent') return claim.id === null ? [] : [{ kind: 'leave', name, id: claim.id }];
    if (kind === 'tokens' && tokens !== claim.tokens)
      return [{ kind: 'window', name, mark, by: tokens - claim.tokens }];
    // Also where it came to the estimate: a budget that was begun anew knows of none.
    if (kind === 'usd' && (microUsd > 0 || claim.microUsd > 0))
      return [{ kind: 'budget', name, mark, generation, by: microUsd - claim.microUsd, whole: microUsd, ageMs: 0 }];
    return [];
  });
}

/** The whole of it, for a store in which nothing was reserved. */
export function additionsOf(claim: Claim, states: readonly RuleState[], spent: LimitAmounts | null): Amendment[] {
  const { tokens, microUsd } = spent ?? claim;
  return claim.rules.flatMap(({ kind, name, max }, place): Amendment[] => {
    if (kind === 'concurrent') return [];
    if (kind === 'usd') {
      const { mark = 0, generation = 0 } = states[place] ?? {};
      return [{ kind: 'budget', name, mark, generation, by: microUsd, whole: microUsd, ageMs: 0 }];
    }
    return [{ kind: 'add', name, by: kind === 'tokens' ? tokens : 1, max }];
  });
}

/** For a store that may have reserved it and did not say so. Places are left when the call ends, as all are; windows run out. */
export function undoOf({ id, rules, microUsd }: Claim): Amendment[] {
  const budgets = rules.flatMap(({ kind, name }) => (kind === 'usd' ? [name] : []));
  return id === null || microUsd === 0 || budgets.length === 0 ? [] : [{ kind: 'undo', name: id, budgets }];
}

export function placesOf({ id, rules }: Claim, leaseMs: number | null): Amendment[] {
  if (id === null) return [];
  return rules.flatMap(({ kind, name }): Amendment[] => {
    if (kind !== 'concurrent') return [];
    return [leaseMs === null ? { kind: 'leave', name, id } : { kind: 'hold', name, id, leaseMs }];
  });
}
