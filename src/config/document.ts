/**
 * The shape of the file as documents: `schema/config.json`, which editors complete and check a file with. It says what a person
 * may write, not what the program holds: whatever has a default may be left out, and any value may be a `${NAME}` reference.
 */
import { Type } from 'typebox';
import type { TSchema } from 'typebox';
import { externalSchema } from './external.ts';
import { priceSchema } from './prices.ts';
import { routeSchema } from './routes.ts';
import { propertiesOf, sections } from './schema.ts';
import type { KindSchema } from './schema.ts';

type Json = Readonly<Record<string, unknown>>;

/** The text of `schema/config.json`. */
export function configJson(kinds: readonly KindSchema[]): string {
  const document = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'revoagent.yaml',
    definitions: {
      reference: {
        type: 'string',
        pattern: String.raw`\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}`,
        description: 'An environment variable: ${NAME}, or ${NAME:-default}.',
      },
    },
    ...written(fileSchema(kinds)),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function fileSchema(kinds: readonly KindSchema[]): Json {
  const strict = { additionalProperties: false };
  const provider = Type.Union(
    kinds.map(({ kind, settings }) =>
      Type.Object({ kind: Type.Literal(kind, { description: 'What it speaks.' }), ...propertiesOf(settings) }, strict),
    ),
  );
  const schema: TSchema = Type.Partial(
    Type.Object({
      $schema: Type.String({ description: 'Where an editor finds this schema.' }),
      ...sections,
      providers: Type.Record(Type.String(), provider, {
        description: 'Upstreams by name. Without any, those that the environment has keys for are found.',
      }),
      routes: Type.Record(Type.String(), routeSchema, {
        description:
          'Model names, or patterns that end in *, and what serves them. Without any, each provider serves its name/*.',
      }),
      external: Type.Record(Type.String(), externalSchema, {
        description: 'Other HTTP APIs by name, called as /api/external/<name>/….',
      }),
      prices: Type.Record(Type.String(), priceSchema, {
        description: 'What deployments cost: by provider/model, or by a pattern that ends in *.',
      }),
    }),
    strict,
  );
  const plain: unknown = JSON.parse(JSON.stringify(schema));
  return isRecord(plain) ? plain : {};
}

/** The schema of what is written, from that of what is meant. */
function written(schema: Json): Json {
  const { required, properties, patternProperties, items, anyOf, secret, ...rest } = schema;
  const inner = {
    ...(isRecord(properties) ? { properties: mapped(properties) } : {}),
    ...(isRecord(patternProperties) ? { patternProperties: mapped(patternProperties) } : {}),
    ...(isRecord(items) ? { items: written(items) } : {}),
    ...(Array.isArray(anyOf) ? { anyOf: anyOf.filter(isRecord).map(written) } : {}),
    ...needed(required, properties),
  };
  if (secret === true) {
    const advice = 'A secret: better a reference than the value itself.';
    const description = [rest['description'], advice].filter(Boolean).join(' ');
    return referable({ ...rest, description, writeOnly: true });
  }
  return referable({ ...rest, ...inner });
}

/** A text takes any reference as it is; what is narrower must say that it takes one too. */
function referable(schema: Json): Json {
  const { type, enum: oneOf, pattern, description, default: initial, writeOnly, ...bounds } = schema;
  const narrow =
    type === 'integer' || type === 'number' || type === 'boolean' || oneOf !== undefined || pattern !== undefined;
  if (!narrow) return schema;
  return {
    description,
    default: initial,
    writeOnly,
    anyOf: [{ type, enum: oneOf, pattern, ...bounds }, { $ref: '#/definitions/reference' }],
  };
}

function needed(required: unknown, properties: unknown): Json {
  if (!Array.isArray(required) || !isRecord(properties)) return {};
  const left = required.filter((name) => {
    const property = properties[String(name)];
    return !(isRecord(property) && ('default' in property || allOptional(property)));
  });
  return left.length === 0 ? {} : { required: left };
}

/** A section whose every key has a default has one itself. */
function allOptional(schema: Json): boolean {
  return schema['type'] === 'object' && !('required' in written(schema)) && 'properties' in schema;
}

function mapped(schemas: Json): Json {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [name, isRecord(schema) ? written(schema) : schema]),
  );
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
