/** The migrations in order. One that has landed is never edited; the next one mends it. */
import { first } from './0001-first.ts';
import { usage } from './0002-usage.ts';
import { claims } from './0003-claims.ts';
import { contents } from './0004-contents.ts';
import { agents } from './0005-agents.ts';
import { memories } from './0006-memories.ts';
import { cache } from './0007-cache.ts';
import { limits } from './0008-limits.ts';
import { auditAge } from './0009-audit-age.ts';
import { usageMonths } from './0010-usage-months.ts';
import { retention } from './0011-retention.ts';
import { records } from './0012-records.ts';
import { instances } from './0013-instances.ts';
import { spendBatches } from './0014-spend-batches.ts';

export interface Migration {
  readonly name: string;
  readonly statements: readonly string[];
}

export const migrations = [
  first,
  usage,
  claims,
  contents,
  agents,
  memories,
  cache,
  limits,
  auditAge,
  usageMonths,
  retention,
  records,
  instances,
  spendBatches,
] as const satisfies readonly Migration[];
