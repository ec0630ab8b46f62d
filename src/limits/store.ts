/**
 * Where limits are counted: in this process's memory or in a Redis that all instances share, by the same rules. A claim is admitted by all
 * of its rules or by none; nothing of a refused one stays.
 */
import type { LimitAmounts } from '#contract/admission';
import type { Rule } from './rules.ts';

export interface Claim extends LimitAmounts {
  /** Of the place among the calls under way; unique. Null: nothing is taken, only looked at. */
  readonly id: string | null;
  readonly rules: readonly Rule[];
  readonly leaseMs: number;
  /** What budgets that are not known here begin with, by the rule's name. */
  readonly seeds: ReadonlyMap<string, number> | null;
}

/** Where something was counted, for `amend`. */
export interface Mark {
  /** A slot of a window, the first day of a budget. */
  readonly mark: number;
  /** Of a budget: when it was begun here with what was written down, in a number that never comes again; 0 where that is not known, negative where it was in memory. */
  readonly generation: number;
}

export interface RuleState extends Mark {
  /** The claim's own included where it is granted. */
  readonly used: number;
  /** What `used` is held against: the limit, or this instance's share; of a budget, its share of what was left and what was spent before. */
  readonly max: number;
  /** Until there is room for what was refused, else until the oldest counts no more. Infinity: there never is. */
  readonly resetMs: number;
  readonly refused: boolean;
}

/** In the order of the claim's rules. `unseeded`: these budgets are not known here; nothing was taken. */
export type Reserved =
  | { readonly kind: 'granted' | 'refused'; readonly states: readonly RuleState[] }
  | { readonly kind: 'unseeded'; readonly budgets: readonly { readonly name: string; readonly startDay: number }[] };

/** What a call has come to. Ignored where the period is over. */
export interface BudgetAmendment {
  readonly kind: 'budget';
  readonly name: string;
  readonly mark: number;
  readonly generation: number;
  /** For the generation in which it was reserved: more or less than that. */
  readonly by: number;
  /** For another, which never knew of the estimate: all of it, unless that began after it was spent. Then it began with it. */
  readonly whole: number;
  /** Since it was spent. */
  readonly ageMs: number;
}

/** A change without a question. */
export type Amendment =
  /** What was reserved turned out to be more or less. Ignored where the slot is over. */
  | { readonly kind: 'window'; readonly name: string; readonly mark: number; readonly by: number }
  | BudgetAmendment
  /** Taken elsewhere, and counted here from now on. */
  | { readonly kind: 'add'; readonly name: string; readonly by: number; readonly max: number }
  | { readonly kind: 'leave'; readonly name: string; readonly ids: readonly string[] }
  /** The place is held for `leaseMs` from now; taken anew where it was lost. */
  | { readonly kind: 'hold'; readonly name: string; readonly id: string; readonly leaseMs: number }
  /** What the reservation of the group whose first claim is `name` took from these budgets, in its order, is given back; one that is made only later takes nothing. */
  | { readonly kind: 'undo'; readonly name: string; readonly budgets: readonly string[] };

/** By which the sums of budgets among amendments that are told again count once. */
export interface Receipt {
  readonly teller: string;
  /** Of the teller; none is given twice. */
  readonly number: number;
  /** Numbers that are never told again. */
  readonly done: readonly number[];
}

export interface LimitStore {
  /** Each as if it came alone; in their order, but that those of one group are taken with its first. Replies in the order of the claims. */
  reserve(claims: readonly Claim[]): Promise<readonly Reserved[]>;
  /** In order, before any `reserve` that is asked later of the same store. The receipt is for a store that may take them unheard. */
  amend(amendments: readonly Amendment[], receipt?: Receipt): Promise<void>;
}

/** Claims that are held against the same rules: asked for together, and let in together where all have room. Never empty. */
export type ClaimGroup = readonly [Claim, ...Claim[]];

/** By the list of rules itself: those of one caller stay the same object. Who only looks, or brings what budgets begin with, is alone. */
export function grouped(claims: readonly Claim[]): ClaimGroup[] {
  const groups: [Claim, ...Claim[]][] = [];
  const known = new Map<readonly Rule[], [Claim, ...Claim[]]>();
  for (const claim of claims) {
    const alone = claim.id === null || claim.seeds !== null;
    const found = alone ? undefined : known.get(claim.rules);
    if (found !== undefined && found[0].leaseMs === claim.leaseMs) {
      found.push(claim);
      continue;
    }
    const group: [Claim, ...Claim[]] = [claim];
    groups.push(group);
    if (!alone) known.set(claim.rules, group);
  }
  return groups;
}

/** What a claim asks of one rule. */
export function amountOf({ kind }: Rule, { id, tokens, microUsd }: Claim): number {
  if (kind === 'tokens') return tokens;
  if (kind === 'usd') return microUsd;
  return id === null ? 0 : 1;
}
