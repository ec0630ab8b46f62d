/** `GET /api/instances`: who serves together. */
import { Type } from 'typebox';
import { json } from '../answer.ts';
import { defineOperation } from '../operation.ts';
import { isoTime, noQuery, timestamp } from '../wire/common.ts';

export const listInstances = defineOperation({
  id: 'listInstances',
  method: 'GET',
  path: '/api/instances',
  access: ['read'],
  tag: 'Operations',
  summary: 'List instances',
  description:
    'The hubs that share the Redis of `redis.stateUrl`. One that was killed is gone within five seconds. Without such a Redis: the one that answers.',
  query: noQuery,
  responses: {
    200: {
      description: 'The instances.',
      schema: Type.Object({
        source: Type.Enum(['alone', 'shared', 'away'], {
          description:
            '`alone`: no Redis is named for shared state. `shared`: at most a few seconds old. `away`: Redis does not answer; the last that was read.',
        }),
        data: Type.Array(
          Type.Object({
            id: Type.String({ description: 'Its name in logs, metrics and `/health`.' }),
            answers: Type.Boolean({ description: 'Whether it is the one that answers you.' }),
            address: Type.String({ description: 'Where it listens.' }),
            version: Type.String(),
            capacity: Type.Integer({ description: 'Requests it serves at once at most.' }),
            draining: Type.Boolean({ description: 'It takes nothing new and ends.' }),
            started: timestamp,
          }),
        ),
      }),
      example: {
        source: 'shared',
        data: [
          {
            id: 'hub-1',
            answers: true,
            address: 'http://127.0.0.1:12001',
            version: '0.1.0',
            capacity: 4_096,
            draining: false,
            started: '2026-01-31T09:00:00.000Z',
          },
        ],
      },
    },
  },
  handle: (_input, { instances }) =>
    json({
      source: instances.source,
      data: instances.list().map(({ id, address, version, capacity, draining, startedWallMs }, at) => ({
        id,
        answers: at === 0,
        address,
        version,
        capacity,
        draining,
        started: isoTime(startedWallMs),
      })),
    }),
});
