/**
 * Ports to what is kept. Every operation that could see another project's rows takes the project. A store throws
 * `UnavailableError('database_unavailable')` when the database does not answer in time; it never answers "not there"
 * for "could not look".
 */
import type { ContentRecord } from './content.ts';
import type { AgentStore } from './agents.ts';
import type { ConversationStore } from './conversations.ts';
import type { Scope } from './gateway.ts';
import type { InstanceStore } from './instances.ts';
import type { UsageQuery, UsageRecord, UsageReport } from './ledger.ts';
import type { LimitSettings } from './admission.ts';
import type { SpendStore } from './limits.ts';
import type { MemoryStore } from './memory.ts';
import type { Page } from './page.ts';
import type { RunRecord } from './runs.ts';

export interface KeyRecord {
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** SHA-256 of the secret part. The secret has 256 random bits, so a slow hash would add nothing. */
  readonly secretHash: Uint8Array;
  readonly createdWallMs: number;
  readonly revokedWallMs: number | null;
  /** In place of what the configuration says. */
  readonly limits?: LimitSettings;
}

/** A key with what its project says of it. */
export interface FoundKey extends KeyRecord {
  readonly organisationId?: string;
  readonly projectLimits?: LimitSettings;
}

export interface KeyStore {
  insert(key: KeyRecord): Promise<void>;
  findById(id: string): Promise<FoundKey | null>;
  list(projectId: string, page: Page): Promise<readonly KeyRecord[]>;
  /** Returns whether there was such a key that was not revoked yet. */
  revoke(projectId: string, id: string, wallMs: number): Promise<boolean>;
  /** Replaces them; false where there is no such active key. */
  setLimits(projectId: string, id: string, limits: LimitSettings): Promise<boolean>;
  setProjectLimits(projectId: string, limits: LimitSettings): Promise<void>;
  projectLimits(projectId: string): Promise<LimitSettings>;
  /** Deletes at most `rowsMax` keys that were revoked before `wallMs`; returns how many. */
  purge(wallMs: number, rowsMax: number): Promise<number>;
  /** Whether any key exists that is not revoked. */
  anyActive(): Promise<boolean>;
}

export interface RunStore {
  /** Writes many at once, given as a JSON array in UTF-8; a run whose id is there already is replaced. */
  upsertMany(json: Uint8Array): Promise<void>;
  /** `keyId` undefined: any key of the project (the admin scope's view). */
  find(projectId: string, keyId: string | null | undefined, id: string): Promise<RunRecord | null>;
  list(projectId: string, keyId: string | null | undefined, page: Page): Promise<readonly RunRecord[]>;
  /** Deletes at most `rowsMax` runs that began before `wallMs`; returns how many. */
  purge(wallMs: number, rowsMax: number): Promise<number>;
}

export interface UsageStore {
  /** Writes many at once, all or none; a row whose id is there already is left as it is, unless it is `interrupted` and now settled. */
  insertMany(rows: readonly UsageRecord[]): Promise<void>;
  report(projectId: string, query: UsageQuery): Promise<UsageReport>;
  /** Adds at most `rowsMax` rows of attempts that went out before `wallMs` to the sums by month; returns how many there were. */
  rollUp(wallMs: number, rowsMax: number): Promise<number>;
  /** Deletes at most `rowsMax` rows of attempts that went out before `wallMs` and are in the sums; returns how many. */
  purge(wallMs: number, rowsMax: number): Promise<number>;
  /** Deletes at most `rowsMax` sums of months that began before `wallMs`; returns how many. */
  purgeMonths(wallMs: number, rowsMax: number): Promise<number>;
}

export interface AuditRecord {
  readonly id: string;
  readonly projectId: string;
  readonly atWallMs: number;
  /** A key's id, `local` in keyless mode, `cli`, or `config`. */
  readonly actor: string;
  /** Noun and verb: `key-created`, `breaker-forced-open`. */
  readonly action: string;
  /** What it was done to. */
  readonly subject: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Each that is given must be so, exactly. */
export interface AuditFilter {
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly subject?: string | undefined;
}

export interface AuditStore {
  append(record: AuditRecord): Promise<void>;
  /** The newest first. */
  list(projectId: string, page: Page, filter?: AuditFilter): Promise<readonly AuditRecord[]>;
  /** Deletes at most `rowsMax` entries from before `wallMs`; returns how many. */
  purge(wallMs: number, rowsMax: number): Promise<number>;
}

/** What the database knows of an idempotent request: that it runs or was done, never what was asked or answered. */
export interface ClaimRecord {
  /** SHA-256 of caller, operation and key, in hexadecimal. */
  readonly id: string;
  readonly projectId: string;
  /** Whose claim it is: one value a claim. */
  readonly owner: string;
  /** SHA-256 of the body, in hexadecimal. */
  readonly fingerprint: string;
}

export interface ClaimStore {
  /**
   * Takes the claim until `untilWallMs` where nobody has one that lasts beyond `wallMs`, and returns null; otherwise returns what is
   * there.
   */
  take(
    claim: ClaimRecord,
    wallMs: number,
    untilWallMs: number,
  ): Promise<{ readonly fingerprint: string; readonly done: boolean } | null>;
  /** For those that run: they last until `untilWallMs`. */
  extend(owners: readonly string[], untilWallMs: number): Promise<void>;
  /** It was done; remembered until `untilWallMs`. */
  finish(id: string, owner: string, untilWallMs: number): Promise<void>;
  /** It came to nothing: whoever asks next may do it. */
  release(id: string, owner: string): Promise<void>;
  /** Deletes at most `rowsMax` that have ended before `wallMs`; returns how many. */
  purge(wallMs: number, rowsMax: number): Promise<number>;
}

export interface ContentStore {
  /** Writes many at once; where there is a row of the id already, or was one that has been erased, it stays as it is. */
  insertMany(contents: readonly ContentRecord[]): Promise<void>;
  find(projectId: string, id: string): Promise<ContentRecord | 'erased' | null>;
  /** Deletes what was said, and keeps the place, so that a write that comes later changes nothing. */
  erase(of: Pick<ContentRecord, 'id' | 'projectId' | 'policy' | 'startedWallMs'>): Promise<void>;
  /** Deletes at most `rowsMax` of runs that began before `wallMs`; returns how many. */
  purge(wallMs: number, rowsMax: number): Promise<number>;
}

export interface Stores {
  readonly contents: ContentStore;
  readonly agents: AgentStore;
  readonly conversations: ConversationStore;
  readonly memories: MemoryStore;
  readonly claims: ClaimStore;
  readonly keys: KeyStore;
  readonly runs: RunStore;
  readonly usage: UsageStore;
  readonly audit: AuditStore;
  readonly spend: SpendStore & {
    /** Deletes what began before `startDay`, and what is known of processes that have written nothing since. */
    purge(startDay: number): Promise<void>;
  };
  readonly instances: InstanceStore;
}

/** The first migration makes this project, and embedded use knows no other. */
export const DEFAULT_PROJECT_ID = 'prj_00000000000000000000000000';
export const DEFAULT_ORGANISATION_ID = 'org_00000000000000000000000000';
