/** `GET /assets/{file}`: what the pages load. */
import { Type } from 'typebox';
import { defineOperation, notFound } from '../operation.ts';
import { assetAnswer } from '../page.ts';

export const getAsset = defineOperation({
  id: 'getAsset',
  method: 'GET',
  path: '/assets/{file}',
  access: 'open',
  tag: 'Operations',
  summary: 'A file of a page',
  description: 'Styles, scripts and the icon.',
  hidden: true,
  params: Type.Object({ file: Type.String() }),
  responses: { 200: { description: 'The file.', contentType: 'text/css' } },
  handle({ params, context }, { assets }) {
    const answer = assetAnswer(assets, params.file, context);
    if (answer === null) throw notFound('There is no such file.');
    return answer;
  },
});
