/** Secrets given as files: taken, refused with their name and never their content. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { Secret } from '#core/secret';
import { loadText } from '../../tests/helpers/config-text.ts';
import { ConfigError } from './problem.ts';
import { withSecretFiles } from './secret-files.ts';

function fileWith(t: TestContext, text: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-secret-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'secret');
  writeFileSync(file, text);
  return file;
}

describe('a secret in a file', () => {
  it('stands for the variable, without the line end', (t) => {
    const file = fileWith(t, 'postgres://u:p@h/d\n');
    assert.deepEqual(withSecretFiles({ DATABASE_URL_FILE: file }), {
      DATABASE_URL_FILE: file,
      DATABASE_URL: 'postgres://u:p@h/d',
    });
    const text = 'providers: { a: { kind: openai-compatible, baseUrl: "http://h", apiKey: "${OPENAI_API_KEY}" } }';
    const { config } = loadText(t, text, { env: { DATABASE_URL_FILE: file, OPENAI_API_KEY_FILE: file } });
    assert.equal(config.storage.url?.reveal(), 'postgres://u:p@h/d');
    assert.ok(config.providers['a']?.settings['apiKey'] instanceof Secret, 'also where the file refers to it');
  });

  it('is refused by name where it is missing, empty, or given twice', (t) => {
    const refused = (env: Record<string, string>, expected: RegExp): void =>
      assert.throws(
        () => withSecretFiles(env),
        (error) => error instanceof ConfigError && expected.test(error.message) && !/sk-1/.test(error.message),
      );
    refused({ OPENAI_API_KEY_FILE: '/none' }, /env OPENAI_API_KEY_FILE.*ENOENT/);
    refused({ OPENAI_API_KEY_FILE: fileWith(t, ' \n') }, /is empty/);
    refused({ OPENAI_API_KEY_FILE: fileWith(t, 'sk-1'), OPENAI_API_KEY: 'sk-2' }, /OPENAI_API_KEY is set as well/);
  });

  it('leaves the files of other programs alone', () => {
    const env = { SSH_KEY_FILE: '/none', POSTGRES_PASSWORD_FILE: '/none' };
    assert.deepEqual(withSecretFiles(env), env);
  });
});
