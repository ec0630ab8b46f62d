/** What is a line of the journal or a reservation, and what is none: nothing is guessed out of half of one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Settlement, UsageDispatch } from '#contract/ledger';
import { dispatchLine, isRow, parseLine, parseReservation, settlementLine } from './lines.ts';

const dispatch: UsageDispatch = {
  id: 'run_1.1',
  runId: 'run_1',
  projectId: 'prj_1',
  keyId: null,
  route: null,
  requestedModel: 'm',
  deployment: 'one/m',
  provider: 'one',
  model: 'm',
  kind: 'first',
  startedWallMs: 1_767_225_600_000,
  estimatedPromptTokens: 4,
};
const settlement: Settlement = {
  outcome: 'succeeded',
  promptTokens: 7,
  completionTokens: Number.MAX_SAFE_INTEGER,
  cachedTokens: 0,
  costMicroUsd: null,
  priceSource: null,
};
const row = { ...dispatch, ...settlement, state: 'settled' } as const;
const NO_TEXTS: readonly unknown[] = [undefined, null, 1, {}];
const NO_COUNTS: readonly unknown[] = [undefined, '7', 7.5, Number.MAX_SAFE_INTEGER + 1];

/** `value` with each of its fields as it must not be. */
function spoiled(value: object, fields: readonly string[], by: readonly unknown[]): [string, string][] {
  return fields.flatMap((field) =>
    by.map((bad): [string, string] => [
      `${field} is ${JSON.stringify(bad)}`,
      JSON.stringify({ ...value, [field]: bad }),
    ]),
  );
}

const TEXTS = ['id', 'runId', 'projectId', 'requestedModel', 'deployment', 'provider', 'model', 'kind'];
const COUNTS = ['promptTokens', 'completionTokens', 'cachedTokens', 'costMicroUsd'];

describe('a line of the journal', () => {
  it('says of a dispatch and of a settlement all that there was to say', () => {
    assert.deepEqual(parseLine(dispatchLine(dispatch)), { dispatch });
    assert.deepEqual(parseLine(settlementLine('run_1.1', settlement)), { of: 'run_1.1', settlement });
  });

  it('is none that was cut anywhere, nor one that is no object', () => {
    for (const line of [dispatchLine(dispatch).trimEnd(), settlementLine('run_1.1', settlement).trimEnd()])
      for (let end = 0; end < line.length; end++) assert.equal(parseLine(line.slice(0, end)), null);
    for (const text of ['null', '[]', '7', '""', `[${dispatchLine(dispatch)}]`]) assert.equal(parseLine(text), null);
  });

  it('is no dispatch without each of its texts and whole numbers', () => {
    const numbers = [...NO_COUNTS, null];
    for (const [what, text] of [
      ...spoiled(dispatch, TEXTS, NO_TEXTS),
      ...spoiled(dispatch, ['startedWallMs', 'estimatedPromptTokens'], numbers),
    ]) {
      assert.equal(parseLine(text), null, what);
      assert.equal(parseReservation(text), null, what);
    }
  });

  it('is no settlement without what it is of, an outcome, and counts that are whole or unknown', () => {
    const whole = { of: 'run_1.1', ...settlement };
    for (const [what, text] of [...spoiled(whole, ['of', 'outcome'], NO_TEXTS), ...spoiled(whole, COUNTS, NO_COUNTS)])
      assert.equal(parseLine(text), null, what);
  });
});

describe('a reservation', () => {
  const parsed = (text: string): UsageDispatch => parseReservation(text) ?? assert.fail(text);

  it('is a dispatch, or the row that it became', () => {
    assert.equal(isRow(parsed(JSON.stringify(dispatch))), false);
    const found = parsed(JSON.stringify(row));
    assert.deepEqual([isRow(found), found], [true, row]);
  });

  it('is a dispatch alone where what it became is not whole, or not known', () => {
    for (const [what, text] of [
      ...spoiled(row, ['outcome'], NO_TEXTS),
      ...spoiled(row, COUNTS, NO_COUNTS),
      ...spoiled(row, ['state'], ['interrupted', null]),
    ])
      assert.equal(isRow(parsed(text)), false, what);
  });
});
