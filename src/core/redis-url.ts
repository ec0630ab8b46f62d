/**
 * What a URL of Redis says: one server, or the sentinels that know which server is the primary. Pure: it connects nothing and reads
 * no file. Every reason is told without the URL, which holds a password.
 */

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface RedisUser {
  /** Left out: Redis's "default". */
  readonly username?: string;
  readonly password?: string;
}

export interface RedisAddress extends RedisUser {
  readonly tls: boolean;
  readonly database: number;
  readonly at:
    | ({ readonly kind: 'server' } & HostPort)
    | {
        readonly kind: 'sentinels';
        readonly sentinels: readonly HostPort[];
        /** The name that the sentinels watch the primary by. */
        readonly primary: string;
        readonly user: RedisUser;
      };
}

export const REDIS_URL_FORM =
  'redis://user:password@host:6379/0, rediss:// for TLS, or by sentinels redis-sentinel://user:password@host:26379,host:26379/primary/0 (rediss-sentinel:// for TLS)';

const REDIS_PORT = 6_379;
const SENTINEL_PORT = 26_379;
const DATABASE_MAX = 1_023;
const SENTINEL_SETTINGS = { sentinelUsername: 'username', sentinelPassword: 'password' } as const;

/** Throws a `TypeError` that says what is wrong. User and password are percent-encoded where they hold "/", "?", "#", "@" or "%". */
export function parseRedisUrl(url: string): RedisAddress {
  const parts = /^(redis|rediss)(-sentinel)?:\/\/(?:([^/?#]*)@)?([^/?#@]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(url);
  if (parts === null) {
    throw new TypeError(
      /^[a-z+-]*cluster/.test(url) ? `names a cluster. ${NO_CLUSTER}` : `is no URL of Redis: write ${REDIS_URL_FORM}`,
    );
  }
  const [, scheme, sentinel, user = '', hosts = '', path = '', query = ''] = parts;
  const shared = { ...userOf(user), tls: scheme === 'rediss' };
  const steps = path.split('/').filter((step) => step !== '');
  // A plus is one here as in the user's part, and not a form's space: passwords in base64 hold some.
  const settings = new URLSearchParams(query.replaceAll('+', '%2B'));
  if (sentinel === undefined) {
    const [first, second] = hosts.split(',');
    if (second !== undefined) throw new TypeError(`names several hosts. ${NO_CLUSTER}`);
    for (const name of settings.keys()) throw new TypeError(`has a setting "${name}", and takes none after "?"`);
    return { ...shared, database: databaseOf(steps), at: { kind: 'server', ...hostOf(first ?? '', REDIS_PORT) } };
  }
  const [primary, ...rest] = steps;
  if (primary === undefined) throw new TypeError('lacks the name of the primary after the sentinels: …:26379/primary');
  const sentinels = hosts.split(',').map((host) => hostOf(host, SENTINEL_PORT));
  const at = { kind: 'sentinels', sentinels, primary: decoded(primary), user: sentinelUserOf(settings) } as const;
  return { ...shared, database: databaseOf(rest), at };
}

const NO_CLUSTER =
  'Redis Cluster is not supported: what belongs together is changed in one script, and a cluster keeps it on several servers. Give one server, or sentinels (redis-sentinel://).';

function userOf(text: string): RedisUser {
  const [, name = '', password] = /^([^:]*)(?::(.*))?$/s.exec(text) ?? [];
  return {
    ...(name !== '' && { username: decoded(name) }),
    ...(password !== undefined && password !== '' && { password: decoded(password) }),
  };
}

function sentinelUserOf(settings: URLSearchParams): RedisUser {
  const user: { username?: string; password?: string } = {};
  for (const [name, value] of settings) {
    if (name !== 'sentinelUsername' && name !== 'sentinelPassword') {
      throw new TypeError(`has a setting "${name}"; known here: ${Object.keys(SENTINEL_SETTINGS).join(', ')}`);
    }
    user[SENTINEL_SETTINGS[name]] = value;
  }
  return user;
}

function hostOf(text: string, usual: number): HostPort {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = digits === undefined ? usual : Number(digits);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new TypeError('has a host that is not of the form name:port, with a port from 1 to 65535');
  }
  return { host, port };
}

function databaseOf(steps: readonly string[]): number {
  const [text = '0', ...rest] = steps;
  const database = Number(text);
  if (rest.length > 0 || !/^\d{1,4}$/.test(text) || database > DATABASE_MAX) {
    throw new TypeError(`must end with the number of a database, from 0 to ${DATABASE_MAX}, and nothing else`);
  }
  return database;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TypeError('holds a "%" that begins no percent-encoding; write "%25" for it');
  }
}
