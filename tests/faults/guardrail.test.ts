/** Guardrails from both sides: what the upstream received, what the caller got, and what becomes of a call when the guardrail itself fails. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { HubError } from '#core/errors';
import { callerGone } from '#contract/gateway';
import type { Guardrail, GuardrailContext } from '#contract/guardrail';
import { after, before } from '../../examples/guardrails/pii-redactor.ts';
import { answers, startUpstream, until } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';
import { plainResult, startBench, streamResult } from './harness.ts';
import type { Bench, Result } from './harness.ts';

const TIMEOUT_MS = 500;

interface Scene {
  readonly bench: Bench;
  readonly upstream: Upstream;
}

async function start(t: TestContext, guardrail: Guardrail, onFailure: 'open' | 'closed' = 'closed'): Promise<Scene> {
  const upstream = await startUpstream(t);
  const bench = startBench(t, {
    providers: { one: upstream.baseUrl },
    routes: {
      m: {
        groups: [[{ provider: 'one', model: 'test-model' }]],
        guardrail: { module: '/guardrail.ts', onFailure, timeoutMs: TIMEOUT_MS },
      },
    },
    guardrails: new Map([['/guardrail.ts', guardrail]]),
  });
  return { bench, upstream };
}

const FORMS: readonly (readonly [string, (bench: Bench, text?: string) => Promise<Result>])[] = [
  ['plain', (bench, text = 'Hi.') => plainResult(bench, bench.call({ messages: [{ role: 'user', content: text }] }))],
  [
    'stream',
    (bench, text = 'Hi.') =>
      streamResult(bench, bench.call({ stream: true, messages: [{ role: 'user', content: text }] })),
  ],
];

const codeOf = ({ error }: Result): unknown => (error instanceof HubError ? error.code : error);

describe('a guardrail', () => {
  for (const [form, ask] of FORMS) {
    it(`changes what the upstream receives and what the caller gets (${form})`, async (t) => {
      const { bench, upstream } = await start(t, { before, after });
      upstream.otherwise = answers('Write to jane@example.com.');
      const { text } = await ask(bench, 'I am joe@example.com, card 4111 1111 1111 1111.');
      assert.equal(text, 'Write to [email].');
      assert.deepEqual(upstream.received[0]?.body['messages'], [
        { role: 'user', content: 'I am [email], card [card].' },
      ]);
      assert.deepEqual(
        bench.lastRun.guardrail?.map(({ stage, action }) => [stage, action]),
        [
          ['before', 'changed'],
          ['after', 'changed'],
        ],
      );
      assert.equal(bench.lastRun.status, 'succeeded');
    });

    it(`lets pass what it allows, and is told which run, route and caller it is (${form})`, async (t) => {
      const seen: GuardrailContext[] = [];
      const { bench } = await start(t, {
        before: (_request, context) => {
          seen.push(context);
          return { action: 'allow' };
        },
      });
      assert.deepEqual(await ask(bench), { text: 'All is well.', error: null });
      assert.deepEqual([seen[0]?.runId, seen[0]?.route, seen[0]?.keyId], [bench.lastRun.id, 'm', null]);
      assert.equal(bench.clock.pending, 0);
    });

    it(`refuses a request before any upstream is asked, with its reason (${form})`, async (t) => {
      const { bench, upstream } = await start(t, { before: () => ({ action: 'refuse', reason: 'No politics here.' }) });
      const result = await ask(bench);
      assert.equal(codeOf(result), 'guardrail_refused');
      assert.match(String(result.error), /No politics here\./);
      assert.equal(upstream.received.length, 0);
      assert.equal(bench.lastRun.errorCode, 'guardrail_refused');
    });

    it(`refuses an answer of which the caller has then seen nothing (${form})`, async (t) => {
      const { bench, upstream } = await start(t, { after: () => ({ action: 'refuse', reason: 'It swears.' }) });
      const result = await ask(bench);
      assert.deepEqual([result.text, codeOf(result)], ['', 'guardrail_refused']);
      assert.equal(upstream.received.length, 1);
      assert.equal(bench.lastRun.status, 'failed');
    });

    const FAILURES: Readonly<Record<string, Guardrail['before']>> = {
      throws: () => {
        throw new Error('a bug that quotes Hi.');
      },
      rejects: async () => Promise.reject(new Error('later')),
      hangs: () => new Promise(() => undefined),
      'returns nonsense': () => Object({ action: 'perhaps' }),
      'returns a request without messages': () => ({ action: 'change', value: Object({ model: 'm' }) }),
    };
    for (const [name, broken] of Object.entries(FAILURES)) {
      it(`that ${name} lets the call go on where the route fails open, and ends it where it fails closed (${form})`, async (t) => {
        assert.ok(broken);
        for (const onFailure of ['open', 'closed'] as const) {
          const { bench, upstream } = await start(t, { before: broken }, onFailure);
          const result = ask(bench);
          await bench.clock.advance(TIMEOUT_MS);
          if (onFailure === 'open') assert.deepEqual(await result, { text: 'All is well.', error: null });
          else assert.equal(codeOf(await result), 'guardrail_failed');
          assert.equal(upstream.received.length, onFailure === 'open' ? 1 : 0);
          assert.equal(bench.lastRun.guardrail?.[0]?.action, onFailure === 'open' ? 'failed_open' : 'failed_closed');
          assert.equal(bench.clock.pending, 0);
        }
      });
    }

    const SPOILT: Readonly<Record<string, Guardrail['after']>> = {
      throws: () => {
        throw new Error('a bug that quotes the answer');
      },
      hangs: () => new Promise(() => undefined),
      'returns an answer without choices': () => Object({ action: 'change', value: { choices: [] } }),
    };
    for (const [name, broken] of Object.entries(SPOILT)) {
      it(`that ${name} about an answer shows it where the route fails open, and nothing of it where it fails closed (${form})`, async (t) => {
        assert.ok(broken);
        for (const onFailure of ['open', 'closed'] as const) {
          const { bench, upstream } = await start(t, { after: broken }, onFailure);
          const result = ask(bench);
          await until('the answer is there', () => bench.attempts.length === 1);
          await bench.clock.advance(TIMEOUT_MS);
          const { text, error } = await result;
          if (onFailure === 'open') assert.deepEqual([text, error], ['All is well.', null]);
          else assert.deepEqual([text, codeOf({ text, error })], ['', 'guardrail_failed']);
          assert.equal(upstream.received.length, 1);
          const [judged] = bench.lastRun.guardrail ?? [];
          assert.deepEqual([judged?.stage, judged?.action], ['after', `failed_${onFailure}`]);
          assert.equal(bench.lastRun.status, onFailure === 'open' ? 'succeeded' : 'failed');
          assert.equal(bench.clock.pending, 0);
        }
      });
    }

    it(`cannot change the caller’s own request by what it does to its copy (${form})`, async (t) => {
      const { bench, upstream } = await start(t, {
        before: (request) => {
          request.messages.length = 0;
          return { action: 'allow' };
        },
      });
      await ask(bench);
      assert.deepEqual(upstream.received[0]?.body['messages'], [{ role: 'user', content: 'Hi.' }]);
    });
  }

  it('that fails is told of in the log, with its reason unless that may quote the caller', async (t) => {
    const quotes: Guardrail['before'] = ({ messages }) => {
      throw new Error(`a bug that quotes ${JSON.stringify(messages)}`);
    };
    const hangs: Guardrail['before'] = () => new Promise(() => undefined);
    const told: unknown[] = [];
    for (const [broken, onFailure] of [
      [quotes, 'open'],
      [hangs, 'closed'],
    ] as const) {
      const { bench } = await start(t, { before: broken }, onFailure);
      const result = plainResult(bench);
      await bench.clock.advance(TIMEOUT_MS);
      await result;
      const run = bench.lastRun.id;
      assert.equal(bench.warned[0]?.['run'], run);
      told.push(...bench.warned.map((each) => ({ ...each, run: null })));
    }
    const failed = { event: 'guardrail-failed', run: null, route: 'm', stage: 'before' };
    assert.deepEqual(told, [
      { ...failed, went: 'on', reason: 'it threw' },
      { ...failed, went: 'no further', reason: `it did not answer within ${TIMEOUT_MS} ms` },
    ]);
  });

  it('shows of its reason for a refusal the first 500 characters', async (t) => {
    const { bench } = await start(t, { before: () => ({ action: 'refuse', reason: 'x'.repeat(501) }) });
    const { error } = await plainResult(bench);
    assert.match(String(error), /refused this: x{500}$/);
  });

  it('is told when its time is over, and when the caller leaves', async (t) => {
    const signals: AbortSignal[] = [];
    const { bench, upstream } = await start(t, {
      before: (_request, { signal }) => {
        signals.push(signal);
        return new Promise(() => undefined);
      },
    });
    const late = plainResult(bench);
    await bench.clock.advance(TIMEOUT_MS - 1);
    assert.equal(signals[0]?.aborted, false);
    await bench.clock.advance(1);
    await late;
    assert.equal(signals[0]?.aborted, true);
    const controller = new AbortController();
    const left = plainResult(bench, bench.call({}, controller));
    await until('the guardrail is asked', () => signals.length === 2);
    controller.abort(callerGone);
    assert.equal(codeOf(await left), 'cancelled');
    assert.deepEqual([signals[1]?.aborted, bench.lastRun.status, upstream.received.length], [true, 'cancelled', 0]);
  });

  it('that only looks at requests leaves a stream as it came, word by word', async (t) => {
    const { bench, upstream } = await start(t, { before });
    assert.equal((await streamResult(bench)).text, 'All is well.');
    assert.equal(upstream.received[0]?.body['stream'], true);
  });

  it('keeps tool calls, usage and the finish reason of an answer that it has to see whole', async (t) => {
    const { bench, upstream } = await start(t, { after });
    const calls = [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }];
    upstream.otherwise = ({ response }) => {
      const choice = {
        index: 0,
        message: { role: 'assistant', content: null, tool_calls: calls },
        finish_reason: 'tool_calls',
      };
      const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
      const body = { id: 'a', object: 'chat.completion', created: 1, model: 'm', choices: [choice], usage };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const { events } = await bench.gateway.stream(
      bench.call({ stream: true, stream_options: { include_usage: true } }),
    );
    const { stream, stream_options: options } = upstream.received[0]?.body ?? {};
    assert.deepEqual([stream, options], [false, undefined], 'OpenAI refuses the options of a stream without one');
    const chunks = (await Array.fromAsync(events)).map((text) => JSON.parse(text));
    assert.deepEqual(chunks[0].choices[0].delta.tool_calls, [{ index: 0, ...calls[0] }]);
    assert.equal(chunks[1].choices[0].finish_reason, 'tool_calls');
    assert.equal(chunks[2].usage.total_tokens, 3);
  });
});
