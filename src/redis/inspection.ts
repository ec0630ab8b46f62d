/** What a Redis says of itself when it is connected: why it is not used, and what about it would lose what must be kept. */
import type { Redis } from 'ioredis';
import { messageOf } from '#core/errors';
import { RedisNotSentError } from './not-sent.ts';

/** Script flags came with Redis 7.0. */
const MAJOR_MIN = 7;

export class RedisRefusedError extends RedisNotSentError {
  override readonly name = 'RedisRefusedError';
}

export interface Inspection {
  /** Why it is not used. */
  readonly refusal: RedisRefusedError | null;
  /** Whether it drops keys when it is full. */
  readonly evicts: boolean;
}

const NOTHING_KNOWN: Inspection = { refusal: null, evicts: false };

/** Rejects with what Redis says. An ACL user without INFO learns nothing here; each script then tells its own failure. */
export async function inspect(redis: Redis): Promise<Inspection> {
  try {
    const info = await redis.info();
    return { refusal: refusalOf(info), evicts: /^maxmemory_policy:(?!noeviction)/m.test(info) };
  } catch (error) {
    if (messageOf(error).startsWith('NOPERM')) return NOTHING_KNOWN;
    throw error;
  }
}

function refusalOf(info: string): RedisRefusedError | null {
  if (/^cluster_enabled:1/m.test(info)) {
    return new RedisRefusedError(
      'this Redis is a node of a cluster (cluster_enabled:1), which is not supported: what belongs together is changed in one script, and a cluster keeps it on several servers. Give one server, or sentinels.',
    );
  }
  const [, version = '', major = ''] = /^redis_version:((\d+)\S*)/m.exec(info) ?? [];
  if (major === '' || Number(major) >= MAJOR_MIN) return null;
  return new RedisRefusedError(`this Redis is ${version}; ${MAJOR_MIN}.0 or later is needed, for flags of scripts`);
}
