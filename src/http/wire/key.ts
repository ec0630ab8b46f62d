/** An API key as `/api/keys` shows it: everything but what opens a door. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { SCOPES } from '#contract/gateway';
import type { KeyRecord } from '#contract/stores';
import { limitsBody } from './limit.ts';
import { isoTime, nullable, timestamp } from './common.ts';

export const scopeSchema = Type.Enum(SCOPES, {
  description:
    '`chat`: ask models. `read`: see breakers, performance, metrics. `external`: call external APIs. `admin`: everything.',
});

export const keySchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  scopes: Type.Array(scopeSchema),
  createdAt: timestamp,
  revokedAt: nullable(timestamp, 'Null while the key is valid.'),
  limits: limitsBody,
});

export function keyView(record: KeyRecord): Static<typeof keySchema> {
  return {
    id: record.id,
    name: record.name,
    scopes: [...record.scopes],
    createdAt: isoTime(record.createdWallMs),
    revokedAt: record.revokedWallMs === null ? null : isoTime(record.revokedWallMs),
    limits: record.limits ?? {},
  };
}

export const keyExample = {
  id: 'key_01k3v9zq6x8m2f4t7w1c5r9hjd',
  name: 'agent in production',
  scopes: ['chat'],
  createdAt: '2026-01-01T12:00:00.000Z',
  revokedAt: null,
  limits: { requestsPerMinute: 600 },
} satisfies Static<typeof keySchema>;
