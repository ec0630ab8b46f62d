/**
 * The memory system: facts that agents keep, found again by words and, where a route gives embeddings, by meaning. Everything that
 * depends on it goes on without it.
 */
import type { CancelSignal } from '#core/cancel';
import type { Page } from './page.ts';

/** Whose facts: `project`, `agent:<id>` or `conversation:<id>`. */
export type MemoryScope = 'project' | `agent:${string}` | `conversation:${string}`;

export interface MemoryRecord {
  readonly id: string;
  readonly projectId: string;
  readonly scope: MemoryScope;
  readonly text: string;
  readonly createdWallMs: number;
}

export interface RecalledMemory extends MemoryRecord {
  /** Above 0; greater is nearer. Comparable within one answer only. */
  readonly score: number;
}

/** Embeddings of different models or lengths are never compared. */
export interface Embedding {
  readonly model: string;
  readonly values: readonly number[];
}

export interface MemoryStore {
  insert(memory: MemoryRecord, embedding: Embedding | null): Promise<void>;
  find(projectId: string, id: string): Promise<MemoryRecord | null>;
  /** The newest first. */
  list(
    projectId: string,
    page: Page,
    filter: { readonly scope?: MemoryScope | undefined },
  ): Promise<readonly MemoryRecord[]>;
  delete(projectId: string, id: string): Promise<boolean>;
  /** Deletes at most `rowsMax` facts of any project from before `wallMs`; returns how many. */
  purge(wallMs: number, rowsMax: number): Promise<number>;
  /** The best first, by words and, with an embedding, by meaning; at most `limit`. */
  search(
    projectId: string,
    scopes: readonly MemoryScope[],
    query: { readonly text: string; readonly embedding: Embedding | null },
    limit: number,
  ): Promise<readonly RecalledMemory[]>;
  /**
   * Takes at most `limit` facts of any project that have no embedding of this model and were not taken until `wallMs`; nobody takes them
   * again for as long as they are old, within `again`.
   */
  takeToEmbed(
    model: string,
    wallMs: number,
    again: { readonly leastMs: number; readonly mostMs: number },
    limit: number,
  ): Promise<readonly MemoryRecord[]>;
  /** Does nothing where the fact is gone. */
  setEmbedding(projectId: string, id: string, embedding: Embedding): Promise<void>;
}

export interface Remembering {
  readonly projectId: string;
  readonly scope: MemoryScope;
  readonly text: string;
  readonly signal: CancelSignal;
}

export interface Recalling {
  readonly projectId: string;
  readonly scopes: readonly MemoryScope[];
  /** What the facts should bear on; cut to what a search takes. */
  readonly text: string;
  /** 1 to 50. */
  readonly limit: number;
  readonly signal: CancelSignal;
}

/** Every call ends within the deadline of the memory system and throws `UnavailableError('memory_unavailable')` where it cannot serve. */
export interface Memory {
  remember(what: Remembering): Promise<MemoryRecord>;
  recall(what: Recalling): Promise<readonly RecalledMemory[]>;
  find(projectId: string, id: string): Promise<MemoryRecord | null>;
  list(
    projectId: string,
    page: Page,
    filter: { readonly scope?: MemoryScope | undefined },
  ): Promise<readonly MemoryRecord[]>;
  /** Returns whether there was one. */
  forget(projectId: string, id: string): Promise<boolean>;
}
