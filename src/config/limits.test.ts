/** The `limits` section: what may be said, and what is refused with its place and the nearest name. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { loadText } from '../../tests/helpers/config-text.ts';
import { ConfigError } from './problem.ts';

const routes = { 'gpt-4o': { groups: [[{ provider: 'local', model: 'm' }]] } };
const providers = { local: { kind: 'simulator' } };

function problemsOf(t: TestContext, limits: unknown): string[] {
  try {
    loadText(t, JSON.stringify({ providers, routes, limits }));
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ path, message }) => `${path} ${message}`);
  }
}

describe('limits', () => {
  it('are none where nothing is said, and those of each scope where something is', (t) => {
    const none = { default: {}, named: {} };
    const { limits } = loadText(t, '').config;
    assert.deepEqual(limits, {
      organisations: none,
      projects: none,
      keys: none,
      agents: none,
      routes: none,
      leaseMs: 30_000,
    });
    const keys = { default: { requestsPerMinute: 60 }, named: { key_1: { usdPerDay: 0.5 } } };
    assert.deepEqual(loadText(t, JSON.stringify({ limits: { keys } })).config.limits.keys, keys);
  });

  it('name what is unknown with the nearest that is known', (t) => {
    assert.match(problemsOf(t, { key: {} }).join(), /^limits\.key is not known; did you mean "keys"\?$/);
    const wrong = { keys: { named: { key_1: { requestPerMinute: 5 } } } };
    assert.match(problemsOf(t, wrong).join(), /^limits\.keys\.named\.key_1\.requestPerMinute .*"requestsPerMinute"/);
    assert.match(
      problemsOf(t, { routes: { named: { 'gpt-40': { concurrent: 1 } } } }).join(),
      /^limits\.routes\.named\.gpt-40 is not known; did you mean "gpt-4o"\?$/,
    );
  });

  it('are whole numbers from 1, and dollars from 0', (t) => {
    for (const settings of [{ requestsPerMinute: 0 }, { tokensPerMinute: 1.5 }, { usdPerDay: -1 }, { concurrent: '3' }])
      assert.equal(problemsOf(t, { projects: { default: settings } }).length, 1, JSON.stringify(settings));
    assert.deepEqual(problemsOf(t, { projects: { default: { usdPerMonth: 0 } } }), []);
  });
});
