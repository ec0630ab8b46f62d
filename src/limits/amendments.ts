/** What the end of a call changes in what was counted at its beginning. */
import type { LimitAmounts } from '#contract/admission';
import { grouped } from './store.ts';
import type { Amendment, Claim, Mark } from './store.ts';

/** Where it was reserved. `spent` null: nobody knows, and the estimate stays. */
export function settlementOf(claim: Claim, states: readonly Mark[], spent: LimitAmounts | null): Amendment[] {
  return claim.rules.flatMap(({ kind, name }, place): Amendment[] => {
    const { mark = 0, generation = 0 } = states[place] ?? {};
    const { tokens, microUsd } = spent ?? claim;
    if (kind === 'concurrent') return claim.id === null ? [] : [{ kind: 'leave', name, ids: [claim.id] }];
    if (kind === 'tokens' && tokens !== claim.tokens)
      return [{ kind: 'window', name, mark, by: tokens - claim.tokens }];
    // Also where it came to the estimate: a budget that was begun anew knows of none.
    if (kind === 'usd' && (microUsd > 0 || claim.microUsd > 0))
      return [{ kind: 'budget', name, mark, generation, by: microUsd - claim.microUsd, whole: microUsd, ageMs: 0 }];
    return [];
  });
}

/** The whole of it, for a store in which nothing was reserved. */
export function additionsOf(claim: Claim, states: readonly Mark[], spent: LimitAmounts | null): Amendment[] {
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

/** For a store that may have reserved them and did not say so; beside it their places are left. Windows run out. */
export function undoOf(claims: readonly Claim[]): Amendment[] {
  return grouped(claims).flatMap((group): Amendment[] => {
    const [{ id, rules }] = group;
    const budgets = rules.flatMap(({ kind, name }) => (kind === 'usd' ? [name] : []));
    const free = group.every(({ microUsd }) => microUsd === 0);
    return id === null || free || budgets.length === 0 ? [] : [{ kind: 'undo', name: id, budgets }];
  });
}

export function placesOf({ id, rules }: Claim, leaseMs: number | null): Amendment[] {
  if (id === null) return [];
  return rules.flatMap(({ kind, name }): Amendment[] => {
    if (kind !== 'concurrent') return [];
    return [leaseMs === null ? { kind: 'leave', name, ids: [id] } : { kind: 'hold', name, id, leaseMs }];
  });
}

type Mutable<T> = T extends Amendment ? { -readonly [Field in keyof T]: T[Field] } : never;

/** The same changes in fewer words: sums of one slot or budget are one sum, and places of one rule are left together. */
export function summed(amendments: readonly Amendment[]): Amendment[] {
  const all: Mutable<Amendment>[] = [];
  const known = new Map<string, Mutable<Amendment>>();
  for (const amendment of amendments) {
    const about = subjectOf(amendment);
    const found = about === null ? undefined : known.get(about);
    if (found !== undefined && added(found, amendment)) continue;
    const own = { ...amendment };
    all.push(own);
    if (about !== null) known.set(about, own);
    // What is left after it was held must not be held after it was left.
    else known.clear();
  }
  return all;
}

/** What amendments have in common that may be told as one; null for one that stands alone. */
function subjectOf(amendment: Amendment): string | null {
  switch (amendment.kind) {
    case 'window':
      return `w ${amendment.mark} ${amendment.name}`;
    case 'budget':
      return `b ${amendment.mark} ${amendment.generation} ${amendment.ageMs} ${amendment.name}`;
    case 'add':
      return `a ${amendment.max} ${amendment.name}`;
    case 'leave':
      return `l ${amendment.name}`;
    case 'hold':
    case 'undo':
      return null;
  }
}

function added(sum: Mutable<Amendment>, more: Amendment): boolean {
  if (sum.kind === 'leave' && more.kind === 'leave') sum.ids = [...sum.ids, ...more.ids];
  else if (sum.kind === 'budget' && more.kind === 'budget') {
    sum.by += more.by;
    sum.whole += more.whole;
  } else if ((sum.kind === 'window' || sum.kind === 'add') && more.kind === sum.kind) sum.by += more.by;
  else return false;
  return true;
}
