/** Which statements get a name, and that there is an end of names. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createStatementNames } from './statement-names.ts';

it('a statement has a name of its own from its second time on, and keeps it', () => {
  const nameOf = createStatementNames();
  const asked = ['select 1', 'select 2', 'select 1', 'select 2', 'select 1'].map(nameOf);
  assert.deepEqual(asked, [undefined, undefined, 'revoagent_1', 'revoagent_2', 'revoagent_1']);
});

it('a transaction, a setting and a long batch never have one', () => {
  const nameOf = createStatementNames();
  for (const sql of [
    'begin',
    'commit',
    'set local statement_timeout = 5',
    `insert into t values ${'(1),'.repeat(2_000)}`,
  ])
    assert.deepEqual([nameOf(sql), nameOf(sql)], [undefined, undefined], sql.slice(0, 20));
});

it('where names are out, statements go without, and those that have one keep it', () => {
  const nameOf = createStatementNames(2);
  for (const sql of ['select 1', 'select 2', 'select 3']) nameOf(sql);
  assert.deepEqual(['select 1', 'select 2', 'select 3'].map(nameOf), ['revoagent_1', 'revoagent_2', undefined]);
  assert.equal(nameOf('select 1'), 'revoagent_1');
});
