/**
 * The cache of answers around one real upstream: who shares a call and who pays, what is kept and what never is, and what becomes of
 * those who share when the first of them leaves.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { messageOf } from '#core/errors';
import { callerGone } from '#contract/gateway';
import type { CachePreferences, ChatCall } from '#contract/gateway';
import { CALLED, STREAMED_CALLS } from '../helpers/streamed-calls.ts';
import { answers, answersBody, event, gate, refuses, streams, until } from '../helpers/upstream.ts';
import { settle } from '../helpers/virtual-clock.ts';
import { plainResult, startCached, streamResult } from './harness.ts';
import type { Result } from './harness.ts';

const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));
const wishing = (call: ChatCall, cache: CachePreferences): ChatCall => ({ ...call, preferences: { cache } });
const texts = (results: readonly Result[]): string[] => [
  ...new Set(results.map(({ text, error }) => (error === null ? text : messageOf(error)))),
];

describe('identical calls at the same time', () => {
  for (const [what, ask] of [
    ['plain', plainResult],
    ['streamed', streamResult],
  ] as const)
    it(`a hundred of them, ${what}, are one call of the upstream, and the ninety-nine who share it pay nothing`, async (t) => {
      const { bench, upstream } = await startCached(t);
      const { opened, open } = gate();
      upstream.otherwise = async (exchange) => {
        await opened;
        await (what === 'plain' ? answers('All is well.') : streams(['All ', 'is ', 'well.']))(exchange);
      };
      const results = many(100, () => ask(bench, bench.call({ stream: what === 'streamed' })));
      await until('it is asked', () => upstream.received.length === 1);
      open();
      assert.deepEqual(texts(await Promise.all(results)), ['All is well.']);
      assert.equal(upstream.received.length, 1);
      assert.equal(bench.runs.length, 100);
      assert.ok(bench.runs.every(({ status }) => status === 'succeeded'));
      const asking = bench.runs.filter(({ attempts }) => attempts.length > 0);
      assert.equal(asking.length, 1);
      const followers = bench.runs.filter(({ answered }) => answered?.by === 'shared');
      assert.equal(followers.length, 99);
      assert.ok(followers.every(({ answered }) => answered?.runId === asking[0]?.id));
      assert.equal(bench.ledger.length, 2, 'one call goes out and is settled');
    });

  it('go on when the first caller leaves in the middle of his stream', async (t) => {
    const { bench, upstream } = await startCached(t);
    const { opened, open } = gate();
    upstream.otherwise = streams(['Half. ', 'Whole.'], { gates: { 1: opened } });
    const first = new AbortController();
    const leaving = streamResult(bench, bench.call({ stream: true }, first));
    await until('it is asked', () => upstream.received.length === 1);
    const others = many(99, () => streamResult(bench, bench.call({ stream: true })));
    await until('they follow', () => bench.running.list().length === 100);
    first.abort(callerGone);
    assert.match(String((await leaving).error), /left/);
    open();
    assert.deepEqual(texts(await Promise.all(others)), ['Half. Whole.']);
    assert.equal(upstream.received.length, 1);
    assert.equal(upstream.received[0]?.aborted, false);
  });

  it('are given up at the upstream when the last of them has left', async (t) => {
    const { bench, upstream } = await startCached(t);
    upstream.otherwise = streams(['Half. '], { ending: 'stall' });
    const controllers = many(3, () => new AbortController());
    const results = controllers.map((controller) => streamResult(bench, bench.call({ stream: true }, controller)));
    await until('they follow', () => bench.running.list().length === 3);
    for (const controller of controllers) controller.abort(callerGone);
    await Promise.all(results);
    await until('it is given up', () => upstream.received[0]?.aborted === true);
    await until('the runs are over', () => bench.runs.length === 3);
    assert.ok(bench.runs.every(({ status }) => status === 'cancelled'));
  });

  for (const first of [0, 1])
    it(`fail together, each told why in a run of his own, and the next caller asks anew, whether the first wants ${first === 0 ? 'the whole' : 'a stream'}`, async (t) => {
      const { bench, upstream } = await startCached(t);
      const { opened, open } = gate();
      upstream.script(async (exchange) => {
        await opened;
        await refuses(400)(exchange);
      });
      const results = many(20, (at) => (at % 2 === first ? plainResult(bench) : streamResult(bench)));
      await until('it is asked', () => upstream.received.length === 1);
      open();
      for (const { error } of await Promise.all(results)) assert.match(String(error), /400|refused/);
      assert.deepEqual([bench.runs.length, new Set(bench.runs.map(({ id }) => id)).size], [20, 20]);
      assert.deepEqual(await plainResult(bench), { text: 'All is well.', error: null });
      assert.equal(upstream.received.length, 2);
    });
});

describe('a kept answer', () => {
  it('is given plain and as a stream, whichever it came as, at no cost', async (t) => {
    for (const first of [plainResult, streamResult]) {
      const { bench, upstream } = await startCached(t);
      upstream.otherwise = first === plainResult ? answers('Kept.') : streams(['Ke', 'pt.']);
      const results = [await first(bench, bench.call({ stream: first === streamResult }))];
      for (const ask of [plainResult, streamResult]) results.push(await ask(bench));
      assert.deepEqual(texts(results), ['Kept.']);
      assert.equal(upstream.received.length, 1);
      assert.deepEqual(
        bench.runs.slice(1).map(({ answered, attempts, status }) => [answered?.by, attempts.length, status]),
        [
          ['hit', 0, 'succeeded'],
          ['hit', 0, 'succeeded'],
        ],
      );
    }
  });

  it('tells its usage to a stream that asks for it, though the first caller had not', async (t) => {
    const { bench, upstream } = await startCached(t);
    const { opened, open } = gate();
    upstream.otherwise = streams(['One ', 'two.'], { gates: { 1: opened } });
    const plain = streamResult(bench, bench.call({ stream: true }));
    await until('it is asked', () => upstream.received.length === 1);
    const { events } = await bench.gateway.stream(
      bench.call({ stream: true, stream_options: { include_usage: true } }),
    );
    open();
    const said: { usage?: { total_tokens: number } | null }[] = [];
    for await (const text of events) said.push(JSON.parse(text));
    await plain;
    assert.equal(upstream.received.length, 1);
    assert.ok((said.at(-1)?.usage?.total_tokens ?? 0) > 0, JSON.stringify(said.at(-1)));
    const whole = await bench.gateway.complete(bench.call());
    assert.equal(whole.body.usage?.total_tokens, said.at(-1)?.usage?.total_tokens);
    assert.equal(whole.summary.cache?.status, 'hit');
  });

  it('has every choice, its tool calls and its log probabilities, whichever way it came and goes', async (t) => {
    const logprobs = (token: string): object => ({
      content: [{ token, logprob: -0.5, bytes: null, top_logprobs: [] }],
    });
    const call = (piece: object): object => ({ tool_calls: [{ index: 0, ...piece }] });
    const pieces: object[] = [
      { index: 1, delta: { role: 'assistant', content: 'Be' }, logprobs: logprobs('Be') },
      { index: 0, delta: call({ id: 'c1', type: 'function', function: { name: 'look', arguments: '{"a"' } }) },
      { index: 1, delta: { content: 'ta' }, logprobs: logprobs('ta'), finish_reason: 'stop' },
      { index: 0, delta: call({ function: { arguments: ':1}' } }), finish_reason: 'tool_calls' },
    ];
    const frame = { id: 'chatcmpl-1', created: 1, model: 'test-model', object: 'chat.completion.chunk' };
    const raw = Object.fromEntries(pieces.map((piece, place) => [place, event({ ...frame, choices: [piece] })]));
    const tool = { id: 'c1', type: 'function', function: { name: 'look', arguments: '{"a":1}' } };
    const choices = [
      {
        index: 0,
        message: { role: 'assistant', content: null, tool_calls: [tool] },
        logprobs: null,
        finish_reason: 'tool_calls',
      },
      {
        index: 1,
        message: { role: 'assistant', content: 'Beta' },
        logprobs: { content: [logprobs('Be'), logprobs('ta')].flatMap((each) => Object.values(each)[0]) },
        finish_reason: 'stop',
      },
    ];
    const { bench, upstream } = await startCached(t);
    const asking = { n: 2, logprobs: true };
    // Each choice ends in its own piece: the script's own end would be a third.
    upstream.script(streams(pieces.map(String), { raw, ending: 'unfinished' }));
    assert.equal((await streamResult(bench, bench.call({ ...asking, stream: true }))).error, null);
    const whole = await bench.gateway.complete(bench.call(asking));
    assert.deepEqual(whole.body.choices, choices);
    const replayed: unknown[] = [];
    const { events } = await bench.gateway.stream(bench.call({ ...asking, stream: true }));
    for await (const text of events) replayed.push(...JSON.parse(text).choices);
    assert.deepEqual(
      replayed,
      choices.flatMap(({ index, message, logprobs: kept, finish_reason: finish }) => {
        const { tool_calls: calls, ...said } = { tool_calls: undefined, ...message };
        const delta = calls === undefined ? said : { ...said, tool_calls: [{ index: 0, ...tool }] };
        return [
          { index, delta, logprobs: kept, finish_reason: null },
          { index, delta: {}, logprobs: null, finish_reason: finish },
        ];
      }),
    );
    assert.equal(upstream.received.length, 1);
  });

  it('has what its upstream says beside the choices, whichever way it came and goes', async (t) => {
    const frame = { id: 'chatcmpl-test', created: 1, model: 'test-model' };
    const beside = { system_fingerprint: 'fp_1', citations: ['https://example.org'] };
    const message = { role: 'assistant', content: 'Well.' };
    const plain = answersBody({
      ...frame,
      object: 'chat.completion',
      ...beside,
      choices: [{ index: 0, message, finish_reason: 'stop', native_finish_reason: 'STOP' }],
    });
    const of = (choice: object, more: object): string =>
      event({ ...frame, object: 'chat.completion.chunk', ...more, choices: [{ index: 0, ...choice }] });
    const streamed = streams(['0', '1'], {
      raw: {
        0: of({ delta: { content: 'Well.' } }, { system_fingerprint: 'fp_1' }),
        // Some say where it is from when they have said it.
        1: of({ delta: {}, finish_reason: 'stop' }, { citations: beside.citations }),
      },
      ending: 'unfinished',
    });
    for (const [behaviour, stream] of [
      [plain, false],
      [streamed, true],
    ] as const) {
      const { bench, upstream } = await startCached(t);
      upstream.script(behaviour);
      await (stream ? streamResult(bench) : plainResult(bench));
      const { body, summary } = await bench.gateway.complete(bench.call());
      assert.equal(summary.cache?.status, 'hit');
      assert.partialDeepStrictEqual(body, { ...frame, object: 'chat.completion', ...beside });
      const { events } = await bench.gateway.stream(bench.call({ stream: true }));
      const chunks: unknown[] = [];
      for await (const text of events) chunks.push(JSON.parse(text));
      const chunk = { ...frame, object: 'chat.completion.chunk', ...beside };
      assert.partialDeepStrictEqual(chunks, [chunk, chunk]);
      if (!stream) assert.partialDeepStrictEqual(chunks[1], { choices: [{ native_finish_reason: 'STOP' }] });
    }
  });

  it('has its thoughts as they were, where each piece of them names their form', async (t) => {
    const { bench, upstream } = await startCached(t);
    const frame = { id: 'chatcmpl-1', created: 1, model: 'test-model', object: 'chat.completion.chunk' };
    const thought = (text: string): string => {
      const part = { type: 'reasoning.text', text, format: 'anthropic-claude-v1', index: 0 };
      return event({ ...frame, choices: [{ index: 0, delta: { reasoning_details: [part] } }] });
    };
    upstream.script(streams(['0', '1'], { raw: { 0: thought('Let '), 1: thought('me see.') } }));
    await streamResult(bench);
    const { body } = await bench.gateway.complete(bench.call());
    assert.deepEqual(body.choices[0]?.message['reasoning_details'], [
      { type: 'reasoning.text', text: 'Let me see.', format: 'anthropic-claude-v1', index: 0 },
    ]);
  });

  it('has each of its tool calls, however its upstream numbers them', async (t) => {
    const frame = { id: 'chatcmpl-1', created: 1, model: 'test-model', object: 'chat.completion.chunk' };
    for (const [way, chunks] of Object.entries(STREAMED_CALLS)) {
      const { bench, upstream } = await startCached(t);
      const raw = chunks.map((calls) => event({ ...frame, choices: [{ index: 0, delta: { tool_calls: calls } }] }));
      upstream.script(streams(raw, { raw: Object.fromEntries(raw.entries()) }));
      await streamResult(bench);
      const { body, summary } = await bench.gateway.complete(bench.call());
      assert.equal(summary.cache?.status, 'hit');
      const made = body.choices[0]?.message['tool_calls'];
      assert.ok(Array.isArray(made));
      assert.deepEqual(
        made.map((call: Record<string, unknown>) => call['function']),
        CALLED,
        way,
      );
    }
  });

  it('is none that a guardrail let pass unjudged, because it was out of order', async (t) => {
    const guardrail = { module: 'g', onFailure: 'open', timeoutMs: 100 } as const;
    let sick = true;
    const before = (): { action: 'allow' } => {
      if (sick) throw new Error('out of order');
      return { action: 'allow' };
    };
    const { bench, upstream } = await startCached(t, {
      routes: { m: { groups: [[{ provider: 'a', model: 'test-model' }]], cache: {}, guardrail } },
      guardrails: new Map([['g', { before }]]),
    });
    for (const ask of [plainResult, streamResult]) assert.equal((await ask(bench)).error, null);
    assert.equal(upstream.received.length, 2);
    sick = false;
    for (const ask of [plainResult, streamResult]) assert.equal((await ask(bench)).error, null);
    assert.equal(upstream.received.length, 3);
  });

  it('is none in which a choice does not say why it ended, or that it ended in an error', async (t) => {
    const message = { role: 'assistant', content: 'The dose is not' };
    const finished = { index: 0, message, finish_reason: 'stop' };
    const guardrail = { module: 'g', onFailure: 'closed', timeoutMs: 100 } as const;
    for (const open of [{}, { finish_reason: null }, { finish_reason: '' }, { finish_reason: 'error' }]) {
      const { bench, upstream } = await startCached(t, {
        // Whole answers that a guardrail judges go out as streams, too.
        routes: { m: { groups: [[{ provider: 'a', model: 'test-model' }]], cache: {}, guardrail } },
        guardrails: new Map([['g', { after: () => ({ action: 'allow' }) }]]),
      });
      const frame = { id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'test-model' };
      upstream.otherwise = answersBody({ ...frame, choices: [finished, { index: 1, message, ...open }] });
      for (const ask of [plainResult, streamResult, plainResult]) {
        assert.equal((await ask(bench)).error, null, JSON.stringify(open));
        // Nobody waits for the one before any more.
        await settle();
      }
      assert.equal(upstream.received.length, 3, JSON.stringify(open));
    }
  });

  it('is passed over by a caller who wants none, a new one, or a younger one', async (t) => {
    const { bench, upstream } = await startCached(t);
    const ask = (text: string, cache: CachePreferences): Promise<Result> => {
      upstream.otherwise = answers(text);
      return plainResult(bench, wishing(bench.call(), cache));
    };
    const said: Result[] = [];
    said.push(await ask('first', {}), await ask('unseen', {}));
    said.push(await ask('not kept', { use: false }), await ask('unseen', {}));
    said.push(await ask('anew', { anew: true }), await ask('unseen', {}));
    bench.clock.jump(2_000);
    said.push(await ask('unseen', { ageMsMax: 3_000 }), await ask('younger', { ageMsMax: 1_000 }));
    said.push(await ask('unseen', {}));
    assert.deepEqual(
      said.map(({ text }) => text),
      ['first', 'first', 'not kept', 'first', 'anew', 'anew', 'anew', 'younger', 'younger'],
    );
  });

  it('that is too old for a caller has the upstream asked once, whatever comes of it', async (t) => {
    for (const [ask, stream] of [
      [plainResult, false],
      [streamResult, true],
    ] as const) {
      const { bench, upstream } = await startCached(t);
      await ask(bench, bench.call({ stream }));
      await settle();
      bench.clock.jump(20_000);
      // The old one stands in, which is no answer to keep.
      upstream.otherwise = refuses(500);
      const young = wishing(bench.call({ stream }), { ageMsMax: 10_000 });
      assert.deepEqual(await ask(bench, young), { text: 'All is well.', error: null });
      await settle();
      await until('nothing goes on behind him', () => bench.running.list().length === 0);
      assert.deepEqual([bench.lastRun.status, upstream.received.length], ['degraded', 2]);
    }
  });

  it('is made anew after its time', async (t) => {
    const { bench, upstream } = await startCached(t);
    await plainResult(bench);
    bench.clock.jump(70_000);
    upstream.otherwise = answers('Later.');
    assert.equal((await plainResult(bench)).text, 'Later.');
  });

  it('is wanted by a caller where the route says nothing, and by nobody else', async (t) => {
    const { bench, upstream } = await startCached(t, {
      routes: { m: { groups: [[{ provider: 'a', model: 'test-model' }]] } },
    });
    for (const cache of [{ use: true }, { use: true }, {}, {}]) await plainResult(bench, wishing(bench.call(), cache));
    assert.equal(upstream.received.length, 3);
  });

  it('is not kept of a stream that was cut, nor of a refusal, nor of a last resort', async (t) => {
    const { bench, upstream } = await startCached(t, {
      routes: {
        m: { groups: [[{ provider: 'a', model: 'test-model' }]], cache: {}, lastResort: { text: 'Later, please.' } },
      },
      breaker: { failures: 1, openMs: 1_000, openMsMax: 1_000, minFailureRate: 0 },
    });
    upstream.script(streams(['Half. '], { ending: 'cut' }));
    assert.match(String((await streamResult(bench)).error), /ended|cut|broke/i);
    assert.equal((await plainResult(bench)).text, 'Later, please.');
    assert.equal((await streamResult(bench)).text, 'Later, please.');
    await settle();
    bench.clock.jump(10_000);
    assert.equal((await plainResult(bench)).text, 'All is well.');
  });
});

describe('what an answer may depend on', () => {
  it('is in its key: nobody is answered with what another asked, of another project, or by other wishes', async (t) => {
    const groups = [[{ provider: 'a', model: 'test-model' }]];
    const { bench, upstream } = await startCached(t, {
      routes: { m: { groups, cache: {} }, n: { groups, cache: {} } },
    });
    upstream.otherwise = async (exchange) => answers(`number ${upstream.received.length}`)(exchange);
    const base = bench.call();
    const calls: ChatCall[] = [
      base,
      { ...base, caller: { ...base.caller, projectId: 'prj_other' } },
      { ...base, request: { ...base.request, model: 'n' } },
      { ...base, request: { ...base.request, temperature: 0.1 } },
      { ...base, request: { ...base.request, messages: [{ role: 'user', content: 'Are you well?', name: 'x' }] } },
      { ...base, preferences: { only: ['a'] } },
      { ...base, preferences: { fallback: false } },
    ];
    const first = await Promise.all(calls.map((call) => plainResult(bench, { ...call, runId: bench.call().runId })));
    assert.equal(new Set(first.map(({ text }) => text)).size, calls.length);
    const again = await Promise.all(calls.map((call) => plainResult(bench, { ...call, runId: bench.call().runId })));
    assert.deepEqual(again, first);
    assert.equal(upstream.received.length, calls.length);
    const reordered = { messages: base.request.messages, model: 'm', stream: false };
    await plainResult(bench, { ...bench.call(), request: reordered });
    assert.equal(upstream.received.length, calls.length, 'the order of names is no difference');
  });
});
