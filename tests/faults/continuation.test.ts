/**
 * Streams that are cut or stall after their first content, with continuation on: they end whole all the same, in one of two declared
 * ways, or in the honest error. Seen from both sides: what the caller read, and what the next upstream was asked.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { HubError } from '#core/errors';
import { callerGone } from '#contract/gateway';
import { answersHtml, neverAnswers, refuses, resets, startUpstream, streams, until } from '../helpers/upstream.ts';
import type { Behaviour, Upstream } from '../helpers/upstream.ts';
import { continued, read } from './continued.ts';
import { startBench } from './harness.ts';
import type { Bench } from './harness.ts';

interface Pair {
  readonly bench: Bench;
  readonly one: Upstream;
  readonly two: Upstream;
}

/** Two upstreams in turn; the second goes on from a prefix where `prefill`. */
async function startPair(t: TestContext, prefill: boolean, settings = {}): Promise<Pair> {
  const [one, two] = [await startUpstream(t), await startUpstream(t)];
  const bench = startBench(t, {
    providers: { one: one.baseUrl, two: { baseUrl: two.baseUrl, prefill } },
    settings: { retry: { retries: 1, baseMs: 0, maxMs: 0 }, ...settings },
  });
  return { bench, one, two };
}

const lastMessage = ({ received }: Upstream): unknown => {
  const messages = received.at(-1)?.body['messages'];
  return Array.isArray(messages) ? messages.at(-1) : undefined;
};

const CUTS: Readonly<Record<string, Behaviour>> = {
  cut: streams(['All ', 'is '], { ending: 'cut' }),
  'ended without a finish reason': streams(['All ', 'is '], { ending: 'unfinished' }),
  'broken by a malformed chunk': streams(['All ', 'is ', 'x'], { raw: { 2: 'data: {"choices":[{\n\n' } }),
  'ended by an error event': streams(['All ', 'is ', 'x'], {
    raw: { 2: 'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n' },
  }),
};

describe('a stream that breaks after its first content, with continuation on', () => {
  for (const [name, breaks] of Object.entries(CUTS)) {
    it(`is gone on with by a model that takes the text so far, when it is ${name}`, async (t) => {
      const { bench, one, two } = await startPair(t, true);
      one.script(breaks);
      two.script(streams(['well', '.']));
      const seen = await read(bench, continued(bench));
      assert.deepEqual([seen.text, seen.restarts, seen.finish, seen.error], ['All is well.', 0, 'stop', null]);
      assert.equal(seen.ids.size, 1, 'the caller sees one answer');
      assert.deepEqual(lastMessage(two), { role: 'assistant', content: 'All is' });
      assert.equal(one.received.length, 1);
      assert.deepEqual(
        bench.lastRun.attempts.map(({ kind, outcome }) => [kind, outcome === 'succeeded']),
        [
          ['first', false],
          ['continuation', true],
        ],
      );
      assert.equal(bench.lastRun.status, 'succeeded');
      assert.equal(bench.lastRun.provider, 'two');
    });

    it(`is begun anew behind a restart event by a model that takes no beginning, when it is ${name}`, async (t) => {
      const { bench, one, two } = await startPair(t, false);
      one.script(breaks);
      two.script(streams(['Nothing ', 'is wrong.']));
      const seen = await read(bench, continued(bench));
      assert.deepEqual([seen.text, seen.restarts, seen.finish, seen.error], ['Nothing is wrong.', 1, 'stop', null]);
      assert.equal(seen.ids.size, 1);
      assert.deepEqual(lastMessage(two), { role: 'user', content: 'Are you well?' });
    });

    it(`ends in the honest error without continuation, when it is ${name}`, async (t) => {
      const { bench, one, two } = await startPair(t, true);
      one.script(breaks);
      const seen = await read(bench, bench.call({ stream: true }));
      assert.equal(seen.text, 'All is ');
      assert.ok(seen.error instanceof HubError);
      assert.equal(two.received.length, 0);
    });
  }

  it('is gone on with when it stalls: the silent upstream is let go and asked no more', async (t) => {
    const { bench, one, two } = await startPair(t, true);
    one.script(streams(['All ', 'is '], { ending: 'stall' }));
    two.script(streams(['well.']));
    const reading = read(bench, continued(bench));
    await until('the words have arrived', () => (one.received[0]?.bytesSent ?? 0) > 400);
    await until('the stream waits', () => bench.clock.pending > 0);
    for (let step = 0; step < 40 && two.received.length === 0; step++) {
      await bench.clock.advance(1_000);
      await until('a turn has passed', () => true);
    }
    const seen = await reading;
    assert.deepEqual([seen.text, seen.restarts, seen.error], ['All is well.', 0, null]);
    await until('the stalled upstream is let go', () => one.received[0]?.aborted === true);
    assert.equal(one.received.length, 1);
    assert.equal(bench.lastRun.attempts[0]?.outcome, 'timeout_idle');
  });

  it('never shows the caller that a model refused the beginning: it is asked from the start', async (t) => {
    const { bench, one, two } = await startPair(t, true);
    one.script(streams(['All ', 'is '], { ending: 'cut' }));
    two.script(
      refuses(400, {
        message: 'Prefilling assistant messages is not supported for this model.',
        type: 'invalid_request_error',
      }),
      streams(['Fine.']),
    );
    const seen = await read(bench, continued(bench));
    assert.deepEqual([seen.text, seen.restarts, seen.error], ['Fine.', 1, null]);
    assert.equal(two.received.length, 2);
    assert.deepEqual(lastMessage(two), { role: 'user', content: 'Are you well?' });
  });

  it('is gone on with from its text alone where the caller cannot be told of a restart: nobody is asked in vain', async (t) => {
    for (const [prefill, refusal] of [
      [true, null],
      [false, null],
      [true, 'Prefilling assistant messages is not supported for this model.'],
    ] as const) {
      const { bench, one, two } = await startPair(t, prefill);
      one.script(streams(['All ', 'is '], { ending: 'cut' }));
      if (refusal === null) two.script(streams(['well.']));
      else two.script(refuses(400, { message: refusal, type: 'invalid_request_error' }));
      const seen = await read(bench, { ...continued(bench), restarts: false });
      const goesOn = prefill && refusal === null;
      assert.deepEqual([seen.text, seen.restarts], [goesOn ? 'All is well.' : 'All is ', 0]);
      assert.deepEqual([one.received.length, two.received.length], [1, prefill ? 1 : 0]);
      if (goesOn) {
        assert.deepEqual([seen.error, bench.lastRun.status], [null, 'succeeded']);
        continue;
      }
      assert.ok(seen.error instanceof HubError && seen.error.code === 'upstream_cut');
      assert.deepEqual([bench.lastRun.status, bench.lastRun.errorCode], ['failed', 'upstream_cut']);
      assert.equal(bench.lastRun.attempts.at(-1)?.outcome, 'untranslatable');
      for (const breaker of bench.breakers.values()) assert.equal(breaker.inFlight, 0);
    }
  });

  it('doubles no white space at the seam', async (t) => {
    const { bench, one, two } = await startPair(t, true);
    one.script(streams(['All is ', ' \n'], { ending: 'cut' }));
    two.script(streams(['  ', ' well', ' again.']));
    const seen = await read(bench, continued(bench));
    assert.equal(seen.text, 'All is  \nwell again.');
  });

  it('goes on after the beginning that the caller gave itself', async (t) => {
    const { bench, one, two } = await startPair(t, true);
    one.script(streams(['is'], { ending: 'cut' }));
    two.script(streams([' well.']));
    const messages = [
      { role: 'user' as const, content: 'Are you well?' },
      { role: 'assistant' as const, content: 'All ' },
    ];
    assert.equal((await read(bench, continued(bench, { messages }))).text, 'is well.');
    assert.deepEqual(lastMessage(two), { role: 'assistant', content: 'All is' });
  });

  it('begins anew where tool calls, thoughts or a structure were under way', async (t) => {
    const toolCall: Behaviour = streams(['All ', 'x'], {
      raw: {
        1: 'data: {"id":"a","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{"}}]}}]}\n\n',
      },
      ending: 'cut',
    });
    for (const [behaviour, fields] of [
      [toolCall, {}],
      [streams(['{"a":'], { ending: 'cut' }), { response_format: { type: 'json_object' } }],
    ] as const) {
      const { bench, one, two } = await startPair(t, true);
      one.script(behaviour);
      two.script(streams(['Anew.']));
      const seen = await read(bench, continued(bench, fields));
      assert.deepEqual([seen.text, seen.restarts, seen.error], ['Anew.', 1, null]);
      assert.deepEqual(lastMessage(two), { role: 'user', content: 'Are you well?' });
    }
  });

  it('survives a second cut, within the one budget of attempts', async (t) => {
    const { bench, one, two } = await startPair(t, true);
    one.script(streams(['All '], { ending: 'cut' }), streams(['Again.']));
    two.script(streams(['is '], { ending: 'cut' }));
    const seen = await read(bench, continued(bench));
    assert.deepEqual([seen.text, seen.restarts, seen.error], ['Again.', 1, null]);
    assert.deepEqual(
      bench.lastRun.attempts.map(({ deployment }) => deployment.split('/')[0]),
      ['one', 'two', 'one'],
    );
  });

  it('ends in the error of the cut when nobody can go on, after no more attempts than the budget', async (t) => {
    for (const fails of [refuses(503), resets, answersHtml(502)]) {
      const { bench, one, two } = await startPair(t, false, { retry: { retries: 3, baseMs: 0, maxMs: 0 } });
      one.script(streams(['All '], { ending: 'cut' }));
      one.otherwise = fails;
      two.otherwise = fails;
      const seen = await read(bench, continued(bench));
      assert.equal(seen.text, 'All ');
      assert.ok(seen.error instanceof HubError && seen.error.code === 'upstream_cut');
      assert.ok(one.received.length + two.received.length <= 4);
      assert.equal(bench.lastRun.status, 'failed');
    }
  });

  it('is not gone on with once every choice has finished, and not after a refusal that no other would judge otherwise', async (t) => {
    const { bench, one, two } = await startPair(t, true);
    one.script(streams(['All is well.'], { ending: 'no-done' }));
    assert.equal((await read(bench, continued(bench))).text, 'All is well.');
    one.script(async (exchange) => {
      const filtered =
        'data: {"error":{"message":"flagged","code":"content_filter","type":"invalid_request_error"}}\n\n';
      await streams(['All ', 'x'], { raw: { 1: filtered } })(exchange);
    });
    const seen = await read(bench, continued(bench));
    assert.ok(seen.error instanceof HubError && seen.error.code === 'content_filtered');
    assert.equal(two.received.length, 0);
  });

  it('stops at once when the caller leaves while another is asked', async (t) => {
    const { bench, one, two } = await startPair(t, true);
    one.script(streams(['All '], { ending: 'cut' }));
    two.script(neverAnswers);
    const controller = new AbortController();
    const reading = read(bench, continued(bench, {}, controller));
    await until('the second is asked', () => two.received.length === 1);
    controller.abort(callerGone);
    assert.ok((await reading).error instanceof HubError);
    await until('the second is let go', () => two.received[0]?.aborted === true);
    assert.equal(bench.lastRun.status, 'cancelled');
    for (const breaker of bench.breakers.values()) assert.equal(breaker.inFlight, 0);
  });

  it('is decided by the route where the caller says nothing, and by the caller where it does', async (t) => {
    const [one, two] = [await startUpstream(t), await startUpstream(t)];
    const groups = ['one', 'two'].map((provider) => [{ provider, model: 'test-model' }]);
    const bench = startBench(t, {
      providers: { one: one.baseUrl, two: two.baseUrl },
      routes: { m: { groups, continueCut: true } },
    });
    one.otherwise = streams(['All '], { ending: 'cut' });
    two.otherwise = streams(['Well.']);
    assert.equal((await read(bench, bench.call({ stream: true }))).text, 'Well.');
    const off = await read(bench, { ...bench.call({ stream: true }), preferences: { continueCut: false } });
    assert.ok(off.error instanceof HubError);
  });
});
