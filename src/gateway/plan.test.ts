/** Whom a call goes to next, draw by draw, and what becomes of those who were put back. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { UpstreamError } from '#core/errors';
import type { Provider } from '#contract/provider';
import type { Classified } from './classify.ts';
import { Deployment } from './deployment.ts';
import { Plan } from './plan.ts';
import type { Candidate } from './plan.ts';
import { GATEWAY_DEFAULTS } from './settings.ts';
import type { GatewaySettings, Strategy } from './settings.ts';

const never = (): never => assert.fail('a plan calls nobody');
const provider: Provider = {
  name: 'p',
  kind: 'test',
  address: 'https://upstream.example/v1',
  prefill: false,
  complete: never,
  stream: never,
  models: never,
  close: never,
};

interface Options {
  readonly strategy?: Strategy;
  readonly fallback?: boolean;
  readonly settings?: Partial<GatewaySettings>;
  /** What chance gives, in turn. */
  readonly draws?: readonly number[];
  /** Repeats that the budget allows. */
  readonly repeats?: number;
}

/** Groups of models by weight. */
function planOf(groups: readonly Readonly<Record<string, number>>[], options: Options = {}) {
  const { strategy, fallback = true, settings, draws = [], repeats = Number.POSITIVE_INFINITY } = options;
  const choices = groups.map((group) =>
    Object.entries(group).map(([model, weight]) => ({
      deployment: new Deployment(provider, model),
      weight,
      timeouts: undefined,
    })),
  );
  const left = { draws: [...draws], repeats };
  const counted = { calls: 0, exhausted: 0 };
  const plan = new Plan({
    route: { name: 'm', groups: choices, settings: { groups: [], strategy } },
    stream: false,
    fallback,
    settings: { ...GATEWAY_DEFAULTS, ...settings },
    clock: new VirtualClock(),
    random: { next: () => left.draws.shift() ?? 0 },
    retryBudget: { recordCall: () => void counted.calls++, tryRetry: () => left.repeats-- > 0 },
    onBudgetExhausted: () => void counted.exhausted++,
  });
  return { plan, counted };
}

const model = (candidate: Candidate | null): string | null => candidate?.choice.deployment.model ?? null;

function failure(retryAfterMs?: number): Classified {
  const error = new UpstreamError('upstream_timeout', 'It failed.');
  return { outcome: 'status', verdict: 'retry_same', breaker: 'failure', status: 503, retryAfterMs, error };
}

describe('a draw by weight', () => {
  for (const [drawn, expected] of [
    [0, 'a'],
    [0.249, 'a'],
    [0.25, 'b'],
    [0.999, 'b'],
  ] as const)
    it(`gives ${expected} at ${drawn} of 1 and 3, and never what has no weight`, () => {
      const { plan } = planOf([{ a: 1, b: 3, none: 0 }], { draws: [drawn] });
      assert.equal(model(plan.next()), expected);
    });

  it('gives what has no weight when nobody else is left', () => {
    const { plan } = planOf([{ none: 0, a: 1 }], { draws: [0.5] });
    assert.deepEqual([model(plan.next()), model(plan.next()), plan.next()], ['a', 'none', null]);
  });

  for (const [drawn, expected] of [
    [0.33, 'a'],
    [0.34, 'b'],
    [0.67, 'c'],
  ] as const)
    it(`is even where nobody has a weight: ${expected} at ${drawn}`, () => {
      assert.equal(model(planOf([{ a: 0, b: 0, c: 0 }], { draws: [drawn] }).plan.next()), expected);
    });

  it('decides among the equals of another strategy', () => {
    const drawn = [0.1, 0.9].map((draw) =>
      model(planOf([{ a: 1, b: 1 }], { strategy: 'least-busy', draws: [draw] }).plan.next()),
    );
    assert.deepEqual(drawn, ['a', 'b']);
  });
});

describe('who was put back', () => {
  it('is asked before all others, once, in the order of their return', () => {
    const { plan } = planOf([{ a: 1 }, { b: 1 }, { c: 1 }]);
    const [a, b] = [plan.next(), plan.next()];
    assert.ok(a !== null && b !== null);
    plan.putBack(b.choice);
    plan.putBack(a.choice);
    const asked = [plan.next(), plan.next(), plan.next(), plan.next()];
    assert.deepEqual(asked.map(model), ['b', 'a', 'c', null]);
    assert.equal(asked[0]?.reason, 'asked again, from the start');
  });

  it('by a hedge that the budget forbids is as untried as before', () => {
    const { plan, counted } = planOf([{ a: 1 }, { b: 1 }], { repeats: 0 });
    plan.next();
    plan.dispatched();
    assert.equal(plan.beside(), null);
    assert.deepEqual(counted, { calls: 1, exhausted: 1 });
    assert.equal(model(plan.next()), 'b');
  });
});

describe('the attempts of a call', () => {
  it('are bounded by those that went out: one that did not is none', () => {
    const { plan } = planOf([{ a: 1 }, { b: 1 }, { c: 1 }], { settings: { attemptsMax: 2 } });
    plan.next();
    plan.dispatched();
    plan.withdrawn();
    assert.equal(plan.next()?.kind, 'first');
    plan.dispatched();
    assert.equal(plan.next()?.kind, 'fallback');
    plan.dispatched();
    assert.deepEqual([plan.next(), plan.beside(), plan.stop], [null, null, 'attempts_spent']);
  });

  it('earn their share of retries once', () => {
    const { plan, counted } = planOf([{ a: 1 }]);
    plan.sent();
    plan.sent();
    assert.equal(counted.calls, 1);
  });

  it('are one where no fallback is wanted, which may be made again', () => {
    const { plan } = planOf([{ a: 1 }, { b: 1 }], { fallback: false });
    const first = plan.next();
    assert.ok(first !== null);
    assert.equal(plan.beside(), null);
    plan.failed(first.choice, failure());
    assert.equal(model(plan.next()), 'a');
    assert.deepEqual([plan.next(), plan.stop], [null, 'no_fallback']);
  });
});

describe('a repeat', () => {
  const retry = { retries: 3, baseMs: 100, maxMs: 250 };

  it('takes the longest ago first, after a pause that doubles up to a bound', () => {
    const { plan } = planOf([{ a: 1 }, { b: 1 }], { settings: { retry }, draws: [0.5, 0.5, 0.5] });
    for (const tried of [plan.next(), plan.next()]) if (tried !== null) plan.failed(tried.choice, failure());
    const repeats = [plan.next(), plan.next()];
    if (repeats[0]) plan.failed(repeats[0].choice, failure());
    repeats.push(plan.next(), plan.next());
    assert.deepEqual(repeats.map(model), ['a', 'b', 'a', null]);
    assert.deepEqual(
      repeats.map((each) => each?.backoffMs),
      [50, 100, 125, undefined],
    );
    assert.equal(plan.stop, 'nobody_left');
  });

  it('waits as long as the upstream asked, and asks another where that is too long', () => {
    const { plan } = planOf([{ a: 1 }, { b: 1 }], { settings: { retry } });
    for (const [tried, afterMs] of [[plan.next(), 251] as const, [plan.next(), 250] as const])
      if (tried !== null) plan.failed(tried.choice, failure(afterMs));
    const repeat = plan.next();
    assert.deepEqual([model(repeat), repeat?.backoffMs], ['b', 250]);
    assert.deepEqual([plan.next(), plan.stop], [null, 'pause_too_long']);
  });

  it('is made no more often than was said, and none without leave of the budget', () => {
    for (const [options, stop] of [
      [{ settings: { retry: { ...retry, retries: 1 } } }, 'retries_spent'],
      [{ settings: { retry }, repeats: 1 }, 'retry_budget'],
    ] as const) {
      const { plan } = planOf([{ a: 1 }], options);
      for (let count = 0; count < 2; count++) {
        const tried = plan.next();
        assert.equal(model(tried), 'a');
        if (tried !== null) plan.failed(tried.choice, failure());
      }
      assert.deepEqual([plan.next(), plan.stop], [null, stop]);
    }
  });
});
