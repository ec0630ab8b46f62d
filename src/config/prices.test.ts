import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { loadText } from '../../tests/helpers/config-text.ts';
import { ConfigError } from './problem.ts';
import type { Problem } from './problem.ts';

function refused(t: TestContext, config: Readonly<Record<string, unknown>>): readonly Problem[] {
  try {
    loadText(t, JSON.stringify(config));
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems;
  }
}

function problemsOf(t: TestContext, prices: unknown): string[] {
  return refused(t, { prices }).map(({ path }) => path);
}

describe('prices', () => {
  it('are taken as they are written, and there are none by default', (t) => {
    const prices = { 'openai/gpt-4o': { inputUsd: 2.5, outputUsd: 0 }, 'local/*': { inputUsd: 0, outputUsd: 0 } };
    assert.deepEqual(loadText(t, JSON.stringify({ prices })).config.prices, prices);
    assert.deepEqual(loadText(t, '').config.prices, {});
    assert.deepEqual(problemsOf(t, { '*': { inputUsd: 1, cachedInputUsd: 0.5, outputUsd: 1 } }), []);
  });

  it('are refused with their place where a key is missing or unknown, below 0, or no deployment could have the name', (t) => {
    assert.deepEqual(problemsOf(t, { 'a/b': { inputUsd: 1 } }), ['prices.a/b.outputUsd']);
    assert.deepEqual(problemsOf(t, { 'a/b': { inputUsd: -1, outputUsd: 1 } }), ['prices.a/b.inputUsd']);
    assert.deepEqual(problemsOf(t, { 'a/b': { inputUsd: 1, outputUsd: 1, input: 1 } }), ['prices.a/b.input']);
    for (const name of ['gpt-4o', '*/gpt-4o', ''])
      assert.equal(problemsOf(t, { [name]: { inputUsd: 1, outputUsd: 1 } }).length, 1, name);
    for (const wrong of [5, [], {}]) assert.deepEqual(problemsOf(t, wrong), ['prices']);
  });

  it('are refused for a provider that is not configured, with the nearest that is: they would never count', (t) => {
    const providers = { stub: { kind: 'simulator' } };
    const price = { inputUsd: 1, outputUsd: 1 };
    const problems = (name: string): string[] =>
      refused(t, { providers, prices: { [name]: price } }).map(({ path, message }) => `${path} ${message}`);
    for (const right of ['stub/gpt-4o', 'stub/*', 'st*', '*']) assert.deepEqual(problems(right), []);
    assert.deepEqual(problems('stubb/gpt-4o'), [
      'prices.stubb/gpt-4o has a provider, "stubb", that is not known; did you mean "stub"?',
    ]);
  });
});
