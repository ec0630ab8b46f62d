/** Every key of the configuration for people: `docs/settings.md`. */
import type { TSchema } from 'typebox';
import { externalSchema } from './external.ts';
import { priceSchema } from './prices.ts';
import { routeSchema } from './routes.ts';
import { propertiesOf, sections } from './schema.ts';
import type { KindSchema } from './schema.ts';

export function settingsMarkdown(kinds: readonly KindSchema[]): string {
  const parts = Object.entries(sections).map(([name, section]) =>
    part(`\`${name}\``, textOf(section, 'description'), rows(section, name)),
  );
  const kindParts = kinds.map(({ kind, settings }) =>
    part(`\`providers.<name>\`, kind \`${kind}\``, '', rows(settings, 'providers.<name>')),
  );
  return [
    '# Settings',
    '',
    'Every key of `revoagent.yaml`, generated from the schema by `npm run generate`. How the file is found, what comes before what',
    'and how it is reloaded: [configuration](configuration.md). For editors: [schema/config.json](../schema/config.json).',
    '',
    ...parts,
    ...kindParts,
    part('`routes.<model>`', textOf(routeSchema, 'description'), rows(routeSchema, 'routes.<model>')),
    part('`external.<name>`', textOf(externalSchema, 'description'), rows(externalSchema, 'external.<name>')),
    part('`prices.<provider/model>`', textOf(priceSchema, 'description'), rows(priceSchema, 'prices.<provider/model>')),
  ].join('\n');
}

function part(title: string, description: string, table: readonly string[]): string {
  const head = ['| key | value | default | meaning |', '|---|---|---|---|'];
  return [`## ${title}`, '', ...(description === '' ? [] : [description, '']), ...head, ...table, ''].join('\n');
}

function rows(schema: TSchema, path: string): string[] {
  return Object.entries(propertiesOf(schema)).flatMap(([name, inner]) => {
    const at = `${path}.${name}`;
    if (field(inner, 'type') === 'object' && Object.keys(propertiesOf(inner)).length > 0) return rows(inner, at);
    const { at: below, schema: entry } = entryOf(inner, at);
    const entries = below === at ? [] : rows(entry, below);
    const initial = field(inner, 'default');
    const meaning = textOf(inner, 'description').replaceAll('|', '\\|');
    return [
      `| \`${at}\` | ${valueOf(inner)} | ${initial === undefined ? '–' : `\`${JSON.stringify(initial)}\``} | ${meaning} |`,
      ...entries,
    ];
  });
}

/** What a list, or a list of lists, holds. */
function entryOf(schema: TSchema, at: string): { schema: TSchema; at: string } {
  const items = field(schema, 'items');
  return isSchema(items) ? entryOf(items, `${at}[]`) : { schema, at };
}

function valueOf(schema: TSchema): string {
  const literal = field(schema, 'const');
  if (literal !== undefined) return `\`${textOf(schema, 'const')}\``;
  const choices = field(schema, 'anyOf');
  if (Array.isArray(choices)) return choices.filter(isSchema).map(valueOf).join(' or ');
  const values = field(schema, 'enum');
  if (Array.isArray(values)) return values.map((value) => `\`${String(value)}\``).join(' or ');
  const type = textOf(schema, 'type');
  const items = field(schema, 'items');
  if (type === 'array' && isSchema(items)) return `list of ${valueOf(items)}`;
  const minimum = field(schema, 'minimum');
  const maximum = field(schema, 'maximum');
  const bounds =
    minimum === undefined
      ? ''
      : ` ${textOf(schema, 'minimum')}${maximum === undefined ? ' or more' : `–${textOf(schema, 'maximum')}`}`;
  return `${field(schema, 'secret') === true ? 'secret ' : ''}${type}${bounds}`;
}

function textOf(schema: unknown, name: string): string {
  const value = field(schema, name);
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function field(schema: unknown, name: string): unknown {
  return isRecord(schema) ? schema[name] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isSchema(value: unknown): value is TSchema {
  return isRecord(value);
}
