/**
 * Every way in which an upstream fails, for every provider kind that has one, plain and streamed, in the words of its own protocol: what
 * the caller got, and what the upstream received. Nobody is told that half an answer is whole, and nobody is hammered.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { UpstreamError } from '#core/errors';
import { callerGone } from '#contract/gateway';
import { providerKinds } from '#providers/index';
import { answersHtml, answersRaw, event, gate, neverAnswers, resets, until } from '../helpers/upstream.ts';
import type { Behaviour, Upstream } from '../helpers/upstream.ts';
import type { Fault } from './faults.ts';
import { WORDS } from './faults.ts';
import { startBench } from './harness.ts';
import type { Bench, BenchOptions } from './harness.ts';
import { KINDS, kindAnswers, kindRefuses, kindStreams, providerOf, startKindUpstream } from './kinds.ts';
import type { KindUnderTest } from './kinds.ts';
import { FORMS, askers, assertTold, hubError } from './told.ts';

const once = { retry: { retries: 0, baseMs: 1, maxMs: 1 } };
const SPOKEN = WORDS.join('');

interface Scene {
  readonly bench: Bench;
  readonly one: Upstream;
  /** The fallback of the same kind, where there is one. */
  readonly two: Upstream;
}

async function startScene(
  t: TestContext,
  kind: KindUnderTest,
  { fallback = false, settings = once }: { fallback?: boolean; settings?: BenchOptions['settings'] } = {},
): Promise<Scene> {
  const [one, two] = [await startKindUpstream(t, kind), await startKindUpstream(t, kind)];
  const providers = { one: providerOf(kind, one), ...(fallback ? { two: providerOf(kind, two) } : {}) };
  return { bench: startBench(t, { providers, ...(settings === undefined ? {} : { settings }) }), one, two };
}

/** What comes instead of an answer. */
function refusals(kind: KindUnderTest): Fault[] {
  const { failed, limited, credentials } = kind.errors;
  const says = (name: string, behaviour: Behaviour, code: Fault['code'], outcome: Fault['outcome']): Fault => ({
    name,
    behaviour,
    on: 'both',
    code,
    outcome,
  });
  return [
    says('status 500', kindRefuses(kind, failed), 'upstream_failed', 'status'),
    says('status 503', kindRefuses(kind, { ...failed, status: 503 }), 'upstream_failed', 'status'),
    says('a gateway’s HTML page with 502', answersHtml(502), 'upstream_failed', 'status'),
    says('an HTML page with 200', answersHtml(200), 'upstream_malformed', 'malformed'),
    says('a limit without Retry-After', kindRefuses(kind, limited), 'upstream_rate_limited', 'status'),
    says('a wrong key of ours', kindRefuses(kind, credentials), 'upstream_credentials', 'status'),
    says('an error inside a 200', kindRefuses(kind, { ...failed, status: 200 }), 'upstream_failed', 'reported'),
    says('a reset before headers', resets, 'upstream_unreachable', 'reset'),
    {
      ...says('accepting and never answering', neverAnswers, 'upstream_timeout', 'timeout_total'),
      on: 'plain',
      waitMs: 600_000,
    },
    {
      ...says('accepting and never streaming', neverAnswers, 'upstream_timeout', 'timeout_first_token'),
      on: 'stream',
      waitMs: 60_000,
    },
  ];
}

/** A plain answer that is not whole. */
function brokenAnswers(kind: KindUnderTest): Fault[] {
  const text = JSON.stringify(kind.answer(SPOKEN, 'whole'));
  const half = text.slice(0, text.length / 2);
  const cuts: Behaviour = async ({ response, cut }) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) });
    await new Promise<void>((resolve) => void response.write(half, () => resolve()));
    cut();
  };
  return [
    { name: 'a plain answer that is cut', behaviour: cuts, on: 'plain', code: 'upstream_cut', outcome: 'cut' },
    {
      name: 'half an answer under its own length',
      behaviour: answersRaw(half),
      on: 'plain',
      code: 'upstream_malformed',
      outcome: 'malformed',
    },
  ];
}

/** A stream that is not whole; `text` is what its caller has of it. */
function brokenStreams(kind: KindUnderTest): Fault[] {
  const { opening, last, errors } = kind;
  const words = WORDS.map(kind.word);
  const [first = '', ...others] = words;
  const breaks = (
    name: string,
    behaviour: Behaviour,
    code: Fault['code'],
    outcome: Fault['outcome'],
    text?: string,
  ): Fault => ({ name, behaviour, on: 'stream', code, outcome, ...(text === undefined ? {} : { text }) });
  const cut = { after: ({ cut: end }: { cut(): void }) => end() };
  const stall = { after: () => undefined };
  const broken = 'data: {"id": "x", "choi\n\n';
  const limited = event(errors.limited.body);
  return [
    breaks('a stream that is cut', kindStreams([opening, ...words], cut), 'upstream_cut', 'cut', SPOKEN),
    breaks('a stream cut before a word', kindStreams([opening], cut), 'upstream_cut', 'cut'),
    breaks('a stream cut in an event', kindStreams([opening, first, broken.trim()]), 'upstream_cut', 'cut', 'One'),
    breaks(
      'a stream that says no reason for its end',
      kindStreams([opening, ...words, last]),
      'upstream_cut',
      'cut',
      SPOKEN,
    ),
    breaks('a stream that just ends', kindStreams([opening, ...words]), 'upstream_cut', 'cut', SPOKEN),
    breaks(
      'a chunk that is no JSON',
      kindStreams([opening, first, broken, ...others]),
      'upstream_malformed',
      'malformed',
      'One',
    ),
    breaks('a first chunk that is no JSON', kindStreams([broken, ...words]), 'upstream_malformed', 'malformed'),
    breaks('an error as the first event', kindStreams([event(errors.failed.body)]), 'upstream_failed', 'reported'),
    breaks(
      'an error in the middle',
      kindStreams([opening, first, limited, ...others]),
      'upstream_rate_limited',
      'reported',
      'One',
    ),
    {
      ...breaks(
        'a stream that stalls',
        kindStreams([opening, ...words], stall),
        'upstream_timeout',
        'timeout_idle',
        SPOKEN,
      ),
      waitMs: 30_000,
    },
    {
      ...breaks(
        'an opening and no first token',
        kindStreams([opening], stall),
        'upstream_timeout',
        'timeout_first_token',
      ),
      waitMs: 60_000,
    },
  ];
}

it('every kind that calls an upstream is here', () => {
  const calling = providerKinds.map(({ kind }) => kind).filter((kind) => kind !== 'simulator');
  assert.deepEqual(KINDS.map(({ kind }) => kind).toSorted(), calling.toSorted());
});

for (const kind of KINDS) {
  describe(`one attempt at ${kind.kind}`, () => {
    for (const fault of [...refusals(kind), ...brokenAnswers(kind), ...brokenStreams(kind)]) {
      for (const form of FORMS) {
        if (fault.on !== 'both' && fault.on !== form) continue;
        it(`${fault.name}: the ${form} caller gets ${fault.code}, the upstream one request`, async (t) => {
          const { bench, one } = await startScene(t, kind);
          await assertTold(bench, one, fault, form);
          assert.deepEqual(
            one.received.map((asked) => kind.wantsStream(asked)),
            [form === 'stream', form === 'stream'],
          );
          assert.match(JSON.stringify(one.received[0]?.headers), /sk-of-the-hub/);
        });
      }
    }
  });
}

/** The result, with the clock moved on wherever only that leads to it. */
async function settled<T>(bench: Bench, pending: Promise<T>): Promise<T> {
  const ended = bench.runs.length + 1;
  for (let turn = 0; bench.runs.length < ended; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    // Sockets have had several turns: what is still silent waits for the clock.
    if (turn % 20 === 19) await bench.clock.advance(1);
  }
  return pending;
}

const WELL = { text: 'All is well.', error: null };
const retrying = { retry: { retries: 2, baseMs: 1, maxMs: 1 } };

for (const kind of KINDS) {
  for (const form of FORMS) {
    describe(`a call of ${kind.kind} (${form})`, () => {
      const { failed, limited, credentials, tooLong, blocked } = kind.errors;
      const unavailable = kindRefuses(kind, { ...failed, status: 503 });
      const ask = (bench: Bench) => askers[form](bench, bench.call({ stream: form === 'stream' }));

      it('is answered by a second attempt after one 500', async (t) => {
        const { bench, one } = await startScene(t, kind, { settings: retrying });
        one.script(kindRefuses(kind, failed));
        assert.deepEqual(await settled(bench, ask(bench)), WELL);
        assert.equal(one.received.length, 2);
      });

      it('ends with an error after three attempts at an upstream that stays away', async (t) => {
        const { bench, one } = await startScene(t, kind, { settings: retrying });
        one.otherwise = unavailable;
        assert.equal(hubError((await settled(bench, ask(bench))).error).code, 'upstream_failed');
        assert.equal(one.received.length, 3);
      });

      it('is served by a fallback while its upstream stays away, which is left alone soon', async (t) => {
        const { bench, one, two } = await startScene(t, kind, { fallback: true, settings: retrying });
        one.otherwise = unavailable;
        for (let call = 0; call < 10; call++) assert.deepEqual(await settled(bench, ask(bench)), WELL);
        assert.ok(one.received.length <= 6, `it was asked ${one.received.length} times`);
        assert.equal(two.received.length, 10);
      });

      it('asks each silent deployment once, although it may be tried again', async (t) => {
        const { bench, one, two } = await startScene(t, kind, { fallback: true, settings: retrying });
        one.otherwise = neverAnswers;
        two.otherwise = neverAnswers;
        const pending = ask(bench);
        const waits = form === 'stream' ? [one, two] : [one];
        for (const silent of waits) {
          await until('it is asked', () => silent.received.length === 1);
          // The total of a plain answer leaves no time for another.
          await bench.clock.advance(form === 'stream' ? 60_000 : 600_000);
        }
        assert.equal(hubError((await pending).error).code, 'upstream_timeout');
        await bench.clock.advance(600_000);
        assert.deepEqual([one.received.length, two.received.length], [1, waits.length - 1]);
        await until('each is let go', () => waits.every(({ received }) => received[0]?.aborted === true));
      });

      it('is told how long a limit lasts, and the upstream is not asked before', async (t) => {
        const { bench, one } = await startScene(t, kind);
        one.script(kindRefuses(kind, limited, { 'retry-after': '7' }));
        for (let call = 0; call < 3; call++) {
          const error = hubError((await ask(bench)).error);
          assert.deepEqual([error.code, error.retryAfterMs], ['upstream_rate_limited', 7_000]);
        }
        assert.equal(one.received.length, 1);
        await bench.clock.advance(7_000);
        assert.deepEqual(await ask(bench), WELL);
      });

      it('goes to a fallback when our key is wrong, after one attempt', async (t) => {
        const { bench, one, two } = await startScene(t, kind, { fallback: true, settings: retrying });
        one.otherwise = kindRefuses(kind, credentials);
        assert.deepEqual(await settled(bench, ask(bench)), WELL);
        assert.deepEqual([one.received.length, two.received.length], [1, 1]);
      });

      for (const [name, said, code, words] of [
        ['too long', tooLong, 'context_length_exceeded', /maximum/],
        [
          'blocked by the content filter',
          blocked,
          'content_filtered',
          /request was rejected|policy|blocked the prompt/,
        ],
      ] as const) {
        if (said === null) continue;
        it(`gets the provider’s reason when it is ${name}, and nobody else is asked`, async (t) => {
          const { bench, one, two } = await startScene(t, kind, { fallback: true, settings: retrying });
          one.script(kindRefuses(kind, said));
          const { error } = await settled(bench, ask(bench));
          assert.ok(error instanceof UpstreamError);
          assert.equal(error.code, code);
          assert.match(JSON.stringify(error.upstreamBody), words);
          assert.deepEqual([one.received.length, two.received.length], [1, 0]);
          assert.equal(bench.breakers.get('provider:one/test-model').counts().failures, 0);
        });
      }

      it('is let go, and blames nobody, when its caller leaves before the first byte', async (t) => {
        const { bench, one, two } = await startScene(t, kind, { fallback: true, settings: retrying });
        one.script(neverAnswers);
        const controller = new AbortController();
        const pending = askers[form](bench, bench.call({ stream: form === 'stream' }, controller));
        await until('the upstream has the request', () => one.received.length === 1);
        controller.abort(callerGone);
        assert.equal((await pending).text, '');
        await assertLetGo(bench, one);
        assert.deepEqual([one.received.length, two.received.length], [1, 0]);
      });
    });
  }

  describe(`an answer of ${kind.kind}`, () => {
    const words = WORDS.map(kind.word);

    it('is whole when its first token comes after 20 s', async (t) => {
      const { bench, one } = await startScene(t, kind);
      const { opened, open } = gate();
      const parts = [kind.opening, ...words, kind.closing('whole'), kind.last];
      one.script(kindStreams(parts, { before: opened }));
      const pending = askers.stream(bench);
      await until('the upstream has the request', () => one.received.length === 1);
      await bench.clock.advance(20_000);
      open();
      assert.deepEqual(await pending, { text: SPOKEN, error: null });
      assert.equal(one.received.length, 1);
    });

    it('is whole without the protocol’s last event, once it has said why it ends', async (t) => {
      const { bench, one } = await startScene(t, kind);
      one.script(kindStreams([kind.opening, ...words, kind.closing('whole')]));
      assert.deepEqual(await askers.stream(bench), { text: SPOKEN, error: null });
      assert.equal(one.received.length, 1);
    });

    it('that was cut after a word is not begun anew by a fallback', async (t) => {
      const { bench, one, two } = await startScene(t, kind, { fallback: true, settings: retrying });
      one.script(kindStreams([kind.opening, ...words], { after: ({ cut }) => cut() }));
      const { text, error } = await askers.stream(bench);
      assert.deepEqual([text, hubError(error).code], [SPOKEN, 'upstream_cut']);
      assert.deepEqual([one.received.length, two.received.length], [1, 0]);
    });

    it('that the content filter ended says so, plain and streamed', async (t) => {
      const { bench, one } = await startScene(t, kind);
      one.otherwise = kindAnswers(kind, WORDS, 'filtered');
      const { body } = await bench.gateway.complete(bench.call());
      assert.equal(body.choices[0]?.finish_reason, 'content_filter');
      const { events } = await bench.gateway.stream(bench.call({ stream: true }));
      const reasons = (await Array.fromAsync(events)).map((data) => JSON.parse(data).choices[0]?.finish_reason);
      assert.deepEqual(
        reasons.filter((reason) => typeof reason === 'string'),
        ['content_filter'],
      );
      assert.equal(one.received.length, 2);
    });

    it('is let go in the middle of its stream when its caller leaves', async (t) => {
      const { bench, one } = await startScene(t, kind);
      one.script(kindStreams([kind.opening, ...words], { after: () => undefined }));
      const controller = new AbortController();
      const { events } = await bench.gateway.stream(bench.call({ stream: true }, controller));
      const iterator = events[Symbol.asyncIterator]();
      for (let text = ''; text !== SPOKEN;) {
        const { value, done } = await iterator.next();
        assert.notEqual(done, true);
        text += JSON.parse(String(value)).choices[0]?.delta.content ?? '';
      }
      const next = iterator.next();
      controller.abort(callerGone);
      await assert.rejects(next);
      await assertLetGo(bench, one);
      assert.equal(one.received.length, 1);
    });
  });
}

/** The upstream sees it, no failure is counted and no place is taken. */
async function assertLetGo(bench: Bench, one: Upstream): Promise<void> {
  await until('the upstream sees that its client left', () => one.received.every(({ aborted }) => aborted));
  const breaker = bench.breakers.get('provider:one/test-model');
  assert.deepEqual([breaker.counts().failures, breaker.inFlight], [0, 0]);
  assert.equal(bench.lastRun.status, 'cancelled');
}
