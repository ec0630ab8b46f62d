/** The official OpenAI client's own helper over streams as servers send them in life: it takes what the hub gives it, and misses nothing. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import OpenAI from 'openai';
import { forTheSuite } from '../../helpers/suite.ts';
import { event } from '../../helpers/upstream.ts';
import type { Behaviour } from '../../helpers/upstream.ts';
import { MODEL, startHubWithKey } from './hub-with-key.ts';
import type { HubWithKey } from './hub-with-key.ts';

type Fields = Record<string, unknown>;

const asked = { model: MODEL, messages: [{ role: 'user' as const, content: 'Are you well?' }] };

/** A stream of these chunks, each with the fields that all have. */
function sends(...chunks: readonly Fields[]): Behaviour {
  return ({ response }) => {
    const frame = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' };
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(`${chunks.map((fields) => event({ ...frame, ...fields })).join('')}data: [DONE]\n\n`);
  };
}

const says = (delta: Fields, finish: string | null = null, index = 0): Fields => ({
  choices: [{ index, delta, finish_reason: finish }],
});

describe('the helper of the official openai client', () => {
  const suite = forTheSuite();
  let hub: HubWithKey;
  let client: OpenAI;
  before(async () => {
    hub = await startHubWithKey(suite);
    client = new OpenAI({ baseURL: hub.baseURL, apiKey: hub.apiKey, maxRetries: 0 });
  });

  it('takes a stream whose server does not say who speaks, of every choice', async () => {
    hub.upstream.script(
      sends(
        { choices: [], prompt_filter_results: [] },
        says({ content: 'Yes' }),
        says({ role: null, content: 'No' }, null, 1),
        says({ content: '.' }, 'stop'),
        says({ content: '.' }, 'stop', 1),
      ),
    );
    const { choices } = await client.chat.completions.stream({ ...asked, n: 2 }).finalChatCompletion();
    assert.deepEqual(
      choices.map(({ message: { role, content } }) => [role, content]),
      [
        ['assistant', 'Yes.'],
        ['assistant', 'No.'],
      ],
    );
  });

  const call = (id: string, fields: Fields = {}, city = 'Bern'): Fields => ({
    id,
    type: 'function',
    function: { name: 'weather', arguments: JSON.stringify({ city }) },
    ...fields,
  });
  for (const [what, pieces] of [
    [
      'have no type',
      [
        { ...call('a', { index: 0 }), type: undefined },
        { ...call('b', { index: 1 }), type: undefined },
      ],
    ],
    ['have no numbers', [call('a'), call('b')]],
    ['have all the same number', [call('a', { index: 0 }), call('b', { index: 0 })]],
    ['are numbered from 1 on', [call('a', { index: 1 }), call('b', { index: 2 })]],
  ] as const)
    it(`takes tool calls that ${what}, and keeps them apart`, async () => {
      hub.upstream.script(
        sends(...pieces.map((piece) => says({ role: 'assistant', tool_calls: [piece] })), says({}, 'tool_calls')),
      );
      const { choices } = await client.chat.completions.stream(asked).finalChatCompletion();
      assert.deepEqual(
        choices[0]?.message.tool_calls?.map(({ id, type }) => [id, type]),
        [
          ['a', 'function'],
          ['b', 'function'],
        ],
      );
    });

  it('takes log probabilities, refusals, audio and usage as they come', async () => {
    const logprob = { token: 'Hi', logprob: -1, bytes: [72], top_logprobs: [] };
    hub.upstream.script(
      sends(
        { ...says({ role: 'assistant', content: '', refusal: null }), system_fingerprint: 'fp', obfuscation: 'x' },
        { choices: [{ index: 0, delta: { content: 'Hi' }, logprobs: { content: [logprob], refusal: null } }] },
        says({ refusal: 'No.' }),
        says({ audio: { id: 'audio_1', transcript: 'H' } }),
        says({ audio: { data: 'AAAA', transcript: 'i' } }),
        says({ audio: { expires_at: 1 } }, 'stop'),
        { choices: [], usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } },
      ),
    );
    const request = { ...asked, logprobs: true, stream_options: { include_usage: true } };
    const { choices, usage } = await client.chat.completions.stream(request).finalChatCompletion();
    assert.partialDeepStrictEqual(choices[0], {
      logprobs: { content: [logprob] },
      message: { content: 'Hi', refusal: 'No.', audio: { id: 'audio_1', transcript: 'Hi', data: 'AAAA' } },
    });
    assert.equal(usage?.total_tokens, 3);
  });
});
