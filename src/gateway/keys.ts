/**
 * API keys: who presents one, making one, taking one back. The text is `rvk_<id>_<secret>`; the store holds a SHA-256 of the secret
 * (256 random bits, so a slow hash would add nothing). A key that was good stays good for ten minutes while the database is away; one
 * that could not be looked up is neither good nor bad, and says so.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '#core/clock';
import { messageOf, UnavailableError } from '#core/errors';
import { flatText } from '#core/flat-text';
import { isId, newId } from '#core/ids';
import { limits as bounds } from '#core/limits';
import type { Caller, Scope } from '#contract/gateway';
import type { Keys } from '#contract/keys';
import type { LookupCache } from '#contract/lookup-cache';
import type { LimitSettings } from '#contract/admission';
import type { Logger } from '#contract/logger';
import type { AuditStore, FoundKey, KeyRecord, KeyStore } from '#contract/stores';
import { DEFAULT_ORGANISATION_ID } from '#contract/stores';

/** Another instance's revocation takes effect here within this time, without a bus between them. */
const FRESH_MS = 30_000;
/** How long a key is believed while nobody can be asked. */
const STALE_MAX_MS = 600_000;
/** Short: a key may be made the moment after it was asked for. */
const UNKNOWN_FRESH_MS = 2_000;
/** What is kept stays in this process: who can write to the Redis of a cache must not be able to make himself a key. */
const LOOKUP = { local: true, ttlMs: FRESH_MS, staleOnErrorMs: STALE_MAX_MS - FRESH_MS } as const;

const SECRET_BYTES = 32;
const DIGEST_BYTES = 32;
const SHAPE = /^rvk_([0-9a-z]{26})_([A-Za-z0-9_-]{43})$/;

export interface ParsedKey {
  readonly id: string;
  readonly secretHash: Uint8Array;
}

/** Null for a text that cannot be a key; says nothing about whether the key exists. */
export function parseKey(text: string): ParsedKey | null {
  const parts = partsOf(text);
  return parts === null ? null : { id: parts.id, secretHash: hash('sha256', parts.secret, 'buffer') };
}

function partsOf(text: string): { readonly id: string; readonly secret: string } | null {
  const [, id = '', secret = ''] = SHAPE.exec(text) ?? [];
  const keyId = `key_${id}`;
  return isId('key', keyId) ? { id: keyId, secret } : null;
}

/** A new key that nobody knows yet: its text, and what a store keeps of it. */
export function generateKey(wallMs: number): ParsedKey & { readonly text: string } {
  const id = newId('key', wallMs);
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  return { id, text: `rvk_${id.slice(4)}_${secret}`, secretHash: hash('sha256', secret, 'buffer') };
}

export interface KeysParts {
  readonly keys: KeyStore;
  readonly audit: AuditStore;
  readonly lookups: LookupCache;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What is kept of an id: JSON. Null where there is no such active key. */
type Kept = {
  readonly secret: string;
  readonly projectId: string;
  readonly organisationId: string;
  readonly scopes: readonly Scope[];
  readonly limits: { readonly key: LimitSettings; readonly project: LimitSettings };
} | null;

interface Known {
  readonly secretHash: Uint8Array;
  readonly caller: Caller;
}

/** Compared with where there is no key, so that an unknown id takes the time of a wrong secret. */
const NOBODY = new Uint8Array(DIGEST_BYTES);

export function createKeys(parts: KeysParts): Keys {
  return new CachedKeys(parts);
}

class CachedKeys implements Keys {
  readonly #parts: KeysParts;
  /** Of the secret that is looked at just now: a buffer of its own for each costs more than the digest itself. */
  readonly #digest = Buffer.alloc(DIGEST_BYTES);
  /** Of what is kept, made once. */
  readonly #known = new WeakMap<object, Known>();

  constructor(parts: KeysParts) {
    this.#parts = parts;
  }

  authenticate(presented: string): Promise<Caller | null> | Caller | null {
    const parts = partsOf(presented);
    if (parts === null) return null;
    const { id, secret } = parts;
    const key = `key:${id}`;
    const kept = this.#parts.lookups.peek(key) as Kept | undefined;
    if (kept !== undefined) return this.#recognise(id, secret, kept);
    return this.#look(id, key).then((found) => this.#recognise(id, secret, found));
  }

  #recognise(id: string, secret: string, kept: Kept): Caller | null {
    const known = this.#knownOf(id, kept);
    this.#digest.write(hash('sha256', secret, 'latin1'), 'latin1');
    const matches = timingSafeEqual(known?.secretHash ?? NOBODY, this.#digest);
    return matches && known !== null ? known.caller : null;
  }

  async create(request: Parameters<Keys['create']>[0]): Promise<{ record: KeyRecord; secret: string }> {
    const { keys, clock } = this.#parts;
    const wallMs = clock.wallMs();
    const { id, text, secretHash } = generateKey(wallMs);
    const { projectId, name, scopes, limits = {}, actor } = request;
    const record: KeyRecord = {
      id,
      projectId,
      name,
      scopes: [...scopes],
      secretHash,
      createdWallMs: wallMs,
      revokedWallMs: null,
      limits,
    };
    // Written down first: a key of which the audit knows nothing must not exist.
    await this.#audit('key-created', projectId, id, actor, { name, scopes: [...scopes], limits });
    await keys.insert(record);
    await this.#parts.lookups.delete(`key:${id}`);
    return { record, secret: text };
  }

  list(...[projectId, page]: Parameters<Keys['list']>): ReturnType<Keys['list']> {
    return this.#parts.keys.list(projectId, page);
  }

  async find(projectId: string, id: string): Promise<Caller | null> {
    if (!isId('key', id)) return null;
    const known = this.#knownOf(id, await this.#look(id, `key:${id}`));
    return known?.caller.projectId === projectId ? known.caller : null;
  }

  async setLimits({ projectId, id, limits, actor }: Parameters<Keys['setLimits']>[0]): Promise<boolean> {
    if (!isId('key', id) || !(await this.#parts.keys.setLimits(projectId, id, limits))) return false;
    await this.#parts.lookups.delete(`key:${id}`);
    await this.#audit('key-limits-set', projectId, id, actor, { limits });
    return true;
  }

  async setProjectLimits({ projectId, limits, actor }: Parameters<Keys['setProjectLimits']>[0]): Promise<void> {
    const { keys, lookups } = this.#parts;
    await keys.setProjectLimits(projectId, limits);
    // Of more keys than these the others take it up when their copies are stale.
    const known = await keys.list(projectId, { limit: bounds.pageRowsMax });
    await Promise.all(known.map(({ id }) => lookups.delete(`key:${id}`)));
    await this.#audit('project-limits-set', projectId, projectId, actor, { limits });
  }

  projectLimits(projectId: string): Promise<LimitSettings> {
    return this.#parts.keys.projectLimits(projectId);
  }

  async revoke({ projectId, id, actor }: Parameters<Keys['revoke']>[0]): Promise<boolean> {
    const { keys, lookups, clock } = this.#parts;
    // Done first: a key that has leaked is not kept alive by an audit that cannot be written.
    let revoked = false;
    try {
      revoked = await keys.revoke(projectId, id, clock.wallMs());
    } finally {
      // Also where it failed: it may be done, and to try again would then find no key to revoke.
      await lookups.delete(`key:${id}`);
    }
    if (!revoked) return false;
    await this.#audit('key-revoked', projectId, id, actor, {});
    return true;
  }

  /** One question to the store an id at a time, however many wait for it. */
  async #look(id: string, key: string): Promise<Kept> {
    const { keys, lookups, logger } = this.#parts;
    try {
      return await lookups.getOrSet<Kept>(
        key,
        async (context) => {
          const record = await keys.findById(id);
          if (record !== null && record.revokedWallMs === null) return keptOf(record);
          context.negative(UNKNOWN_FRESH_MS);
          return null;
        },
        LOOKUP,
      );
    } catch (error) {
      logger.warn('key-unknown', { key: id, reason: messageOf(error) });
      if (error instanceof UnavailableError) throw error;
      throw new UnavailableError(
        'database_unavailable',
        'The key could not be checked, because the database does not answer. Try again.',
        { retryAfterMs: 1_000, cause: error },
      );
    }
  }

  #knownOf(id: string, kept: Kept): Known | null {
    if (kept === null) return null;
    let known = this.#known.get(kept);
    if (known === undefined) {
      const { secret, scopes, ...facts } = kept;
      const caller = { keyId: flatText(id), ...facts, scopes: new Set(scopes) };
      known = { secretHash: Buffer.from(secret, 'base64'), caller };
      this.#known.set(kept, known);
    }
    return known;
  }

  async #audit(
    action: string,
    projectId: string,
    subject: string,
    actor: string,
    detail: Record<string, unknown>,
  ): Promise<void> {
    const wallMs = this.#parts.clock.wallMs();
    await this.#parts.audit.append({
      id: newId('aud', wallMs),
      projectId,
      atWallMs: wallMs,
      actor,
      action,
      subject,
      detail,
    });
  }
}

function keptOf({ projectId, organisationId, scopes, secretHash, limits, projectLimits }: FoundKey): Kept {
  return {
    secret: Buffer.from(secretHash).toString('base64'),
    projectId,
    organisationId: organisationId ?? DEFAULT_ORGANISATION_ID,
    scopes: [...scopes],
    limits: { key: limits ?? {}, project: projectLimits ?? {} },
  };
}
