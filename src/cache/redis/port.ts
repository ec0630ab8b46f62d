/**
 * The connections to Redis: one for scripts, one for the subscription. Nothing is queued while it is away and nothing is sent twice; a
 * server that stops answering is hung up on after two seconds and called again, at most a second apart. A cluster is refused.
 */
import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { messageOf } from '#core/errors';
import { systemRandom } from '#core/random';
import type { Random } from '#core/random';
import type { Script } from './scripts.ts';

export type RedisArgument = string | number | Uint8Array;

export interface RedisPort {
  /** The reply with its strings as bytes. Rejects while Redis is away, and with what Redis says. */
  run(script: Script, keys: readonly string[], args: readonly RedisArgument[]): Promise<unknown>;
  /** Subscribes now and after every reconnection. What is published while it is away does not arrive. */
  subscribe(channel: string, listener: (message: string) => void): void;
  close(): void;
}

export interface RedisOptions {
  /** `redis://user:password@host:6379/0`, or `rediss://` over TLS. */
  readonly url: string;
  /** Shown by CLIENT LIST. Default "revoagent-cache". */
  readonly name?: string;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Why the connection is away. It is tried again whatever the reason. */
  readonly onError?: (error: Error) => void;
  readonly random?: Random;
}

const RECONNECT_MS_MIN = 50;
const RECONNECT_MS_MAX = 1_000;
const CONNECT_MS = 2_000;
/** Without an answer for so long while one is due, the connection is given up. */
const SILENCE_MS = 2_000;

/** Connects at once, and goes on trying until it is closed. Throws a TypeError for a URL that is none of Redis. */
export function connectRedis(options: RedisOptions): RedisPort {
  const { url, name = 'revoagent-cache', tls, random = systemRandom } = options;
  if (!/^rediss?:\/\//.test(url)) {
    throw new TypeError(
      'The URL of Redis begins with redis:// or rediss:// (TLS). A cluster is not supported: scripts span keys.',
    );
  }
  const connect = (role: string): Redis => {
    const redis = new Redis(url, {
      connectionName: `${name}-${role}`,
      ...(tls !== undefined && { tls }),
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      // Its own would leave a refusal (NOPERM) unhandled, which ends the process.
      autoResubscribe: false,
      maxRetriesPerRequest: 0,
      connectTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
      keepAlive: 10_000,
      retryStrategy: (times) => {
        const backoff = Math.min(RECONNECT_MS_MIN * 2 ** Math.min(times, 10), RECONNECT_MS_MAX);
        return backoff * (0.5 + random.next() / 2);
      },
    });
    // Without a listener an error would end the process; every call tells its own failure.
    redis.on('error', (error: Error) => options.onError?.(error));
    return redis;
  };
  const commands = connect('commands');
  let subscriber: Redis | undefined;
  const hashes = new Map<Script, string>();
  const together = createBatcher(commands);
  return {
    async run(script, keys, args) {
      const hash = hashes.get(script) ?? createHash('sha1').update(script.lua).digest('hex');
      hashes.set(script, hash);
      const rest = [keys.length, ...keys, ...args.map(asArgument)];
      together();
      try {
        return await commands.callBuffer('EVALSHA', [hash, ...rest]);
      } catch (error) {
        if (!messageOf(error).startsWith('NOSCRIPT')) throw error;
        return await commands.callBuffer('EVAL', [script.lua, ...rest]);
      }
    },
    subscribe(channel, listener) {
      subscriber ??= connect('subscriber');
      const redis = subscriber;
      redis.on('message', (from: string, message: string) => {
        if (from === channel) listener(message);
      });
      redis.on('ready', () => {
        redis.subscribe(channel).catch((error: unknown) => options.onError?.(asError(error)));
      });
    },
    close() {
      commands.disconnect();
      subscriber?.disconnect();
    },
  };
}

/** What is asked for in one turn of the event loop leaves in one write: 64 callers then cost one system call, not 64. */
function createBatcher(redis: Redis): () => void {
  let held: Redis['stream'] | undefined;
  return () => {
    // Undefined until the first connection, whatever its type says.
    const stream: Redis['stream'] | undefined = redis.stream;
    if (held !== undefined || stream === undefined) return;
    held = stream;
    stream.cork();
    process.nextTick(() => {
      held = undefined;
      stream.uncork();
    });
  };
}

function asArgument(argument: RedisArgument): string | number | Buffer {
  return typeof argument === 'object'
    ? Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength)
    : argument;
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
