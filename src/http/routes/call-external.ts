/** `/api/external/{name}/…`, one operation a method: calls an external API at the address and with the credentials of the configuration. */
import { Type } from 'typebox';
import { answerExternal } from '../external.ts';
import { defineOperation } from '../operation.ts';

const params = Type.Object({
  name: Type.String({ maxLength: 64, description: 'As `GET /api/external` lists it.', examples: ['github'] }),
  path: Type.String({
    description:
      'The path below the API’s base address, and its query, passed on as written. Refused: `.` and `..` as a part, an empty part, ' +
      'an encoded slash, backslash or control character, and what is encoded twice.',
    examples: ['user'],
  }),
});

export const callExternal = (['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const).map((method) =>
  defineOperation({
    id: `${method.toLowerCase()}External`,
    method,
    path: '/api/external/{name}/{path+}',
    access: ['external'],
    tag: 'External APIs',
    summary: `${method} at an external API`,
    description:
      'Passes listed headers, body and query on, and the API’s own answer back: any status below 500, with its body and listed headers, ' +
      'redirects unfollowed. A 5xx, a timeout or a broken answer becomes an error of this hub. ' +
      (method === 'POST' || method === 'PATCH'
        ? 'Sent once, whatever happens.'
        : 'Repeated, within the configured retries, where an attempt failed.') +
      ' Headers tell the call: `x-revoagent-external`, `-attempts`, `-breaker` (its state when the answer began). An answer that ' +
      'cannot be passed on whole ends the connection.',
    params,
    takesBytes: method !== 'GET',
    responses: { 200: { description: 'What the API answered; any other status below 500 alike.', contentType: '*/*' } },
    handle: ({ params: { name }, context }, services) => answerExternal(name, context, services),
  }),
);
