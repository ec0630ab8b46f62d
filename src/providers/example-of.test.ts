/** What a caller's schema makes the simulator do is bounded, whatever the schema says. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { exampleOf } from './example-of.ts';

const CHARS_MAX = 1024 * 1024;

function nested(levels: number, within: (inner: object) => object, innermost: object): object {
  let schema = innermost;
  for (let level = 0; level < levels; level++) schema = within(schema);
  return schema;
}

const many = (inner: object): object => ({ type: 'array', minItems: 16, items: inner });
/** Each stands for a value of a million parts, or of a million characters many times. */
const BOMBS: Readonly<Record<string, object>> = {
  'arrays in arrays': nested(5, many, { type: 'boolean' }),
  'long texts in arrays': nested(4, many, { const: 'x'.repeat(1_000) }),
  'long names in arrays': nested(3, many, {
    type: 'object',
    required: ['n'.repeat(10_000)],
    properties: { ['n'.repeat(10_000)]: { type: 'null' } },
  }),
  'a text longer than all of it': { type: 'object', properties: { text: { const: 'x'.repeat(CHARS_MAX) } } },
  'a name longer than all of it': { type: 'object', properties: { ['n'.repeat(CHARS_MAX)]: { type: 'null' } } },
  'references to references': {
    $ref: '#/$defs/0',
    $defs: Object.fromEntries(
      [0, 1, 2, 3].map((level) => [
        level,
        {
          type: 'object',
          required: Array.from({ length: 50 }, (_, at) => `p${at}`),
          properties: Object.fromEntries(
            Array.from({ length: 50 }, (_, at) => [`p${at}`, level < 3 ? { $ref: `#/$defs/${level + 1}` } : {}]),
          ),
        },
      ]),
    ),
  },
};

describe('a value for a schema', () => {
  for (const [name, schema] of Object.entries(BOMBS))
    it(`is of bounded size for ${name}`, () => {
      assert.ok(JSON.stringify(exampleOf(schema)).length < CHARS_MAX);
    });

  it('is whole for a schema of ordinary size', () => {
    const person = {
      type: 'object',
      required: ['name', 'tags'],
      properties: {
        name: { $ref: '#/$defs/name' },
        tags: { type: 'array', minItems: 3, items: { enum: ['a', 'b'] } },
        age: { allOf: [{ type: 'integer', minimum: 7 }] },
      },
      $defs: { name: { type: 'string', minLength: 12 } },
    };
    assert.deepEqual(exampleOf(person), { name: 'simulated...', tags: ['a', 'a', 'a'], age: 7 });
  });
});
