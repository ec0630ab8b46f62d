/** Settings that contradict each other are errors that name both; a bound that is written below a default is none. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { ConfigError } from '#config/index';
import { loadText } from '../../tests/helpers/config-text.ts';

const providers = { one: { kind: 'simulator' } };
const target = { provider: 'one', model: 'm' };
const api = { baseUrl: 'https://api.example' };

function problemsOf(t: TestContext, config: Record<string, unknown>, env: Record<string, string> = {}): string[] {
  try {
    loadText(t, JSON.stringify({ providers, ...config }), { env });
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems.map(({ path, message }) => `${path} ${message}`);
  }
}

describe('a configuration', () => {
  const contradictions: readonly [string, Record<string, unknown>, RegExp][] = [
    [
      'a circuit that is open for longer than the longest',
      { resilience: { breaker: { openMs: 60_000, openMsMax: 20_000 } } },
      /^resilience\.breaker\.openMs is 60000, and resilience\.breaker\.openMsMax is 20000: .*Lower this one, or raise that$/,
    ],
    [
      'one of an external API',
      { external: { a: { ...api, breaker: { openMs: 40_000, openMsMax: 30_000 } } } },
      /^external\.a\.breaker\.openMs is 40000, and external\.a\.breaker\.openMsMax is 30000/,
    ],
    [
      'a first wait over the longest',
      { resilience: { retry: { baseMs: 500, maxMs: 100 } } },
      /^resilience\.retry\.baseMs is 500, and resilience\.retry\.maxMs is 100/,
    ],
    [
      'one of the calls of an external API',
      { external: { a: { ...api, retry: { baseMs: 500, maxMs: 100 } } } },
      /^external\.a\.retry\.baseMs is 500, and external\.a\.retry\.maxMs is 100/,
    ],
  ];
  for (const [name, config, message] of contradictions)
    it(`is refused with ${name}`, (t) => {
      const problems = problemsOf(t, config);
      assert.equal(problems.length, 1, problems.join('\n'));
      assert.match(problems[0] ?? '', message);
    });

  it('may have a first wait over what is the longest by default, which then is as long', (t) => {
    const written = { resilience: { breaker: { openMs: 60_000 } } };
    const { breaker } = loadText(t, JSON.stringify({ providers, ...written }), { env: {} }).config.resilience;
    assert.deepEqual([breaker.openMs, breaker.openMsMax], [60_000, 60_000]);
  });

  it('may have a timer that another one ends', (t) => {
    const timeouts = { connectMs: 5_000, firstTokenMs: 1_500, totalMs: 4_000 };
    const config = {
      routes: { r: { groups: [[target]], hedge: { afterMs: 9_000 }, timeouts } },
      external: { a: { ...api, timeoutMs: 90_000, breaker: { openMs: 40_000 } } },
      storage: { slowQueryMs: 5_000 },
    };
    assert.deepEqual(problemsOf(t, config), []);
  });

  it('may bound what is a default by less, and be equal', (t) => {
    const config = {
      resilience: { breaker: { openMsMax: 10 }, retry: { maxMs: 0 }, timeouts: { totalMs: 1_000 } },
      routes: { r: { groups: [[target]], timeouts: { totalMs: 500, idleMs: 500 } } },
      external: { a: { ...api, deadlineMs: 1_000, retry: { maxMs: 0 } } },
      server: { webSocket: { runsInFlightMax: 1 } },
      storage: { pool: { statementTimeoutMs: 50 } },
    };
    assert.deepEqual(problemsOf(t, config), []);
  });
});
