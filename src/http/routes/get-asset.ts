/** `GET /assets/{file}`: what the status page loads. The files are listed by name: no path reaches the disk. */
import Type from 'typebox';
import { defineOperation, notFound } from '../operation.ts';
import { pageHeaders } from '../page.ts';

export const getAsset = defineOperation({
  id: 'getAsset',
  method: 'GET',
  path: '/assets/{file}',
  access: 'open',
  tag: 'Operations',
  summary: 'A file of the status page',
  description: 'Style, script and icon.',
  hidden: true,
  params: Type.Object({ file: Type.String() }),
  responses: { 200: { description: 'The file.', contentType: 'text/css' } },
  handle({ params, context }, { assets }) {
    const asset = assets.files.get(params.file);
    if (asset === undefined) throw notFound('There is no such file.');
    const { contentType, bytes } = asset;
    return { kind: 'bytes', status: 200, contentType, bytes, headers: pageHeaders(context.incoming.headers) };
  },
});
