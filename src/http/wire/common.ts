/** Schemas that several operations share. */
import type { TSchema } from 'typebox';
import { Type } from 'typebox';
import { limits } from '#core/limits';

export const strict = { additionalProperties: false } as const;

export function nullable<S extends TSchema>(schema: S, description: string) {
  return Type.Union([schema, Type.Null()], { description });
}

/** Text that a database takes as it is. */
export const storable = { pattern: String.raw`^[^\u0000]*$`, patternMeaning: 'must not hold the character U+0000' };

export const timestamp = Type.String({ format: 'date-time', description: 'ISO 8601, UTC.' });

export function isoTime(wallMs: number): string {
  return new Date(wallMs).toISOString();
}

const PAGE_ROWS_DEFAULT = 50;
/** Up to `limits.pageRowsMax` = 200. Query values are text, and text they stay: nothing is coerced. */
const ROWS_PATTERN = '^(?:[1-9][0-9]?|1[0-9]{2}|200)$';

/** The query of every list. */
export const pageQuery = Type.Object(
  {
    before: Type.Optional(
      Type.String({
        // No id has another shape, and a database refuses some texts that are none.
        pattern: '^[a-z]{3}_[0-9a-z]{26}$',
        patternMeaning: 'must be an id, as `nextBefore` gives it',
        description: 'Only rows older than this id: `nextBefore` of the page before.',
      }),
    ),
    limit: Type.Optional(
      Type.String({
        pattern: ROWS_PATTERN,
        patternMeaning: `must be a whole number from 1 to ${limits.pageRowsMax}`,
        description: `Rows of the page, 1 to ${limits.pageRowsMax}; ${PAGE_ROWS_DEFAULT} where it is not given.`,
        examples: ['20'],
      }),
    ),
  },
  strict,
);

export function pageOf(query: { before?: string; limit?: string }): { before?: string; limit: number } {
  const limit = query.limit === undefined ? PAGE_ROWS_DEFAULT : Number(query.limit);
  return query.before === undefined ? { limit } : { before: query.before, limit };
}

/** No query at all. */
export const noQuery = Type.Object({}, strict);

export function listSchema<S extends TSchema>(item: S) {
  return Type.Object({
    data: Type.Array(item),
    nextBefore: nullable(Type.String(), 'Give it as `before` for the next page; null on the last one.'),
  });
}

/** A page that is full may have a next one. */
export function listView<T extends { readonly id: string }>(
  data: readonly T[],
  limit: number,
): { data: readonly T[]; nextBefore: string | null } {
  return { data, nextBefore: data.length < limit ? null : (data.at(-1)?.id ?? null) };
}
