/** The command at the end of what a person reads: a chat with a model that there is, or the list of them. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { banner } from './banner.ts';

it('names a model in its command only where one is known', () => {
  const summary = { url: 'http://h', version: '1', instance: 'i', keyless: false, storage: 's', providers: [] };
  const shown = (exampleModel: string | null): string => banner({ ...summary, exampleModel }, 'make', false);
  assert.match(shown('openai/m'), /Try:\n {2}curl http:\/\/h\/v1\/chat\/completions [^]*"model": "openai\/m"/);
  assert.match(shown(null), /\n {2}curl http:\/\/h\/v1\/models \\\n {4}-H 'authorization: Bearer rvk_…'\n$/);
  assert.doesNotMatch(shown(null), /"model"/);
});
