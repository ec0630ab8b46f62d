/** Failures of the gateway as `POST /v1/chat/completions` tells them: a status before the commit point, an event after it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import OpenAI from 'openai';
import { CallerError, InvariantError, LimitError, UnavailableError, UpstreamError } from '#core/errors';
import type { HubError } from '#core/errors';
import { LimitExceededError } from '#contract/limits';
import { chunk, SECRET_PROMPT, startHttpHub, streamOf } from '../../../tests/helpers/http-hub.ts';
import { post, sseEvents } from '../../../tests/helpers/http-calls.ts';
import { presentations } from '../errors/presentation.ts';

const PATH = '/v1/chat/completions';
const request = { model: 'fast', messages: [{ role: 'user' as const, content: SECRET_PROMPT }] };

/** Each class of the official SDK, and what makes it. */
const MAPPED: readonly [HubError, unknown, number][] = [
  [new CallerError('model_not_found', 'No such model.', { param: 'model' }), OpenAI.NotFoundError, 404],
  [new CallerError('context_length_exceeded', 'Too long.'), OpenAI.BadRequestError, 400],
  [new LimitError('upstream_rate_limited', 'Slow down.', { retryAfterMs: 1500 }), OpenAI.RateLimitError, 429],
  [new UpstreamError('upstream_failed', 'It failed.'), OpenAI.InternalServerError, 502],
  [new UpstreamError('upstream_timeout', 'Too slow.'), OpenAI.InternalServerError, 504],
  [
    new UnavailableError('no_deployment_available', 'All open.', { retryAfterMs: 20_001 }),
    OpenAI.InternalServerError,
    503,
  ],
  [new UnavailableError('database_unavailable', 'Away.'), OpenAI.InternalServerError, 503],
  [new InvariantError('secret internal text'), OpenAI.InternalServerError, 500],
];

describe('a failed chat completion', () => {
  for (const [error, expected, status] of MAPPED) {
    for (const stream of [false, true]) {
      it(`is ${status} ${error.code} to the official client, ${stream ? 'streamed' : 'plain'}`, async (t) => {
        const fail = (): Promise<never> => Promise.reject(error);
        const hub = await startHttpHub(t, { complete: fail, stream: fail });
        const reported = hub.nextFinished();
        const client = new OpenAI({ baseURL: `${hub.url}/v1`, apiKey: hub.keys.chat, maxRetries: 0 });
        const thrown = await client.chat.completions.create({ ...request, stream }).then(
          () => assert.fail('it succeeded'),
          (reason: unknown) => reason,
        );
        assert.ok(thrown instanceof OpenAI.APIError);
        assert.equal(thrown.constructor, expected);
        assert.equal(thrown.status, status);
        assert.ok(thrown.message.includes(error.detail));
        assert.doesNotMatch(thrown.message, /secret internal text/);
        assert.equal(thrown.headers?.get('x-revoagent-run'), hub.calls[0]?.runId);
        assert.equal((await reported).errorCode, error.code);
      });
    }
  }

  it('says how long to wait, in seconds rounded up and in milliseconds', async (t) => {
    const complete = (): Promise<never> =>
      Promise.reject(new UnavailableError('no_deployment_available', 'All open.', { retryAfterMs: 20_001 }));
    const hub = await startHttpHub(t, { keyless: true, complete });
    const { headers } = await post(hub, PATH, request);
    assert.equal(headers.get('retry-after'), '21');
    assert.equal(headers.get('retry-after-ms'), '20001');
  });

  it('is sent again by the official client where that may help, and nowhere else', async (t) => {
    const limit = { scope: 'key', id: 'k', kind: 'tokens', period: 'minute', max: 10, used: 0, resetMs: 0 } as const;
    const cases = [
      [3, new UnavailableError('no_deployment_available', 'All open.', { retryAfterMs: 1 })],
      [1, new CallerError('not_cached', 'No answer is kept.')],
      [1, new CallerError('idempotency_answer_not_kept', 'It was done.')],
      [1, new LimitExceededError('This call alone asks for more.', limit, [limit])],
      [3, new LimitExceededError('There is room again soon.', limit, [limit], 1)],
    ] as const;
    for (const [calls, error] of cases) {
      const hub = await startHttpHub(t, { keyless: true, complete: () => Promise.reject(error) });
      const client = new OpenAI({ baseURL: `${hub.url}/v1`, apiKey: 'none' });
      await assert.rejects(client.chat.completions.create(request), { status: presentations[error.code].status });
      assert.equal(hub.calls.length, calls, error.code);
    }
  });

  it('carries the provider’s own reason', async (t) => {
    const upstreamBody = {
      message: 'Unsupported value',
      type: 'invalid_request_error',
      code: 'unsupported_value',
      param: 'n',
    };
    const complete = (): Promise<never> =>
      Promise.reject(new UpstreamError('upstream_rejected', 'The provider rejects it.', { upstreamBody }));
    const hub = await startHttpHub(t, { keyless: true, complete });
    const response = await post(hub, PATH, request);
    assert.equal(response.status, 400);
    assert.deepEqual(await response.json(), { error: upstreamBody });
  });

  it('keeps what is internal, and the prompt, out of the answer, and logs the reason once', async (t) => {
    const complete = (): Promise<never> => Promise.reject(new TypeError('undefined is not a secret'));
    const hub = await startHttpHub(t, { keyless: true, complete });
    const response = await post(hub, PATH, request);
    assert.equal(response.status, 500);
    assert.doesNotMatch(await response.text(), /secret|TypeError/);
    assert.equal(hub.log.length, 1);
    assert.match(hub.log[0] ?? '', /undefined is not a secret/);
    assert.doesNotMatch(hub.log.join(), new RegExp(SECRET_PROMPT));
  });

  it('ends a stream that had begun with an error event and no [DONE], and counts it as failed', async (t) => {
    async function* cut(): AsyncGenerator<string> {
      yield chunk('Hel');
      throw new UpstreamError('upstream_cut', 'The provider cut the answer.');
    }
    const hub = await startHttpHub(t, { keyless: true, stream: async ({ runId }) => streamOf(runId, cut()) });
    const reported = hub.nextFinished();
    const response = await post(hub, PATH, { ...request, stream: true });
    assert.equal(response.status, 200);
    const events = sseEvents(await response.text());
    assert.equal(events.length, 2);
    assert.deepEqual(JSON.parse(events[1]?.data ?? ''), {
      error: { message: 'The provider cut the answer.', type: 'upstream_error', param: null, code: 'upstream_cut' },
    });
    const { status, streamFailed, errorCode } = await reported;
    assert.deepEqual(
      { status, streamFailed, errorCode },
      { status: 200, streamFailed: true, errorCode: 'upstream_cut' },
    );
  });

  it('makes the official client raise in the middle of such a stream', async (t) => {
    async function* cut(): AsyncGenerator<string> {
      yield chunk('Hel');
      throw new UpstreamError('upstream_cut', 'The provider cut the answer.');
    }
    const hub = await startHttpHub(t, { stream: async ({ runId }) => streamOf(runId, cut()) });
    const client = new OpenAI({ baseURL: `${hub.url}/v1`, apiKey: hub.keys.chat, maxRetries: 0 });
    const stream = await client.chat.completions.create({ ...request, stream: true });
    let text = '';
    await assert.rejects(async () => {
      for await (const event of stream) text += event.choices[0]?.delta.content ?? '';
    }, /cut the answer/);
    assert.equal(text, 'Hel');
  });
});
