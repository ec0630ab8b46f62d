/** The migrations in order. One that has landed is never edited; the next one mends it. */
import { first } from './0001-first.ts';
import { usage } from './0002-usage.ts';

export interface Migration {
  readonly name: string;
  readonly statements: readonly string[];
}

export const migrations = [first, usage] as const satisfies readonly Migration[];
