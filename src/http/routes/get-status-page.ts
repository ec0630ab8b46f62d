/** `GET /`: what this hub is doing, for people. */
import { defineOperation, notFound } from '../operation.ts';
import { assetAnswer } from '../page.ts';

export const getStatusPage = defineOperation({
  id: 'getStatusPage',
  method: 'GET',
  path: '/',
  access: 'open',
  tag: 'Operations',
  summary: 'Status page',
  description: 'What this hub is doing, for people.',
  hidden: true,
  responses: { 200: { description: 'The page.', contentType: 'text/html' } },
  handle({ context }, { assets }) {
    const answer = assetAnswer(assets, 'status.html', context);
    if (answer === null) throw notFound('There is no such page.');
    return answer;
  },
});
