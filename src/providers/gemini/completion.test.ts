/** What Gemini's answers become: whole and in chunks, with every reason for which an answer ends, and what is no answer at all. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UpstreamFailure } from '#contract/provider';
import { answer } from '../../../tests/helpers/gemini-upstream.ts';
import { ChunkWriter, toCompletion } from './completion.ts';

const ASKED = { model: 'gemini-2.5-flash', created: 1_700_000_000 };
const lookup = { functionCall: { name: 'lookup', args: { city: 'Oslo' } } };
const lookupCalled = { type: 'function', function: { name: 'lookup', arguments: '{"city":"Oslo"}' } };

const whole = (body: unknown) => toCompletion(JSON.stringify(body), 200, ASKED);

function chunksOf(events: readonly unknown[], { choices = 1, usage = false } = {}) {
  const writer = new ChunkWriter(ASKED, choices, usage);
  return events.flatMap((event) => writer.write(JSON.stringify(event))).map(({ chunk }) => chunk);
}

function failure(read: () => unknown): UpstreamFailure {
  try {
    read();
  } catch (error) {
    if (error instanceof UpstreamFailure) return error;
    throw error;
  }
  return assert.fail('it was taken for an answer');
}

describe('a whole answer of Gemini', () => {
  it('is a completion with what it cost, thoughts and cached tokens included', () => {
    const usageMetadata = {
      promptTokenCount: 100,
      toolUsePromptTokenCount: 5,
      cachedContentTokenCount: 60,
      candidatesTokenCount: 20,
      thoughtsTokenCount: 30,
      totalTokenCount: 155,
    };
    assert.deepEqual(whole(answer([{ text: 'All is ' }, { text: 'well.' }], 'STOP', { usageMetadata })), {
      id: 'chatcmpl-response-1',
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'test-model-001',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'All is well.', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: 105,
        completion_tokens: 50,
        total_tokens: 155,
        prompt_tokens_details: { cached_tokens: 60 },
        completion_tokens_details: { reasoning_tokens: 30 },
      },
    });
  });

  it('keeps what the model thought apart from what it said', () => {
    const [choice] = whole(answer([{ text: 'Hm.', thought: true }, { text: 'Yes.' }], 'STOP')).choices;
    assert.equal(choice?.message.content, 'Yes.');
    assert.equal(choice?.message['reasoning_content'], 'Hm.');
  });

  it('has calls with their signatures, under Google’s ids or the same ids each time', () => {
    const parts = [{ ...lookup, thoughtSignature: 'c2VhbA==' }, { functionCall: { id: 'own-id', name: 'now' } }];
    const [choice] = whole(answer(parts, 'STOP')).choices;
    assert.equal(choice?.finish_reason, 'tool_calls');
    assert.deepEqual(choice?.message, {
      role: 'assistant',
      content: null,
      refusal: null,
      tool_calls: [
        {
          id: 'call_response-1_0_0',
          ...lookupCalled,
          extra_content: { google: { thought_signature: 'c2VhbA==' } },
        },
        { id: 'own-id', type: 'function', function: { name: 'now', arguments: '{}' } },
      ],
    });
    assert.deepEqual(whole(answer(parts, 'STOP')).choices[0], choice);
  });

  it('has a choice for each candidate, and log probabilities where they were asked for', () => {
    const token = { token: 'Yes', logProbability: -0.1, tokenId: 7 };
    const logprobsResult = { chosenCandidates: [token], topCandidates: [{ candidates: [token, { token: 'No' }] }] };
    const candidates = [
      { content: { parts: [{ text: 'Yes' }] }, finishReason: 'STOP', logprobsResult },
      { index: 1, content: { parts: [{ text: 'No' }] }, finishReason: 'MAX_TOKENS' },
    ];
    const { choices } = whole({ candidates });
    assert.deepEqual(
      choices.map(({ index, message, finish_reason }) => [index, message.content, finish_reason]),
      [
        [0, 'Yes', 'stop'],
        [1, 'No', 'length'],
      ],
    );
    const yes = { token: 'Yes', logprob: -0.1, bytes: null };
    assert.deepEqual(choices[0]?.['logprobs'], {
      content: [{ ...yes, top_logprobs: [yes, { token: 'No', logprob: 0, bytes: null }] }],
      refusal: null,
    });
  });

  it('without parts is an empty one', () => {
    const { choices } = whole({ candidates: [{ finishReason: 'MAX_TOKENS', index: 0 }] });
    assert.deepEqual([choices[0]?.message.content, choices[0]?.finish_reason], ['', 'length']);
  });
});

const FINISHES: readonly (readonly [reason: string, finish: string])[] = [
  ['STOP', 'stop'],
  ['MAX_TOKENS', 'length'],
  ['SAFETY', 'content_filter'],
  ['RECITATION', 'content_filter'],
  ['LANGUAGE', 'content_filter'],
  ['BLOCKLIST', 'content_filter'],
  ['PROHIBITED_CONTENT', 'content_filter'],
  ['SPII', 'content_filter'],
  ['IMAGE_SAFETY', 'content_filter'],
  ['IMAGE_PROHIBITED_CONTENT', 'content_filter'],
  ['IMAGE_RECITATION', 'content_filter'],
];
const NO_ENDS = ['MALFORMED_FUNCTION_CALL', 'OTHER', 'UNEXPECTED_TOOL_CALL', 'FINISH_REASON_UNSPECIFIED', 'toString'];

describe('the reason for which an answer ended', () => {
  for (const [reason, finish] of FINISHES) {
    it(`${reason} is ${finish}, whole and streamed`, () => {
      const body = answer([{ text: 'Some' }], reason);
      assert.equal(whole(body).choices[0]?.finish_reason, finish);
      assert.equal(chunksOf([body]).at(-1)?.choices[0]?.finish_reason, finish);
    });
  }
  for (const reason of NO_ENDS) {
    it(`${reason} makes it no answer, whole and streamed`, () => {
      const body = answer([{ text: 'Some' }], reason);
      for (const thrown of [failure(() => whole(body)), failure(() => chunksOf([body]))]) {
        assert.equal(thrown.kind, 'reported');
        assert.equal(thrown.body?.type, reason);
      }
    });
  }
});

describe('what is no answer', () => {
  it('a blocked prompt is the content filter’s', () => {
    const body = { promptFeedback: { blockReason: 'SAFETY' }, usageMetadata: { promptTokenCount: 4 } };
    for (const thrown of [failure(() => whole(body)), failure(() => chunksOf([body]))]) {
      assert.equal(thrown.kind, 'reported');
      assert.deepEqual([thrown.body?.code, thrown.body?.param], ['content_filter', 'messages']);
      assert.match(thrown.body?.message ?? '', /blocked the prompt \(SAFETY\)/);
    }
  });

  it('an error inside a 200 is reported with its code', () => {
    const error = { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' };
    for (const body of [{ error }, [{ error }]]) {
      const thrown = failure(() => whole(body));
      assert.equal(thrown.kind, 'reported');
      assert.deepEqual(
        [thrown.body?.message, thrown.body?.type, thrown.body?.code],
        ['The model is overloaded.', 'UNAVAILABLE', '503'],
      );
    }
  });

  const MALFORMED: readonly unknown[] = [
    'no object',
    {},
    { candidates: {} },
    { candidates: ['text'] },
    { candidates: [{ index: 'x' }] },
    { candidates: [{ content: { parts: ['text'] } }] },
    answer([{ functionCall: { args: {} } }], 'STOP'),
    answer([{ functionCall: { name: 'f', args: [] } }], 'STOP'),
    answer([{ text: 'See: ' }, { inlineData: { mimeType: 'image/png', data: 'AA==' } }], 'STOP'),
    { candidates: [{ finishReason: 7 }] },
  ];
  for (const body of MALFORMED) {
    it(`${JSON.stringify(body).slice(0, 120)} is malformed`, () => {
      assert.equal(failure(() => whole(body)).kind, 'malformed');
      assert.equal(failure(() => chunksOf([body])).kind, 'malformed');
    });
  }

  it('a whole answer that has not ended is malformed; in a stream it is the beginning', () => {
    const body = answer([{ text: 'Some' }]);
    assert.equal(failure(() => whole(body)).kind, 'malformed');
    assert.equal(chunksOf([body]).length, 1);
  });
});

describe('a stream of Gemini’s', () => {
  const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
  const counted = {
    ...usage,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
  const events = [answer([{ text: 'All is' }]), answer([{ text: ' well.' }], 'STOP')];

  it('begins with the role, and ends with the finish reason in a chunk of its own that has what it cost', () => {
    const chunks = chunksOf(events);
    assert.deepEqual(
      chunks.map(({ choices }) => choices),
      [
        [{ index: 0, delta: { role: 'assistant', content: 'All is' }, logprobs: null, finish_reason: null }],
        [{ index: 0, delta: { content: ' well.' }, logprobs: null, finish_reason: null }],
        [{ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }],
      ],
    );
    assert.deepEqual(
      chunks.map((chunk) => chunk.usage),
      [undefined, undefined, counted],
    );
    assert.deepEqual(
      new Set(chunks.map(({ id, object, created, model }) => [id, object, created, model].join())),
      new Set(['chatcmpl-response-1,chat.completion.chunk,1700000000,test-model-001']),
    );
  });

  it('tells what it cost in a last chunk without a choice where that was asked for, once', () => {
    const chunks = chunksOf([...events, { usageMetadata: { promptTokenCount: 1 } }], { usage: true });
    assert.deepEqual(
      chunks.map((chunk) => [chunk.choices.length, chunk.usage ?? null]),
      [
        [1, null],
        [1, null],
        [1, null],
        [0, counted],
      ],
    );
  });

  it('tells what it cost where that comes after the finish reason', () => {
    const { usageMetadata, ...bare } = answer([{ text: 'Yes.' }], 'STOP');
    const chunks = chunksOf([bare, { usageMetadata }], { usage: true });
    assert.deepEqual(chunks.at(-1)?.usage, counted);
  });

  it('counts the calls of a choice over all events', () => {
    const other = { functionCall: { name: 'now' }, thoughtSignature: 'c2VhbA==' };
    const chunks = chunksOf([answer([lookup]), answer([other]), answer([], 'STOP')]);
    assert.deepEqual(
      chunks.map(({ choices }) => choices[0]?.delta['tool_calls']),
      [
        [{ index: 0, id: 'call_response-1_0_0', ...lookupCalled }],
        [
          {
            index: 1,
            id: 'call_response-1_0_1',
            type: 'function',
            function: { name: 'now', arguments: '{}' },
            extra_content: { google: { thought_signature: 'c2VhbA==' } },
          },
        ],
        undefined,
      ],
    );
    assert.equal(chunks.at(-1)?.choices[0]?.finish_reason, 'tool_calls');
  });

  it('ends each of several choices, and counts the cost after the last', () => {
    const at = (index: number, finishReason?: string): unknown => ({
      ...answer([]),
      candidates: [{ index, content: { parts: [{ text: String(index) }] }, finishReason }],
    });
    const chunks = chunksOf([at(0, 'STOP'), at(1), at(1, 'MAX_TOKENS')], { choices: 2 });
    assert.deepEqual(
      chunks.map(({ choices, usage: used }) => [choices[0]?.index, choices[0]?.finish_reason, used !== undefined]),
      [
        [0, null, false],
        [0, 'stop', false],
        [1, null, false],
        [1, null, false],
        [1, 'length', true],
      ],
    );
  });
});
