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
      'a circuit that is open for longer than the longest, which is a default',
      { resilience: { breaker: { openMs: 60_000 } } },
      /^resilience\.breaker\.openMs is 60000, and resilience\.breaker\.openMsMax is 30000: .*Lower this one, or raise that$/,
    ],
    [
      'one of an external API, beyond the longest of all',
      { external: { a: { ...api, breaker: { openMs: 40_000 } } } },
      /^external\.a\.breaker\.openMs is 40000, and resilience\.breaker\.openMsMax is 30000/,
    ],
    [
      'a first wait over the longest',
      { resilience: { retry: { baseMs: 500, maxMs: 100 } } },
      /^resilience\.retry\.baseMs is 500, and resilience\.retry\.maxMs is 100/,
    ],
    [
      'a timer of a call over the whole call',
      { resilience: { timeouts: { firstTokenMs: 700_000 } } },
      /^resilience\.timeouts\.firstTokenMs is 700000, and resilience\.timeouts\.totalMs is 600000/,
    ],
    [
      'a timer of a route over its own whole',
      { routes: { r: { groups: [[target]], timeouts: { idleMs: 9_000, totalMs: 5_000 } } } },
      /^routes\.r\.timeouts\.idleMs is 9000, and routes\.r\.timeouts\.totalMs is 5000/,
    ],
    [
      'a timer of a deployment over the whole of its route',
      { routes: { r: { groups: [[{ ...target, timeouts: { connectMs: 6_000 } }]], timeouts: { totalMs: 5_000 } } } },
      /^routes\.r\.groups\[0\]\[0\]\.timeouts\.connectMs is 6000, and routes\.r\.timeouts\.totalMs is 5000/,
    ],
    [
      'a hedge after the end',
      { routes: { r: { groups: [[target]], hedge: { afterMs: 9_000 }, timeouts: { totalMs: 5_000 } } } },
      /^routes\.r\.hedge\.afterMs is 9000, and routes\.r\.timeouts\.totalMs is 5000/,
    ],
    [
      'an attempt over its deadline',
      { external: { a: { ...api, timeoutMs: 90_000 } } },
      /^external\.a\.timeoutMs is 90000, and external\.a\.deadlineMs is 60000/,
    ],
    [
      'more runs on one socket than on all',
      { server: { webSocket: { runsMax: 50, runsInFlightMax: 40 } } },
      /^server\.webSocket\.runsMax is 50, and server\.webSocket\.runsInFlightMax is 40/,
    ],
    [
      'a slow query that would have ended',
      { storage: { slowQueryMs: 5_000 } },
      /^storage\.slowQueryMs is 5000, and storage\.pool\.statementTimeoutMs is 2000/,
    ],
  ];
  for (const [name, config, message] of contradictions)
    it(`is refused with ${name}`, (t) => {
      const problems = problemsOf(t, config);
      assert.equal(problems.length, 1, problems.join('\n'));
      assert.match(problems[0] ?? '', message);
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
