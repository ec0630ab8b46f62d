/**
 * A minute in which an upstream is out of order, with one request every 4 s and the hub's own default settings but for the limits on
 * silence, which are short enough for a caller to be answered before he asks again: it is not hammered, it is used again soon after it is
 * well, and callers are served by the fallback all the time. For every provider kind; time is virtual. And outages of any length with the
 * default limits too, by callers who do not wait for each other.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { loadConfig } from '#config/index';
import { providerKinds } from '#providers/index';
import { RetryBudget } from '#resilience/index';
import { answersHtml, neverAnswers, resets } from '../helpers/upstream.ts';
import type { Behaviour, Upstream } from '../helpers/upstream.ts';
import { plainResult, startBench, streamResult } from './harness.ts';
import type { Bench, Result } from './harness.ts';
import { KINDS, kindAnswers, kindRefuses, providerOf, startKindUpstream } from './kinds.ts';
import type { KindUnderTest } from './kinds.ts';

const EVERY_MS = 4_000;
const OUTAGE_MS = 60_000;
const BACK_WITHIN_MS = 30_000;
const ATTEMPTS_MAX = 8;

const { resilience } = loadConfig({ kinds: providerKinds, env: {}, cwd: import.meta.dirname }).config;

interface Scene {
  readonly bench: Bench;
  readonly primary: Upstream;
  readonly fallback: Upstream | null;
}

const fromPrimary = (kind: KindUnderTest): Behaviour => kindAnswers(kind, ['From the primary.']);

async function startScene(t: TestContext, kind: KindUnderTest, withFallback: boolean): Promise<Scene> {
  const primary = await startKindUpstream(t, kind);
  primary.otherwise = fromPrimary(kind);
  const fallback = withFallback ? await startKindUpstream(t, kind) : null;
  if (fallback !== null) fallback.otherwise = kindAnswers(kind, ['From the fallback.']);
  const { breaker, retry, retryBudget, timeouts, concurrentMax } = resilience;
  const bench = startBench(t, {
    providers: {
      primary: providerOf(kind, primary),
      ...(fallback === null ? {} : { fallback: providerOf(kind, fallback) }),
    },
    breaker,
    settings: { retry, concurrentMax, timeouts: { ...timeouts, firstTokenMs: 2_000, totalMs: 3_500 } },
    retryBudget: new RetryBudget({ ratio: retryBudget }),
  });
  return { bench, primary, fallback };
}

/** One request, with the clock moved as far as it needs, then on to the next full 4 s. */
async function ask({ bench }: Scene, stream: boolean): Promise<Result> {
  const startedAt = bench.clock.now();
  const asked = stream ? streamResult(bench) : plainResult(bench);
  const ended = bench.runs.length + 1;
  for (let turn = 0; bench.runs.length < ended; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    // Sockets have had several turns: what is still silent waits for the clock.
    if (turn % 20 === 19 && bench.clock.now() - startedAt < EVERY_MS) await bench.clock.advance(100);
  }
  await bench.clock.advance(startedAt + EVERY_MS - bench.clock.now());
  return asked;
}

function outages(kind: KindUnderTest): Readonly<Record<string, Behaviour>> {
  const whole = {
    'answers 503': kindRefuses(kind, { ...kind.errors.failed, status: 503 }),
    'is silent': neverAnswers,
  };
  // How a connection ends does not hang on what is said over it.
  return kind === KINDS[0]
    ? { ...whole, 'answers an HTML page with 502': answersHtml(502), 'resets every connection': resets }
    : whole;
}

for (const kind of KINDS) {
  describe(`a minute without the primary, of the kind ${kind.kind}`, () => {
    for (const [name, behaviour] of Object.entries(outages(kind))) {
      for (const withFallback of kind === KINDS[0] ? [true, false] : [true]) {
        for (const stream of [false, true]) {
          const form = `${stream ? 'stream' : 'plain'}, ${withFallback ? 'with' : 'without'} a fallback`;
          it(`that ${name}: at most ${ATTEMPTS_MAX} attempts reach it, and it is used again within 30 s (${form})`, (t) =>
            comesBack(t, kind, behaviour, { withFallback, stream }));
        }
      }
    }

    it('in which it flaps every few seconds: every caller is served, and it is asked no more than once a request', async (t) => {
      const scene = await startScene(t, kind, true);
      const { bench, primary } = scene;
      const unavailable = kindRefuses(kind, { ...kind.errors.failed, status: 503 });
      let requests = 0;
      const end = bench.clock.now() + OUTAGE_MS;
      while (bench.clock.now() < end) {
        primary.otherwise = requests % 3 === 2 ? fromPrimary(kind) : unavailable;
        assert.equal((await ask(scene, requests % 2 === 0)).error, null);
        requests++;
      }
      assert.ok(primary.received.length <= requests);
      primary.otherwise = fromPrimary(kind);
      const texts: string[] = [];
      const back = bench.clock.now() + BACK_WITHIN_MS;
      while (bench.clock.now() <= back) texts.push((await ask(scene, false)).text);
      assert.equal(texts.at(-1), 'From the primary.');
    });
  });
}

async function comesBack(
  t: TestContext,
  kind: KindUnderTest,
  behaviour: Behaviour,
  { withFallback, stream }: { withFallback: boolean; stream: boolean },
): Promise<void> {
  const scene = await startScene(t, kind, withFallback);
  const { bench, primary, fallback } = scene;
  assert.equal((await ask(scene, stream)).text, 'From the primary.');
  const before = primary.received.length;
  primary.otherwise = behaviour;
  const outageEnd = bench.clock.now() + OUTAGE_MS;
  while (bench.clock.now() < outageEnd) {
    const { text, error } = await ask(scene, stream);
    if (fallback === null) assert.notEqual(error, null);
    // A plain answer has no first token: where the primary is silent only the total ends the wait, and nobody is left.
    else if (behaviour !== neverAnswers || stream) assert.equal(text, 'From the fallback.');
  }
  const attempts = primary.received.length - before;
  assert.ok(attempts <= ATTEMPTS_MAX, `${attempts} attempts reached it`);
  assert.ok(attempts >= 5);
  primary.otherwise = fromPrimary(kind);
  const wellAt = bench.clock.now();
  let backAt = Number.POSITIVE_INFINITY;
  while (backAt === Number.POSITIVE_INFINITY && bench.clock.now() - wellAt <= 2 * BACK_WITHIN_MS) {
    const askedAt = bench.clock.now();
    if ((await ask(scene, stream)).text === 'From the primary.') backAt = askedAt;
  }
  assert.ok(backAt - wellAt <= BACK_WITHIN_MS, `back after ${backAt - wellAt} ms`);
}

describe('an outage of any length, with the default limits on silence and callers who do not wait for each other', () => {
  const [kind] = KINDS;
  assert.ok(kind);
  for (const [name, behaviour] of [
    ['answers 503', kindRefuses(kind, { ...kind.errors.failed, status: 503 })],
    ['is silent', neverAnswers],
  ] as const) {
    it(`in which the primary ${name}: it is used again within 30 s of its recovery`, async (t) => {
      for (let outageMs = OUTAGE_MS; outageMs <= 4 * OUTAGE_MS; outageMs += 5 * EVERY_MS) {
        const backMs = await backAfter(t, kind, behaviour, outageMs);
        assert.ok(backMs <= BACK_WITHIN_MS, `after ${outageMs} ms without it, it was back after ${backMs} ms`);
      }
    });
  }
});

/** Asks every 4 s, whether or not the last has its answer; returns when, after the recovery, the first was asked whom the primary answers. */
async function backAfter(t: TestContext, kind: KindUnderTest, behaviour: Behaviour, outageMs: number): Promise<number> {
  const primary = await startKindUpstream(t, kind);
  const fallback = await startKindUpstream(t, kind);
  primary.otherwise = behaviour;
  const { breaker, retry, retryBudget, timeouts, concurrentMax } = resilience;
  const bench = startBench(t, {
    providers: { primary: providerOf(kind, primary), fallback: providerOf(kind, fallback) },
    breaker,
    settings: { retry, concurrentMax, timeouts },
    retryBudget: new RetryBudget({ ratio: retryBudget }),
  });
  let backAt = Number.POSITIVE_INFINITY;
  const askAt = async (at: number): Promise<void> => {
    void streamResult(bench).then(({ text, error }) => {
      assert.equal(error, null);
      if (text === 'From the primary.') backAt = Math.min(backAt, at);
    });
    for (let second = 0; second < EVERY_MS; second += 1_000) {
      for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
      await bench.clock.advance(1_000);
    }
  };
  for (let at = 0; at < outageMs; at += EVERY_MS) await askAt(at);
  primary.otherwise = fromPrimary(kind);
  for (let at = outageMs; at <= outageMs + 2 * BACK_WITHIN_MS; at += EVERY_MS) await askAt(at);
  return backAt - outageMs;
}
