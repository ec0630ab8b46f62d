/** Loads a configuration from a text, as a file in a folder of its own that goes when the test ends; the environment is empty. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Type } from 'typebox';
import { loadConfig } from '#config/index';
import type { Loaded } from '#config/index';
import type { LoadOptions } from '#config/load';

/** The configuration room is below the providers: these have the shape of real kinds. */
export const kinds = [
  {
    kind: 'openai-compatible',
    settings: Type.Object(
      {
        baseUrl: Type.String({ pattern: '^https?://[^@]*$', description: 'An address.' }),
        apiKey: Type.Optional(Type.String({ secret: true })),
        headers: Type.Optional(Type.Record(Type.String(), Type.String({ secret: true }))),
        maxConnections: Type.Optional(Type.Integer({ minimum: 1, default: 512 })),
      },
      { additionalProperties: false },
    ),
  },
  { kind: 'simulator', settings: Type.Object({}, { additionalProperties: false }) },
];

export function loadText(
  t: TestContext,
  text: string | Uint8Array,
  more: Partial<LoadOptions> = {},
  name = 'revoagent.yaml',
): Loaded {
  const cwd = mkdtempSync(path.join(tmpdir(), 'revoagent-config-'));
  t.after(() => rmSync(cwd, { recursive: true, force: true }));
  writeFileSync(path.join(cwd, name), text);
  return loadConfig({ kinds, env: {}, cwd, ...more });
}
