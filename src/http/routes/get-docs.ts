/** `GET /docs`: this API, described for people and tried out in the browser. */
import { defineOperation, notFound } from '../operation.ts';
import { assetAnswer } from '../page.ts';

export const getDocs = defineOperation({
  id: 'getDocs',
  method: 'GET',
  path: '/docs',
  access: 'open',
  tag: 'Operations',
  summary: 'API documentation',
  description: 'This API, described for people and tried out in the browser.',
  hidden: true,
  responses: { 200: { description: 'The page.', contentType: 'text/html' } },
  handle({ context }, { assets }) {
    const answer = assetAnswer(assets, 'docs.html', context);
    if (answer === null) throw notFound('There is no such page.');
    return answer;
  },
});
