/** Calls of stores, one or more a method, for those who look at what each sends. */
import type { Page } from '#contract/page';
import type { Stores } from '#contract/stores';
import { auditOf, claimOf, keyOf, START_MS } from '../conformance/records.ts';

type Calls<Store> = { readonly [M in keyof Store]: readonly (() => Promise<unknown>)[] };

export function keyCalls(keys: Stores['keys'], project: string, key: string): Calls<Stores['keys']> {
  const newest: Page = { limit: 50 };
  const older: Page = { before: key, limit: 50 };
  return {
    insert: [() => keys.insert(keyOf(project))],
    findById: [() => keys.findById(key)],
    list: [() => keys.list(project, newest), () => keys.list(project, older)],
    revoke: [() => keys.revoke(project, key, 1)],
    setLimits: [() => keys.setLimits(project, key, { concurrent: 1 })],
    setProjectLimits: [() => keys.setProjectLimits(project, {})],
    projectLimits: [() => keys.projectLimits(project)],
    purge: [() => keys.purge(15_000, 5_000), () => keys.purge(1, 5_000)],
    anyActive: [() => keys.anyActive()],
  };
}

export function spendCalls(spend: Stores['spend']): Calls<Stores['spend']> {
  return {
    read: [() => spend.read(['key:7:usd:day', 'key:8:usd:day'], 20_000)],
    add: [
      () => spend.add({ writer: 'one', number: 1, rows: [{ name: 'key:7:usd:day', startDay: 20_000, microUsd: 5 }] }),
    ],
    purge: [() => spend.purge(19_900)],
  };
}

export function instanceCalls(instances: Stores['instances']): Calls<Stores['instances']> {
  return { beat: [() => instances.beat('one', 30_000)], leave: [() => instances.leave('one')] };
}

export function claimCalls(
  claims: Stores['claims'],
  project: string,
  id: string,
  owner: string,
): Calls<Stores['claims']> {
  return {
    take: [() => claims.take(claimOf(project, id), START_MS, START_MS + 1)],
    extend: [() => claims.extend([owner], START_MS)],
    finish: [() => claims.finish(id, owner, START_MS)],
    release: [() => claims.release(id, owner)],
    purge: [() => claims.purge(5_000, 5_000), () => claims.purge(1, 5_000)],
  };
}

export function auditCalls(audit: Stores['audit'], project: string, older: Page): Calls<Stores['audit']> {
  return {
    append: [() => audit.append(auditOf(project))],
    list: [() => audit.list(project, { limit: 50 }), () => audit.list(project, older)],
    purge: [() => audit.purge(5_000, 5_000), () => audit.purge(1, 5_000)],
  };
}
