/** Limits that all instances count together, in one Redis, by one script before a call and one after it. */
import type { RedisPort } from '#redis/index';
import type { LimitPeriod } from '#contract/admission';
import { AMEND, RESERVE } from './scripts.ts';
import type { Rule } from './rules.ts';
import { summed } from './amendments.ts';
import { amountOf, grouped } from './store.ts';
import type { Amendment, Claim, ClaimGroup, LimitStore, Receipt, Reserved, RuleState } from './store.ts';

/** Before every key, beside those of other rooms in the same Redis. */
const PREFIX = 'revoagent:limit:';
const BUDGETS: Readonly<Record<Exclude<LimitPeriod, 'minute' | null>, string>> = { day: 'd', week: 'k', month: 'm' };
/** No rule's name begins so: those begin with a scope. */
const RESERVED = `${PREFIX}reserved:`;
const TOLD = `${PREFIX}told:`;
const AMENDMENTS = { window: 'w', budget: 'b', add: 'a', leave: 'l', hold: 'h', undo: 'u' } as const;
const FIELDS = 5;

export class RedisStore implements LimitStore {
  readonly #redis: Pick<RedisPort, 'run'>;
  readonly #windowMs: number;

  constructor(redis: Pick<RedisPort, 'run'>, windowMs: number) {
    this.#redis = redis;
    this.#windowMs = windowMs;
  }

  async reserve(claims: readonly Claim[]): Promise<readonly Reserved[]> {
    const groups = grouped(claims);
    const keys: string[] = [];
    const args: (string | number)[] = [this.#windowMs];
    for (const group of groups) {
      const [{ rules, id, leaseMs, seeds }] = group;
      args.push(leaseMs, rules.length, group.length);
      for (const { id: each, tokens, microUsd } of group) args.push(each ?? '', tokens, microUsd);
      for (const rule of rules) {
        keys.push(PREFIX + rule.name);
        args.push(letterOf(rule), rule.max, seeds?.get(rule.name) ?? '');
      }
      keys.push(RESERVED + (id ?? ''));
    }
    const replies = await this.#redis.run(RESERVE, keys, args);
    if (!Array.isArray(replies) || replies.length !== groups.length) throw new UnexpectedReplyError();
    const reserved = new Map<Claim, Reserved>();
    groups.forEach((group, place) => tellApart(group, replies[place], reserved));
    return claims.map((claim) => reserved.get(claim) as Reserved);
  }

  async amend(amendments: readonly Amendment[], receipt?: Receipt): Promise<void> {
    if (amendments.length === 0) return;
    const { teller = '', number = '', done = [] } = receipt ?? {};
    const args: (string | number)[] = [this.#windowMs, number, done.length, ...done];
    const keys = [TOLD + teller];
    for (const amendment of summed(amendments)) {
      args.push(AMENDMENTS[amendment.kind], ...valuesOf(amendment));
      if (amendment.kind !== 'undo') keys.push(PREFIX + amendment.name);
      else keys.push(RESERVED + amendment.name, ...amendment.budgets.map((name) => PREFIX + name));
    }
    await this.#redis.run(AMEND, keys, args);
  }
}

function letterOf({ kind, period }: Rule): string {
  if (kind === 'concurrent') return 'c';
  if (period === null || period === 'minute') return kind === 'tokens' ? 't' : 'r';
  return BUDGETS[period];
}

function valuesOf(amendment: Amendment): (string | number)[] {
  switch (amendment.kind) {
    case 'window':
      return [amendment.mark, amendment.by, 0];
    case 'budget':
      return [amendment.mark, amendment.by, amendment.generation, amendment.whole, amendment.ageMs];
    case 'add':
      return ['', amendment.by, amendment.max];
    case 'leave':
      return ['', amendment.ids.length, 0, ...amendment.ids];
    case 'hold':
      return [amendment.id, amendment.leaseMs, 0];
    case 'undo':
      return ['', amendment.budgets.length, 0];
  }
}

/** A reply for all of the group together, or for each. */
function tellApart(group: ClaimGroup, replies: unknown, reserved: Map<Claim, Reserved>): void {
  if (!Array.isArray(replies)) throw new UnexpectedReplyError();
  const [{ rules }] = group;
  if (replies.length === group.length) {
    group.forEach((claim, place) => reserved.set(claim, reservedOf(replies[place], rules)));
    return;
  }
  const together = reservedOf(replies[0], rules);
  if (together.kind !== 'granted') {
    for (const claim of group) reserved.set(claim, together);
    return;
  }
  // As if they had come one after the other: of what is used then, a claim sees what came before it and itself.
  const used = together.states.map((state) => state.used);
  for (const claim of group.toReversed()) {
    reserved.set(claim, {
      kind: 'granted',
      states: together.states.map((state, place) => ({ ...state, used: used[place] ?? 0 })),
    });
    rules.forEach((rule, place) => (used[place] = (used[place] ?? 0) - amountOf(rule, claim)));
  }
}

/** Not what the script answers: a fault of the server's or of ours. */
class UnexpectedReplyError extends Error {
  constructor() {
    super('Redis answered a reservation of limits with something else.');
  }
}

function reservedOf(reply: unknown, rules: readonly Rule[]): Reserved {
  if (!Array.isArray(reply) || reply.length !== 2 + rules.length * FIELDS || reply.some((n) => typeof n !== 'number'))
    throw new UnexpectedReplyError();
  const numbers = reply as number[];
  const at = (place: number, field: number): number => numbers[2 + place * FIELDS + field] ?? 0;
  const states = rules.map(({ max }, place): RuleState => {
    const resetMs = at(place, 1);
    return {
      used: at(place, 0),
      max,
      resetMs: resetMs < 0 ? Number.POSITIVE_INFINITY : resetMs,
      refused: at(place, 2) === 1,
      mark: at(place, 3),
      generation: at(place, 4),
    };
  });
  if (numbers[0] === -1) {
    const budgets = rules.flatMap(({ kind, name }, place) =>
      kind === 'usd' ? [{ name, startDay: at(place, 3) }] : [],
    );
    return { kind: 'unseeded', budgets };
  }
  return { kind: numbers[0] === 1 ? 'granted' : 'refused', states };
}
