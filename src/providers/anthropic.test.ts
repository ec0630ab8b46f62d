/** Anthropic's kind on a real socket: what arrives at the upstream, what its answers, events and errors become. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { seededRandom } from '#core/random';
import type { Provider, ProviderCall } from '#contract/provider';
import { UpstreamFailure } from '#contract/provider';
import type { Json } from '#dialects/json';
import { event, message, refusesMessage } from '../../tests/helpers/anthropic-upstream.ts';
import { answersBody, startUpstream } from '../../tests/helpers/upstream.ts';
import type { Behaviour, Upstream } from '../../tests/helpers/upstream.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { createProvider } from './index.ts';

const KEY = 'sk-ant-of-the-hub';

async function start(
  t: TestContext,
  more: object = {},
): Promise<{ provider: Provider; upstream: Upstream; clock: VirtualClock }> {
  const upstream = await startUpstream(t);
  upstream.otherwise = answersBody(message([], 'end_turn'));
  const clock = new VirtualClock();
  const settings = { baseUrl: upstream.baseUrl, apiKey: KEY, ...more };
  const provider = createProvider('anthropic', settings, { name: 'one', clock, random: seededRandom(1) });
  t.after(() => provider.close());
  return { provider, upstream, clock };
}

function callOf(fields: Record<string, unknown> = {}): ProviderCall {
  return {
    model: 'claude-test',
    request: { model: 'asked', messages: [{ role: 'user', content: 'Are you well?' }], ...fields },
    signal: new AbortController().signal,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    surface: 'openai',
    onConnected: () => undefined,
  };
}

async function deltasOf(t: TestContext, behaviour: Behaviour, fields?: Record<string, unknown>): Promise<unknown[]> {
  const { provider, upstream } = await start(t);
  upstream.script(behaviour);
  const events = await Array.fromAsync((await provider.stream(callOf(fields))).events);
  const told = events.filter(({ hidden }) => hidden !== true);
  return told.map(({ chunk }) => {
    const [choice] = chunk.choices;
    const finish = choice?.finish_reason ?? null;
    return { ...choice?.delta, ...(finish === null ? {} : { finish }), ...(chunk.usage ? { usage: chunk.usage } : {}) };
  });
}

const SSE = { 'content-type': 'text/event-stream' };
const USAGE = {
  prompt_tokens: 7,
  completion_tokens: 3,
  total_tokens: 10,
  prompt_tokens_details: { cached_tokens: 2, cache_creation_tokens: 1 },
};
const COUNTS = { input_tokens: 4, cache_creation_input_tokens: 1, cache_read_input_tokens: 2, output_tokens: 3 };
const BLOCKS = [
  { type: 'thinking', thinking: 'Look first.', signature: 'sig' },
  { type: 'redacted_thinking', data: 'sealed' },
  { type: 'text', text: 'Let me ' },
  { type: 'text', text: 'look.' },
  { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Bern' } },
  { type: 'tool_use', id: 'toolu_2', name: 'time', input: {} },
];
/** A stream of these events, between the beginning of a message and what ends it. */
function sends(events: readonly WireEvent[], ending: readonly WireEvent[] = WHOLE): Behaviour {
  return ({ response }) => {
    const begin = { type: 'message_start', message: { ...message([], ''), usage: { ...COUNTS, output_tokens: 1 } } };
    response.writeHead(200, SSE).end([begin, ...events, ...ending].map((each) => event(each)).join(''));
  };
}

type WireEvent = Parameters<typeof event>[0];
const WHOLE: readonly WireEvent[] = [
  { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 3, input_tokens: null } },
  { type: 'message_stop' },
];
const begins = (index: number, block: unknown) => ({ type: 'content_block_start', index, content_block: block });
const goesOn = (index: number, type: string, field: string, piece: string) => ({
  type: 'content_block_delta',
  index,
  delta: { type, [field]: piece },
});
const ends = (index: number) => ({ type: 'content_block_stop', index });

describe('the request', () => {
  it('carries the key, the version, the betas, the trace and the upstream’s name of the model', async (t) => {
    const { provider, upstream } = await start(t, { beta: ['context-1m-2025-08-07', 'x'], maxTokens: 99 });
    await provider.complete(callOf());
    const [{ path, headers, body } = assert.fail('nothing arrived')] = upstream.received;
    assert.equal(path, '/v1/messages');
    assert.deepEqual(
      [headers['x-api-key'], headers['anthropic-version'], headers['anthropic-beta'], headers['authorization']],
      [KEY, '2023-06-01', 'context-1m-2025-08-07,x', undefined],
    );
    assert.equal(headers['traceparent'], callOf().traceparent);
    assert.deepEqual([body['model'], body['max_tokens'], body['stream']], ['claude-test', 99, false]);
  });

  it('that cannot be told is not sent at all', async (t) => {
    const { provider, upstream } = await start(t);
    for (const asked of [provider.complete(callOf({ n: 2 })), provider.stream(callOf({ n: 2 }))]) {
      await assert.rejects(asked, (error) => error instanceof UpstreamFailure && error.kind === 'untranslatable');
    }
    assert.equal(upstream.received.length, 0);
  });
});

describe('a whole answer', () => {
  it('becomes a completion with its text, thinking, calls and counts', async (t) => {
    const { provider, upstream, clock } = await start(t);
    upstream.script(answersBody({ ...message(BLOCKS, 'tool_use'), usage: COUNTS }));
    const { body, raw } = await provider.complete(callOf());
    assert.equal(raw, undefined);
    assert.deepEqual(body, {
      id: 'msg_test',
      object: 'chat.completion',
      created: Math.floor(clock.wallMs() / 1e3),
      model: 'test-model',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'Let me look.',
            refusal: null,
            reasoning_content: 'Look first.',
            thinking_blocks: BLOCKS.slice(0, 2),
            // OpenAI's form has place for one text.
            anthropic: { content: BLOCKS },
            tool_calls: [
              {
                id: 'toolu_1',
                type: 'function',
                function: {
                  name: 'weather',
                  arguments: '{"city":"Bern"}',
                },
              },
              {
                id: 'toolu_2',
                type: 'function',
                function: {
                  name: 'time',
                  arguments: '{}',
                },
              },
            ],
          },
          logprobs: null,
          finish_reason: 'tool_calls',
        },
      ],
      usage: USAGE,
    });
  });

  for (const [stop, finish] of [
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['pause_turn', 'pause_turn'],
    ['a_reason_of_next_year', 'a_reason_of_next_year'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['tool_use', 'tool_calls'],
    ['refusal', 'content_filter'],
  ] as const) {
    it(`that ended by ${stop} has the finish reason ${finish}`, async (t) => {
      const { provider, upstream } = await start(t);
      upstream.script(answersBody(message([], stop)));
      const [choice] = (await provider.complete(callOf())).body.choices;
      assert.deepEqual([choice?.finish_reason, choice?.message.content], [finish, '']);
    });
  }

  it('that is no message is malformed, and one that is an error is reported', async (t) => {
    const { provider, upstream } = await start(t);
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    for (const [text, kind] of [
      ['{"type":"message"}', 'malformed'],
      ['<html>', 'malformed'],
      [JSON.stringify(error), 'reported'],
    ] as const) {
      upstream.script(({ response }) => void response.writeHead(200).end(text));
      await assert.rejects(
        provider.complete(callOf()),
        (thrown) => thrown instanceof UpstreamFailure && thrown.kind === kind,
      );
    }
  });
});

describe('a stream', () => {
  const script = [
    begins(0, { type: 'thinking', thinking: '', signature: '' }),
    goesOn(0, 'thinking_delta', 'thinking', 'Look '),
    goesOn(0, 'thinking_delta', 'thinking', 'first.'),
    goesOn(0, 'signature_delta', 'signature', 'sig'),
    ends(0),
    begins(1, { type: 'redacted_thinking', data: 'sealed' }),
    ends(1),
    { type: 'ping' },
    begins(2, { type: 'text', text: '' }),
    goesOn(2, 'text_delta', 'text', 'Let me look.'),
    ends(2),
    { type: 'an_event_of_next_year' },
    begins(3, { type: 'tool_use', id: 'toolu_1', name: 'weather', input: {} }),
    goesOn(3, 'input_json_delta', 'partial_json', ''),
    goesOn(3, 'input_json_delta', 'partial_json', '{"city":'),
    goesOn(3, 'input_json_delta', 'partial_json', '"Bern"}'),
    ends(3),
    begins(4, { type: 'tool_use', id: 'toolu_2', name: 'time', input: {} }),
    ends(4),
  ];
  const called = (index: number, id: string, name: string) => ({
    tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }],
  });
  const argued = (index: number, piece: string) => ({ tool_calls: [{ index, function: { arguments: piece } }] });
  const DELTAS = [
    { role: 'assistant', content: '' },
    { reasoning_content: 'Look ' },
    { reasoning_content: 'first.' },
    { thinking_blocks: [BLOCKS[0]] },
    { thinking_blocks: [BLOCKS[1]] },
    { content: 'Let me look.' },
    called(0, 'toolu_1', 'weather'),
    argued(0, '{"city":'),
    argued(0, '"Bern"}'),
    called(1, 'toolu_2', 'time'),
    argued(1, '{}'),
  ];

  it('becomes chunks event by event, the counts with the last of them', async (t) => {
    assert.deepEqual(await deltasOf(t, sends(script)), [...DELTAS, { finish: 'stop', usage: USAGE }]);
  });

  it('has an event for the hub alone where Anthropic sends one that says nothing: its upstream is not silent', async (t) => {
    const { provider, upstream } = await start(t);
    const text = goesOn(0, 'text_delta', 'text', 'Well.');
    upstream.script(sends([begins(0, { type: 'text', text: '' }), text, { type: 'ping' }, { type: 'ping' }, text]));
    const events = await Array.fromAsync((await provider.stream(callOf())).events);
    const said = events.map(({ hidden, chunk }) => hidden ?? chunk.choices[0]?.delta.content);
    assert.deepEqual(said.slice(1, 6), [true, 'Well.', true, true, 'Well.']);
  });

  it('has a chunk of its own for the counts where the caller asked for one', async (t) => {
    const deltas = await deltasOf(t, sends(script), { stream_options: { include_usage: true } });
    assert.deepEqual(deltas, [...DELTAS, { finish: 'stop' }, { usage: USAGE }]);
  });

  it('says beside its text what Anthropic’s own tools are asked and find, and that a paused turn is not over', async (t) => {
    const asks = (at: number, type: string): WireEvent[] => [
      begins(at, { type, id: `srvtoolu_${at}`, name: 'web_search', input: {} }),
      goesOn(at, 'input_json_delta', 'partial_json', '{"query":'),
      goesOn(at, 'input_json_delta', 'partial_json', '"secret plan"}'),
      ends(at),
    ];
    const deltas = await deltasOf(
      t,
      sends(
        [
          begins(0, { type: 'text', text: '' }),
          goesOn(0, 'text_delta', 'text', 'Let me look. '),
          ends(0),
          ...asks(1, 'server_tool_use'),
          begins(2, { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] }),
          ends(2),
          ...asks(3, 'mcp_tool_use'),
          begins(4, { type: 'tool_use', id: 'toolu_1', name: 'weather', input: {} }),
          goesOn(4, 'input_json_delta', 'partial_json', '{"city":"Bern"}'),
          ends(4),
          ...asks(5, 'server_tool_use'),
          begins(6, { type: 'text', text: '' }),
          goesOn(6, 'text_delta', 'text', 'Done.'),
          ends(6),
        ],
        [{ type: 'message_delta', delta: { stop_reason: 'pause_turn' } }, { type: 'message_stop' }],
      ),
    );
    const own = (type: string, at: number): Json => ({
      type,
      id: `srvtoolu_${at}`,
      name: 'web_search',
      input: { query: 'secret plan' },
    });
    const kept = (...content: Json[]): Json => ({ anthropic: { content } });
    assert.deepEqual(deltas.slice(1, -1), [
      { content: 'Let me look. ' },
      kept({ type: 'text', text: 'Let me look. ' }),
      kept(own('server_tool_use', 1)),
      kept({ type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] }),
      kept(own('mcp_tool_use', 3)),
      called(0, 'toolu_1', 'weather'),
      argued(0, '{"city":"Bern"}'),
      kept({ type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Bern' } }),
      kept(own('server_tool_use', 5)),
      { content: 'Done.' },
      kept({ type: 'text', text: 'Done.' }),
    ]);
    assert.equal(Object(deltas.at(-1)).finish, 'pause_turn');
  });

  it('that is JSON by a forced tool says the tool’s arguments as its text, and those alone', async (t) => {
    const deltas = await deltasOf(
      t,
      sends(
        [
          begins(0, { type: 'tool_use', id: 'toolu_1', name: 'json_answer', input: {} }),
          goesOn(0, 'input_json_delta', 'partial_json', '{"ok":'),
          goesOn(0, 'input_json_delta', 'partial_json', 'true}'),
          ends(0),
          begins(1, { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} }),
          goesOn(1, 'input_json_delta', 'partial_json', '{"query":"x"}'),
          ends(1),
        ],
        [{ type: 'message_delta', delta: { stop_reason: 'tool_use' } }, { type: 'message_stop' }],
      ),
      { response_format: { type: 'json_object' } },
    );
    assert.deepEqual(deltas.slice(1, -1), [{ content: '{"ok":' }, { content: 'true}' }]);
    assert.equal(Object(deltas.at(-1)).finish, 'stop');
  });

  const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
  const piece = goesOn(0, 'text_delta', 'text', 'x');
  const raw =
    (text: string): Behaviour =>
    ({ response }) =>
      void response.writeHead(200, SSE).end(text);
  const faults: readonly (readonly [what: string, behaviour: Behaviour, kind: string])[] = [
    ['reports an error', sends([piece], [overloaded]), 'reported'],
    ['begins in the middle', raw(event(piece)), 'malformed'],
    ['has an event that is no JSON', raw('data: {\n\ndata: {}\n\n'), 'malformed'],
    ['has an event without a type', raw('data: {}\n\ndata: {}\n\n'), 'malformed'],
    ['ends in the middle of an event', raw('data: {"type":"mess'), 'cut'],
  ];
  for (const [what, behaviour, kind] of faults) {
    it(`that ${what} is thrown as ${kind}`, async (t) => {
      await assert.rejects(deltasOf(t, behaviour), (error) => {
        assert.ok(error instanceof UpstreamFailure, String(error));
        assert.equal(error.kind, kind);
        if (kind === 'reported')
          assert.deepEqual([error.body?.type, error.body?.message], ['overloaded_error', 'Overloaded']);
        return true;
      });
    });
  }

  it('that ends without a reason has no finish reason, which the gateway judges', async (t) => {
    assert.deepEqual(await deltasOf(t, sends([piece], [])), [DELTAS[0], { content: 'x' }]);
  });
});

describe('an error', () => {
  it('is read with its type, its sentence and its wait, and never quotes the key', async (t) => {
    const { provider, upstream } = await start(t);
    upstream.script((exchange) => {
      exchange.response.setHeader('retry-after', '7');
      return refusesMessage(429, 'rate_limit_error', `Too much for ${KEY}`)(exchange);
    });
    await assert.rejects(provider.complete(callOf()), (error) => {
      assert.ok(error instanceof UpstreamFailure);
      assert.deepEqual([error.kind, error.status, error.retryAfterMs], ['status', 429, 7_000]);
      assert.deepEqual([error.body?.type, error.body?.message], ['rate_limit_error', 'Too much for [redacted]']);
      return true;
    });
  });
});

it('lists the models that the settings name without asking', async (t) => {
  const { provider } = await start(t, { models: ['claude-a'], baseUrl: 'http://127.0.0.1:1/v1' });
  assert.deepEqual(
    (await provider.models(new AbortController().signal)).map(({ id }) => id),
    ['claude-a'],
  );
});
