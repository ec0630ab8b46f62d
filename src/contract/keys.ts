/** API keys as transports and the CLI see them. The secret exists in one answer only, when the key is made. */
import type { Caller, Scope } from './gateway.ts';
import type { LimitSettings } from './admission.ts';
import type { Page } from './page.ts';
import type { KeyRecord } from './stores.ts';

export interface Keys {
  /**
   * Who presents this `rvk_…` text; null for a key that is unknown, malformed or revoked. Throws
   * `UnavailableError('database_unavailable')` when that could not be found out: the answer is then 503, never 401. A key
   * that is known already needs no wait.
   */
  authenticate(presented: string): Promise<Caller | null> | Caller | null;
  create(request: {
    projectId: string;
    name: string;
    scopes: readonly Scope[];
    limits?: LimitSettings | undefined;
    actor: string;
  }): Promise<{ record: KeyRecord; secret: string }>;
  list(projectId: string, page: Page): Promise<readonly KeyRecord[]>;
  /** As the key would call; null where the project has no such active key. */
  find(projectId: string, id: string): Promise<Caller | null>;
  /** Replaces what is stored with the key; takes effect as a revocation does. False where there is no such active key. */
  setLimits(request: { projectId: string; id: string; limits: LimitSettings; actor: string }): Promise<boolean>;
  /** The same for a project, at once here for its keys. */
  setProjectLimits(request: { projectId: string; limits: LimitSettings; actor: string }): Promise<void>;
  projectLimits(projectId: string): Promise<LimitSettings>;
  /** Takes effect at once in this instance. Returns false where there is no such active key in the project. */
  revoke(request: { projectId: string; id: string; actor: string }): Promise<boolean>;
}
