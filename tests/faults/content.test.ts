/** What a route keeps of what is said, seen from three sides: what the upstream was given, what the caller got, and what goes to the store. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type { ChatRequest } from '#contract/chat';
import { callerGone } from '#contract/gateway';
import type { Guardrail } from '#contract/guardrail';
import { limits } from '#core/limits';
import type { RouteSettings } from '#gateway/settings';
import { answers, chunk, embeds, refuses, startUpstream, streams } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';
import { plainResult, startBench, streamResult } from './harness.ts';
import type { Bench, Result } from './harness.ts';

const SECRETS = ['joe@example.com', '4111 1111 1111 1111', 'sk-abcdefghijklmnop1234'];
const PROMPT = `I am joe@example.com, card 4111 1111 1111 1111, key sk-abcdefghijklmnop1234.`;

interface Kept {
  readonly messages: unknown;
  readonly choices: unknown;
  readonly partial: boolean;
  readonly truncated: boolean;
}

/** What went to the store, once a run; taken apart. */
function kept({ contents }: Bench): Kept[] {
  return contents.map(({ messages, answer, partial, truncated }) => {
    const [said, choices]: unknown[] = [JSON.parse(messages), JSON.parse(answer)];
    return { messages: said, choices, partial, truncated };
  });
}

const said = (content: string, finish: string | null = 'stop'): unknown => [
  { index: 0, message: { role: 'assistant', content }, finish_reason: finish },
];
const asked = (content: string): unknown => [{ role: 'user', content }];

async function start(
  t: TestContext,
  content: RouteSettings['content'],
  more: { readonly guardrail?: Guardrail; readonly lastResort?: RouteSettings['lastResort'] } = {},
): Promise<{ bench: Bench; one: Upstream; two: Upstream }> {
  const [one, two] = [await startUpstream(t), await startUpstream(t)];
  const guardrail = { module: '/guardrail.ts', onFailure: 'closed', timeoutMs: 100 } as const;
  const bench = startBench(t, {
    providers: { one: one.baseUrl, two: two.baseUrl },
    routes: {
      m: {
        groups: [[{ provider: 'one', model: 'test-model' }], [{ provider: 'two', model: 'test-model' }]],
        content,
        lastResort: more.lastResort,
        ...(more.guardrail === undefined ? {} : { guardrail }),
      },
    },
    guardrails: new Map(more.guardrail === undefined ? [] : [['/guardrail.ts', more.guardrail]]),
    settings: { retry: { retries: 0, baseMs: 0, maxMs: 0 } },
  });
  return { bench, one, two };
}

const FORMS: readonly (readonly [string, (bench: Bench, fields?: Partial<ChatRequest>) => Promise<Result>])[] = [
  ['plain', (bench, fields) => plainResult(bench, bench.call({ messages: user(PROMPT), ...fields }))],
  ['stream', (bench, fields) => streamResult(bench, bench.call({ stream: true, messages: user(PROMPT), ...fields }))],
];

function user(content: string): ChatRequest['messages'] {
  return [{ role: 'user', content }];
}

for (const [form, ask] of FORMS) {
  describe(`what is said in a run (${form})`, () => {
    for (const off of ['off', undefined] as const)
      it(`is given to nobody where the policy is ${off ?? 'not there'}`, async (t) => {
        const { bench } = await start(t, off);
        assert.equal((await ask(bench)).text, 'All is well.');
        assert.deepEqual([bench.contents, bench.lastRun.content], [[], undefined]);
      });

    it('is kept as it was where the policy is full', async (t) => {
      const { bench, one } = await start(t, 'full');
      one.otherwise = answers(PROMPT);
      assert.equal((await ask(bench)).text, PROMPT);
      assert.deepEqual(kept(bench), [
        { messages: asked(PROMPT), choices: said(PROMPT), partial: false, truncated: false },
      ]);
      const [{ id, projectId, policy } = assert.fail()] = bench.contents;
      assert.deepEqual([id, projectId, policy], [bench.lastRun.id, bench.lastRun.projectId, bench.lastRun.content]);
    });

    it('is kept without what has the shape of personal data where the policy is redacted', async (t) => {
      const { bench, one } = await start(t, 'redacted');
      one.otherwise = answers(PROMPT);
      assert.equal((await ask(bench)).text, PROMPT);
      const redacted = 'I am [email], card [card], key [key].';
      assert.deepEqual(kept(bench), [
        { messages: asked(redacted), choices: said(redacted), partial: false, truncated: false },
      ]);
      for (const secret of SECRETS) assert.ok(!JSON.stringify(bench.contents).includes(secret));
    });

    it('is what the model was given and the caller got, where a guardrail changed both', async (t) => {
      const guardrail: Guardrail = {
        before: (request) => ({ action: 'change', value: { ...request, messages: user('Changed before.') } }),
        after: (answer) => ({
          action: 'change',
          value: {
            ...answer,
            choices: [{ index: 0, message: { role: 'assistant', content: 'After.' }, finish_reason: 'stop' }],
          },
        }),
      };
      const { bench, one } = await start(t, 'full', { guardrail });
      assert.equal((await ask(bench)).text, 'After.');
      assert.deepEqual(one.received[0]?.body['messages'], asked('Changed before.'));
      assert.deepEqual(kept(bench), [
        { messages: asked('Changed before.'), choices: said('After.'), partial: false, truncated: false },
      ]);
    });

    it('holds no answer that a guardrail refused, and nothing of what it refused to ask', async (t) => {
      const refuse = { action: 'refuse', reason: 'No.' } as const;
      const after = await start(t, 'full', { guardrail: { after: () => refuse } });
      await ask(after.bench);
      assert.equal(after.one.received.length, 1);
      assert.deepEqual(kept(after.bench), [{ messages: asked(PROMPT), choices: [], partial: true, truncated: false }]);

      const before = await start(t, 'full', { guardrail: { before: () => refuse } });
      await ask(before.bench);
      assert.deepEqual([before.one.received, before.bench.contents], [[], []]);
      assert.equal(before.bench.lastRun.content, 'full');
    });

    it('holds no answer where every deployment failed, and nothing where none was asked', async (t) => {
      const { bench, one, two } = await start(t, 'full', { lastResort: { text: 'Later.' } });
      one.otherwise = two.otherwise = refuses(503);
      assert.equal((await ask(bench)).text, 'Later.');
      assert.deepEqual(kept(bench), [{ messages: asked(PROMPT), choices: [], partial: true, truncated: false }]);
      for (const name of ['one', 'two'])
        bench.breakers.get(`provider:${name}/test-model`).forceOpen({ by: 'test', reason: 'test' });
      assert.equal((await ask(bench)).text, 'Later.');
      assert.deepEqual([bench.contents.length, bench.lastRun.status], [1, 'degraded']);
    });

    it('is cut to its bound, the newest messages first, and says so', async (t) => {
      const { bench, one } = await start(t, 'full');
      const long = `${'x'.repeat(999)} `.repeat(limits.contentCharsMax / 800);
      one.otherwise = answers(long);
      const messages = [...user('The oldest.'), ...user(long), ...user('The newest.')];
      assert.equal((await ask(bench, { messages })).text, form === 'plain' ? long : long.trimEnd());
      const [{ messages: kepts, choices, truncated, partial } = assert.fail()] = kept(bench);
      assert.ok(Array.isArray(kepts));
      assert.deepEqual([kepts.length, kepts.at(-1), truncated, partial], [2, user('The newest.')[0], true, false]);
      for (const each of [kepts, choices]) {
        const { length } = JSON.stringify(each);
        assert.ok(length > limits.contentCharsMax * 0.9 && length < limits.contentCharsMax * 1.1, String(length));
      }
    });
  });
}

describe('what is said in a stream', () => {
  it('that is cut is kept as far as the caller got it, and marked partial', async (t) => {
    const { bench, one } = await start(t, 'full');
    one.otherwise = streams(['All ', 'is '], { ending: 'cut' });
    const { text, error } = await streamResult(bench);
    assert.equal(text, 'All is ');
    assert.ok(error !== null);
    assert.deepEqual(kept(bench), [
      { messages: asked('Are you well?'), choices: said('All is ', null), partial: true, truncated: false },
    ]);
  });

  it('that its caller leaves is kept as far as he took it', async (t) => {
    const { bench, one } = await start(t, 'full');
    one.otherwise = streams(['All ', 'is '], { ending: 'stall' });
    const controller = new AbortController();
    const { events } = await bench.gateway.stream(bench.call({ stream: true }, controller));
    for (const _ of ['role', 'All ']) await events.next();
    controller.abort(callerGone);
    assert.equal(bench.lastRun.status, 'cancelled');
    assert.deepEqual(kept(bench), [
      { messages: asked('Are you well?'), choices: said('All ', null), partial: true, truncated: false },
    ]);
  });

  it('that began anew is kept from there', async (t) => {
    const { bench, one, two } = await start(t, 'full');
    one.otherwise = streams(['All ', 'is '], { ending: 'cut' });
    two.otherwise = streams(['Fine, ', 'thanks.']);
    const call = { ...bench.call({ stream: true }), preferences: { continueCut: true } };
    assert.equal((await streamResult(bench, call)).error, null);
    assert.deepEqual(
      kept(bench).map(({ choices, partial }) => [choices, partial]),
      [[said('Fine, thanks.'), false]],
    );
  });

  it('that nests without end reaches its caller all the same', async (t) => {
    const { bench, one } = await start(t, 'full');
    one.otherwise = async (exchange) => {
      const [head = '', tail = ''] = chunk(exchange, { extra: 'HERE' }).split('"HERE"');
      const raw = [`${head}${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}${tail}`];
      await streams(['', 'All is well.'], { raw })(exchange);
    };
    assert.deepEqual(await streamResult(bench), { text: 'All is well.', error: null });
    const [{ choices, truncated } = assert.fail()] = kept(bench);
    assert.ok(JSON.stringify(choices).includes('"content":"All is well."'));
    assert.equal(truncated, true);
  });

  it('is put together from its deltas: tool calls, thoughts and several choices', async (t) => {
    const { bench, one } = await start(t, 'redacted');
    const call = (index: number, more: object): object => ({ tool_calls: [{ index, ...more }] });
    one.otherwise = async (exchange) => {
      const raw = [
        { reasoning_content: 'joe@exam' },
        { reasoning_content: 'ple.com?' },
        call(0, { id: 'call_1', type: 'function', function: { name: 'mail', arguments: '{"to":"joe@' } }),
        call(1, { id: 'call_2', type: 'function', function: { name: 'find', arguments: '{}' } }),
        call(0, { function: { arguments: 'example.com"}' } }),
      ].map((delta) => chunk(exchange, delta));
      await streams(
        raw.map(() => ''),
        { raw, ending: 'whole' },
      )(exchange);
    };
    await streamResult(bench);
    assert.deepEqual(
      kept(bench).map(({ choices }) => choices),
      [
        [
          {
            index: 0,
            message: {
              role: 'assistant',
              content: '',
              reasoning_content: '[email]?',
              tool_calls: [
                { index: 0, id: 'call_1', type: 'function', function: { name: 'mail', arguments: '{"to":"[email]"}' } },
                { index: 1, id: 'call_2', type: 'function', function: { name: 'find', arguments: '{}' } },
              ],
            },
            finish_reason: 'stop',
          },
        ],
      ],
    );
  });
});

it('embeddings leave nothing, whatever the policy', async (t) => {
  const { bench, one } = await start(t, 'full');
  one.otherwise = embeds;
  await bench.gateway.embed(bench.embedCall());
  assert.deepEqual([bench.contents, bench.lastRun.content, bench.lastRun.status], [[], undefined, 'succeeded']);
});
