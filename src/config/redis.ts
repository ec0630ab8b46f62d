/** The `redis` section: a URL a role, and what TLS needs. The files are named here and read by the hub when it starts. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { Type } from 'typebox';
import { messageOf } from '#core/errors';
import { parseRedisUrl, REDIS_URL_FORM } from '#core/redis-url';
import type { Secret } from '#core/secret';
import { text } from './numbers.ts';

const strict = { additionalProperties: false };

const url = (description: string) => Type.Optional(Type.String({ secret: true, description }));

export const redis = Type.Object(
  {
    cacheUrl: url(
      'A Redis for what may be lost, with an eviction policy: the cache between memory and the database. Left out: none.',
    ),
    stateUrl: url(
      'A Redis for what instances share and must not evict: instances and limits. Left out: each instance is alone.',
    ),
    tls: Type.Optional(
      Type.Object(
        {
          caFile: Type.Optional(
            text(
              'PEM file with the authorities that signed the certificates of Redis and its sentinels, one after the other. Left out: those that Node trusts.',
            ),
          ),
          certFile: Type.Optional(
            text('PEM file with the certificate that the hub shows, for a Redis that asks for one.'),
          ),
          keyFile: Type.Optional(text('PEM file with the key of certFile.')),
        },
        { ...strict, description: 'TLS, for URLs that begin with rediss:// or rediss-sentinel://.' },
      ),
    ),
  },
  { ...strict, description: `Redis by role: ${REDIS_URL_FORM}. No cluster.` },
);

export interface RedisConfig {
  readonly cacheUrl?: Secret;
  readonly stateUrl?: Secret;
  /** Whole paths. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
}

type Found = [pointer: string, message: string];

/** The section with whole paths, and what the schema cannot say of it, as pointers below the section. */
export function checkedRedis(config: RedisConfig, folder: string): { redis: RedisConfig; problems: readonly Found[] } {
  const problems: Found[] = [];
  let overTls = false;
  for (const [name, secret] of [
    ['cacheUrl', config.cacheUrl],
    ['stateUrl', config.stateUrl],
  ] as const) {
    if (secret === undefined) continue;
    try {
      if (parseRedisUrl(secret.reveal()).tls) overTls = true;
    } catch (error) {
      problems.push([`/${name}`, messageOf(error)]);
    }
  }
  const { tls } = config;
  if (tls === undefined) return { redis: config, problems };
  if (!overTls && problems.length === 0) {
    problems.push(['/tls', 'is for rediss:// and rediss-sentinel://, and no URL here begins so']);
  }
  if ((tls.certFile === undefined) !== (tls.keyFile === undefined)) {
    problems.push(['/tls', 'needs certFile and keyFile together, or neither']);
  }
  const whole: Record<string, string> = {};
  for (const [name, file] of Object.entries(tls)) {
    whole[name] = path.resolve(folder, file);
    if (!existsSync(whole[name])) problems.push([`/tls/${name}`, `there is no file ${whole[name]}`]);
  }
  return { redis: { ...config, tls: whole }, problems };
}
