/**
 * The connections to one Redis: one for scripts, one for the subscription. Nothing is queued while it is away and nothing is sent
 * twice; a server that stops answering is hung up on after two seconds and called again, at most a second apart. Where sentinels are
 * given they are asked at every connection which server is the primary. A cluster and a Redis before 7 are refused, with the reason.
 */
import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import type { RedisOptions as AnySettings } from 'ioredis';
import { bufferOf } from '#core/buffers';
import { messageOf } from '#core/errors';
import { systemRandom } from '#core/random';
import type { Random } from '#core/random';
import { parseRedisUrl } from '#core/redis-url';
import type { RedisAddress } from '#core/redis-url';
import { atTurnEnd } from '#core/turn-end';
import { inspect } from './inspection.ts';
import { RedisNotSentError } from './not-sent.ts';

/** One step on the server, all or nothing. KEYS and ARGV as in EVAL; its text is hashed once and sent whole only where it is new. */
export interface Script {
  readonly name: string;
  readonly lua: string;
}

/** Replies as they come, in the shapes of RESP2. */
type Settings = AnySettings & { readonly replyMapping?: 'legacy' };

export type RedisArgument = string | number | Uint8Array;

export interface RedisPort {
  /**
   * The reply with its strings as bytes. Rejects with `RedisNotSentError` while Redis is away or refused, with what Redis says, and where
   * the connection was lost before the answer: then nobody knows whether it was done.
   */
  run(script: Script, keys: readonly string[], args: readonly RedisArgument[]): Promise<unknown>;
  /** Subscribes now and after every reconnection. What is published while it is away does not arrive. */
  subscribe(channel: string, listener: (message: string) => void): void;
  /** Told after every connection that is made from now on, and not refused. */
  onReady(listener: () => void): void;
  close(): void;
}

export interface RedisTls {
  /** PEM; several authorities may stand one after the other. Left out: those that Node trusts. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface RedisOptions {
  /** As `REDIS_URL_FORM` says: one server, or sentinels. */
  readonly url: string;
  /** Shown by CLIENT LIST, with "-commands" and "-subscriber" behind it. Default "revoagent-cache". */
  readonly name?: string;
  /** For `rediss://` and `rediss-sentinel://`; the server's name is always checked. */
  readonly tls?: RedisTls;
  /** What it holds must not be evicted: a server with an eviction policy is used, and `onError` told. */
  readonly mustKeep?: boolean;
  /**
   * What is asked for in one turn of the event loop leaves in one write: less work where several kinds of calls come together. Default:
   * each at once, so that the server is at work on one while the next is made.
   */
  readonly byTurns?: boolean;
  /** Why the connection is away or refused. It is tried again whatever the reason. */
  readonly onError?: (error: Error) => void;
  readonly random?: Random;
}

const RECONNECT_MS_MIN = 50;
const RECONNECT_MS_MAX = 1_000;
const CONNECT_MS = 2_000;
/** Without an answer for so long while one is due, the connection is given up. */
const SILENCE_MS = 2_000;
/** For one sentinel, after which the next is asked. */
const SENTINEL_MS = 1_000;

/** Connects at once, and goes on trying until it is closed. Throws a `TypeError` for a URL that is none, saying what is wrong with it. */
export function connectRedis(options: RedisOptions): RedisPort {
  const { name = 'revoagent-cache', byTurns = false, onError } = options;
  const settings = settingsOf(options);
  const listeners: (() => void)[] = [];
  const connect = (role: string, onUsable: () => void): Connection =>
    openConnection({ ...settings, connectionName: `${name}-${role}` }, options, onUsable);
  const commands = connect('commands', () => listeners.forEach((listener) => listener()));
  let subscriber: Connection | undefined;
  const hashes = new Map<Script, string>();
  let corked: Redis['stream'] | undefined;
  /** To wake the server costs more than to write. */
  const cork = (): void => {
    const { stream } = commands.redis;
    if (stream === undefined || stream === corked) return;
    corked = stream;
    stream.cork();
    atTurnEnd(() => {
      if (corked === stream) corked = undefined;
      stream.uncork();
    });
  };
  return {
    async run(script, keys, args) {
      const hash = hashes.get(script) ?? createHash('sha1').update(script.lua).digest('hex');
      hashes.set(script, hash);
      const refusal = commands.refusal();
      if (refusal !== null) throw refusal;
      const rest = [keys.length, ...keys, ...args.map(asArgument)];
      if (byTurns) cork();
      try {
        return await commands.redis.callBuffer('EVALSHA', [hash, ...rest]);
      } catch (error) {
        if (!messageOf(error).startsWith('NOSCRIPT')) throw sentOrNot(error);
        return await commands.redis.callBuffer('EVAL', [script.lua, ...rest]).catch((thrown: unknown) => {
          throw sentOrNot(thrown);
        });
      }
    },
    subscribe(channel, listener) {
      subscriber ??= connect('subscriber', () => undefined);
      const { redis } = subscriber;
      redis.on('message', (from: string, message: string) => {
        if (from === channel) listener(message);
      });
      const subscribe = (): void => {
        redis.subscribe(channel).catch((error: unknown) => onError?.(asError(error)));
      };
      redis.on('ready', subscribe);
      if (redis.status === 'ready') subscribe();
    },
    onReady: (listener) => void listeners.push(listener),
    close() {
      commands.redis.disconnect();
      subscriber?.redis.disconnect();
    },
  };
}

interface Connection {
  readonly redis: Redis;
  /** Why the server that answers now is not used. */
  refusal(): Error | null;
}

function openConnection(
  settings: Settings,
  { mustKeep = false, onError }: RedisOptions,
  onUsable: () => void,
): Connection {
  const redis = new Redis(settings);
  const tell = (error: unknown): void => onError?.(asError(error));
  let refusal: Error | null = null;
  // Without a listener an error would end the process; every call tells its own failure.
  redis.on('error', tell);
  redis.on('ready', () => {
    // A refused connection is kept: hanging up would only begin again what ends the same way.
    inspect(redis).then((found) => {
      refusal = found.refusal;
      if (refusal !== null) return tell(refusal);
      if (mustKeep && found.evicts) tell(new Error(EVICTS));
      onUsable();
    }, tell);
  });
  return { redis, refusal: () => refusal };
}

const EVICTS =
  'this Redis drops keys when it is full (maxmemory-policy), and what is kept here must not vanish: set maxmemory-policy noeviction, as in deploy/redis/state.conf';

function settingsOf({ url, tls = {}, random = systemRandom }: RedisOptions): Settings {
  const { at, tls: overTls, database, username, password } = addressOf(url);
  const wait = (times: number): number => {
    const backoff = Math.min(RECONNECT_MS_MIN * 2 ** Math.min(times, 10), RECONNECT_MS_MAX);
    return backoff * (0.5 + random.next() / 2);
  };
  const shared: Settings = {
    db: database,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(overTls && { tls }),
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    // Its own would leave a refusal (NOPERM) unhandled, which ends the process.
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
    keepAlive: 10_000,
    retryStrategy: wait,
    // A primary that was made a replica while it stayed connected: its name, or the sentinels, know who is it now.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  };
  if (at.kind === 'server') return { ...shared, host: at.host, port: at.port };
  return {
    ...shared,
    sentinels: [...at.sentinels],
    name: at.primary,
    ...(at.user.username !== undefined && { sentinelUsername: at.user.username }),
    ...(at.user.password !== undefined && { sentinelPassword: at.user.password }),
    ...(overTls && { enableTLSForSentinelMode: true, sentinelTLS: tls }),
    sentinelCommandTimeout: SENTINEL_MS,
    sentinelRetryStrategy: wait,
  };
}

/** What is wrong is said of the URL, which may hold a password and is not shown. */
function addressOf(url: string): RedisAddress {
  try {
    return parseRedisUrl(url);
  } catch (error) {
    throw new TypeError(`connectRedis: the url ${messageOf(error)}`, { cause: error });
  }
}

/** The client has no class for it, only these words. */
function sentOrNot(error: unknown): unknown {
  if (!messageOf(error).startsWith("Stream isn't writeable")) return error;
  return new RedisNotSentError('Redis is away, and nothing was sent to it.', { cause: error });
}

function asArgument(argument: RedisArgument): string | number | Buffer {
  return typeof argument === 'object' ? bufferOf(argument) : argument;
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
