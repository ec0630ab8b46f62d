/** The two Redis processes of a stack: one may forget, the other may not. */
import type { Layout } from '../layout.ts';
import { shipped } from '../layout.ts';
import type { Part } from '../part.ts';
import { redisServer } from '../servers/redis.ts';

export function redisUrl(layout: Layout, role: 'cache' | 'state'): string {
  return `redis://${layout.local(role === 'cache' ? 'redisCache' : 'redisState')}`;
}

export function redisPart(layout: Layout, role: 'cache' | 'state', file: string): Part {
  const place = role === 'cache' ? 'redisCache' : 'redisState';
  const name = `redis-${role}`;
  const settings = shipped('deploy', 'redis', `${role}.conf`);
  return {
    ...redisServer({ name, file, port: layout.port(place), folder: layout.in(name), settings }),
    needs: [],
    binds: [layout.local(place)],
    shown: { what: `Redis, ${role}`, url: redisUrl(layout, role) },
  };
}
