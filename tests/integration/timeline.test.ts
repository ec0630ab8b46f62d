/** What `runs list` and `runs show` print for a person: with and without colours, and of names that mean harm. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { runExample } from '#http/wire/run';
import { runLines, runTimeline } from '../../src/cli/timeline.ts';

const HOSTILE = 'x\u001B[8m\u009B2J\r\nrun_fake  succeeded';
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const CONTROL = /[\u0000-\u0009\u000B-\u001F\u007F-\u009F]/;

describe('a run for a person', () => {
  it('has no control character without colours, and the same text with them', () => {
    for (const shown of [
      (colours: boolean) => runTimeline(runExample, colours),
      (colours: boolean) => runLines([runExample, { ...runExample, status: 'failed' }], colours),
    ]) {
      assert.doesNotMatch(shown(false), CONTROL);
      assert.match(shown(true), CONTROL);
      assert.equal(stripVTControlCharacters(shown(true)), shown(false));
    }
  });

  it('cannot steer the terminal or forge a line by the name of a model', () => {
    const hostile = { deployment: HOSTILE, model: HOSTILE, reason: HOSTILE, next: HOSTILE };
    const run = {
      ...runExample,
      requestedModel: HOSTILE,
      model: HOSTILE,
      route: HOSTILE,
      attempts: runExample.attempts.map((attempt) => ({ ...attempt, ...hostile })),
    };
    for (const text of [runTimeline(run, false), runLines([run], false)]) {
      assert.doesNotMatch(text, CONTROL);
      assert.ok(text.includes('run_fake') && !/^run_fake/m.test(text));
    }
  });

  it('shows every attempt with why, circuit, outcome, timings, cost and what came next; unknown cost as unknown', () => {
    const text = runTimeline(runExample, false);
    for (const { number, deployment, reason, outcomeText, next } of runExample.attempts) {
      assert.ok(text.includes(`\n${number}  ${deployment}`));
      for (const words of [reason, outcomeText, next]) assert.ok(text.includes(words), words);
    }
    assert.match(text, /circuit +closed before, closed after/);
    assert.match(text, /timings +connect 9\.8 ms, first token 202 ms, stream 514 ms, total 715 ms/);
    assert.match(text, /cost +unknown, tokens unknown in, unknown out\n[^]*cost +\$0\.000041, tokens 12 in, 48 out/);
  });
});
