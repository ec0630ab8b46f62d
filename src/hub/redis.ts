/**
 * The hub's connections to Redis by role: the cache may lose what it holds, the state must not. A Redis that is away, refuses or is a
 * cluster never keeps the hub from starting: it is said once a reason in the log, and whoever uses the connection has a way without it.
 */
import { readFileSync } from 'node:fs';
import type { Random } from '#core/random';
import type { Logger } from '#contract/logger';
import type { Config } from '#config/index';
import { connectRedis } from '#redis/index';
import type { RedisPort, RedisTls } from '#redis/index';

export type RedisRole = 'cache' | 'state';

export interface RedisParts {
  readonly config: Pick<Config, 'redis'>;
  readonly random: Random;
  readonly logger: Logger;
}

/** Null where the role has no URL. Closed by the stack; throws where a file of TLS cannot be read. */
export function openRedis(stack: AsyncDisposableStack, role: RedisRole, parts: RedisParts): RedisPort | null {
  const { config, random, logger } = parts;
  const url = role === 'cache' ? config.redis.cacheUrl : config.redis.stateUrl;
  if (url === undefined) return null;
  let told = '';
  const port = connectRedis({
    url: url.reveal(),
    name: `revoagent-${role}`,
    tls: tlsOf(config.redis.tls),
    mustKeep: role === 'state',
    // Limits and ledger ask together; the cache's reads are all of one kind, and in batches.
    byTurns: role === 'state',
    random,
    // It is tried once a second; the same reason is told once.
    onError: ({ name, message }) => {
      if (message === told) return;
      told = message;
      logger.warn(name === 'RedisRefusedError' ? 'redis-refused' : 'redis-away', { role, reason: message });
    },
  });
  stack.defer(() => port.close());
  return port;
}

function tlsOf({ caFile, certFile, keyFile }: NonNullable<Config['redis']['tls']> = {}): RedisTls {
  const read = (file: string): string => readFileSync(file, 'utf8');
  return {
    ...(caFile !== undefined && { ca: read(caFile) }),
    ...(certFile !== undefined && { cert: read(certFile) }),
    ...(keyFile !== undefined && { key: read(keyFile) }),
  };
}
