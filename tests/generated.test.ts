/** The generated files are what the source says, and the check that says so can tell when they are not. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { generated, staleFiles, writeFiles } from '../scripts/generate-schemas.ts';

const PROMISED = [
  'docs/capacity.md',
  'docs/clients.md',
  'docs/dependencies.md',
  'docs/errors.md',
  'docs/idempotency.md',
  'docs/images/autoscaling.svg',
  'docs/instances.md',
  'docs/metrics.md',
  'docs/providers/README.md',
  'docs/settings.md',
  'docs/websocket.md',
  'schema/asyncapi.json',
  'schema/config.json',
  'schema/errors.json',
  'schema/metrics.json',
  'schema/openapi.json',
];

test('every file that is promised is generated', () => {
  // What is deployed is proved in tests/deploy/manifests.test.ts.
  const files = generated.map(({ file }) => file).filter((file) => !file.startsWith('deploy/'));
  assert.deepEqual(files.toSorted(), PROMISED);
});

test('every generated file is what the source says now', async () => {
  assert.deepEqual(await staleFiles(generated, new URL('../', import.meta.url)), []);
});

test('a file that is missing or was edited by hand is stale until it is written again', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'revoagent-generated-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const root = pathToFileURL(`${folder}/`);
  const list = [
    { file: 'schema/a.json', render: () => Promise.resolve('{}\n') },
    { file: 'docs/b.md', render: () => Promise.resolve('b\n') },
  ];

  assert.deepEqual(await staleFiles(list, root), ['schema/a.json', 'docs/b.md']);
  await writeFiles(list, root);
  assert.deepEqual(await staleFiles(list, root), []);
  await writeFile(new URL('docs/b.md', root), 'b\n\n');
  assert.deepEqual(await staleFiles(list, root), ['docs/b.md']);
});
