/** `GET /api/external`: which external APIs there are and how they do; not where they are, nor what the hub proves itself with. */
import { Type } from 'typebox';
import { json } from '../answer.ts';
import { defineOperation } from '../operation.ts';
import { noQuery } from '../wire/common.ts';

const externalSchema = Type.Object({
  name: Type.String({ description: 'As in `/api/external/{name}/…`.' }),
  methods: Type.Array(Type.String()),
  paths: Type.Array(Type.String(), { description: '`*` is one part of a path, `/**` at the end is all that follows.' }),
  breaker: Type.Object({
    key: Type.String({ description: 'GET /api/circuit-breakers/{key} tells more.' }),
    state: Type.String({ description: '`closed`, `open`, `half_open`, `forced_open` or `disabled`.' }),
  }),
});

export const listExternal = defineOperation({
  id: 'listExternal',
  method: 'GET',
  path: '/api/external',
  access: ['external', 'read'],
  tag: 'External APIs',
  summary: 'List external APIs',
  description: 'What `external` in the configuration names, with the methods and paths that may be asked for.',
  query: noQuery,
  responses: {
    200: {
      description: 'The APIs.',
      schema: Type.Object({ data: Type.Array(externalSchema) }),
      example: {
        data: [
          {
            name: 'github',
            methods: ['GET', 'HEAD'],
            paths: ['/repos/**'],
            breaker: { key: 'external:github', state: 'closed' },
          },
        ],
      },
    },
  },
  handle: (_input, { external, breakers }) =>
    json({
      data: external.list().map(({ name, methods, paths, breaker: key }) => ({
        name,
        methods,
        paths,
        // One that holds nothing worth remembering may be forgotten.
        breaker: { key, state: breakers.get(key)?.state ?? 'closed' },
      })),
    }),
});
