/** The Compose specification's own JSON schema, as the linter dclint ships it, over a compose file. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';

/** What the schema calls formats and JSON Schema does not know: Compose's own reading of them is not in the schema. */
const FORMATS = { duration: true, ports: true, expose: true, subnet_ip_address: true } as const;

function specification(): object {
  const folder = path.dirname(fileURLToPath(import.meta.resolve('dclint/package.json')));
  // It names a draft by an address that ajv has no meta-schema for; without the name ajv takes it as draft 7, which it is.
  const { $schema, ...schema } = JSON.parse(readFileSync(path.join(folder, 'schemas/compose.schema.json'), 'utf8')) as {
    $schema: string;
  };
  if (!$schema.includes('draft-07')) throw new Error(`the schema is no longer of draft 7: ${$schema}`);
  return schema;
}

const isCompose = new Ajv({ allErrors: true, strict: false, formats: FORMATS }).compile(specification());

/** Where the file is not as the specification says: the place, and what is wrong there. */
export function schemaProblems(compose: unknown): string[] {
  isCompose(compose);
  return (isCompose.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath || '/'} ${message} ${JSON.stringify(params)}`,
  );
}
