/**
 * Whether callers need a key. A hub on which no key was ever made serves its own machine only; the first key ends that at
 * once, whichever instance or command made it. Owns that one fact and the rule for the address that follows from it.
 */
import type { Clock, Timer } from '#core/clock';
import { messageOf } from '#core/errors';
import type { Logger } from '#contract/logger';
import type { Keys } from '#contract/keys';
import type { KeyStore } from '#contract/stores';
import type { Config } from '#config/index';
import { ensureAdminKey } from './admin-key-file.ts';

const POLL_MS = 5_000;

export interface Keyless {
  /** True while no active key exists. */
  current(): boolean;
  /** Asks the store again now. */
  refresh(): Promise<void>;
  stop(): void;
}

/** Looks once, then every 5 s while there is no key: another instance on the same database may make the first one. */
async function watchKeyless(keys: Pick<KeyStore, 'anyActive'>, clock: Clock, logger: Logger): Promise<Keyless> {
  let keyless = !(await keys.anyActive());
  let timer: Timer | undefined;
  let stopped = false;

  async function refresh(): Promise<void> {
    // Never back to keyless in a running hub: revoking the last key must not open the door.
    if (keyless && (await keys.anyActive())) {
      keyless = false;
      logger.info('keyless-ended');
    }
  }

  function arm(): void {
    if (stopped || !keyless) return;
    timer = clock.schedule(POLL_MS, () => {
      refresh()
        .catch((error: unknown) => logger.warn('keyless-unknown', { reason: messageOf(error) }))
        .finally(arm);
    });
  }
  arm();

  return {
    current: () => keyless,
    refresh,
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}

/** Keys at the start: the one from the admin key file is stored, and an address that others can reach needs one. Throws what is missing. */
export async function openKeyless(parts: {
  readonly config: Config;
  readonly keys: KeyStore;
  readonly clock: Clock;
  readonly logger: Logger;
}): Promise<Keyless> {
  const { config, keys, clock, logger } = parts;
  const { adminKeyFile } = config.security;
  if (adminKeyFile !== undefined) await ensureAdminKey(adminKeyFile, keys, clock);
  const keyless = await watchKeyless(keys, clock, logger);
  const { host } = config.server;
  if (!keyless.current() || isLoopback(host)) return keyless;
  keyless.stop();
  throw new Error(
    `server.host is ${host}, which others can reach, and there is no key yet. Make one with "revoagent keys create --name admin" ` +
      'and the same -c and --data-dir, or name a file with one in REVOAGENT_ADMIN_KEY_FILE, or listen on 127.0.0.1.',
  );
}

/** Whether only this machine can reach the address: 127.0.0.0/8, ::1, localhost. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** The same keys; making the first one ends keyless mode before its answer is sent. */
export function endingKeyless(keys: Keys, keyless: Keyless): Keys {
  return {
    authenticate: (presented) => keys.authenticate(presented),
    list: (projectId, page) => keys.list(projectId, page),
    find: (projectId, id) => keys.find(projectId, id),
    setLimits: (request) => keys.setLimits(request),
    setProjectLimits: (request) => keys.setProjectLimits(request),
    projectLimits: (projectId) => keys.projectLimits(projectId),
    revoke: (request) => keys.revoke(request),
    async create(request) {
      const made = await keys.create(request);
      await keyless.refresh();
      return made;
    },
  };
}
