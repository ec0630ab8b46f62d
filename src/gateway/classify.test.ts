/** What each failure means for the plan, the breaker and the caller: the whole table, so that no kind changes its meaning unseen. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FailureKind, ProviderErrorBody } from '#contract/provider';
import { UpstreamFailure } from '#contract/provider';
import { AttemptTimeout, classify } from './classify.ts';

type Row = readonly [
  what: string,
  thrown: UpstreamFailure | AttemptTimeout,
  verdict: string,
  breaker: string,
  code: string,
];

const failed = (kind: FailureKind, status?: number, body?: ProviderErrorBody): UpstreamFailure =>
  new UpstreamFailure(kind, 'what the provider room says', {
    ...(status === undefined ? {} : { status }),
    ...(body === undefined ? {} : { body }),
  });
const status = (code: number, body?: ProviderErrorBody): UpstreamFailure => failed('status', code, body);
const reported = (body: Partial<ProviderErrorBody>): UpstreamFailure =>
  failed('reported', 200, { message: 'No.', ...body });
const said = { message: 'No such model.' };

const TABLE: readonly Row[] = [
  ['unreachable', failed('unreachable'), 'retry_same', 'failure', 'upstream_unreachable'],
  ['reset', failed('reset'), 'retry_same', 'failure', 'upstream_unreachable'],
  ['cut', failed('cut', 200), 'retry_same', 'failure', 'upstream_cut'],
  ['malformed', failed('malformed', 200), 'try_other', 'failure', 'upstream_malformed'],
  ['oversize', failed('oversize', 200), 'try_other', 'failure', 'upstream_malformed'],
  ['untranslatable', failed('untranslatable'), 'try_other', 'ignore', 'unsupported_field'],
  ['crowded', failed('crowded'), 'try_other', 'ignore', 'overloaded'],

  ['no connection in time', new AttemptTimeout('timeout_connect'), 'try_other', 'failure', 'upstream_timeout'],
  ['no first token in time', new AttemptTimeout('timeout_first_token'), 'try_other', 'failure', 'upstream_timeout'],
  ['silence in the stream', new AttemptTimeout('timeout_idle'), 'try_other', 'failure', 'upstream_timeout'],
  ['a wish for less time', new AttemptTimeout('timeout_total', true), 'give_up', 'ignore', 'upstream_timeout'],
  ['the total is spent', new AttemptTimeout('timeout_total'), 'give_up', 'failure', 'upstream_timeout'],

  ['500', status(500), 'retry_same', 'failure', 'upstream_failed'],
  ['502', status(502), 'retry_same', 'failure', 'upstream_failed'],
  ['503', status(503), 'retry_same', 'failure', 'upstream_failed'],
  ['529 (overloaded)', status(529), 'retry_same', 'failure', 'upstream_failed'],
  ['a redirect', status(302), 'try_other', 'failure', 'upstream_failed'],
  ['400', status(400), 'give_up', 'success', 'upstream_rejected'],
  ['401', status(401), 'try_other', 'success', 'upstream_credentials'],
  ['402', status(402), 'try_other', 'success', 'upstream_credentials'],
  ['403', status(403), 'try_other', 'success', 'upstream_credentials'],
  ['404 with a reason', status(404, said), 'try_other', 'success', 'model_not_found'],
  ['404 of a wrong address', status(404), 'try_other', 'success', 'upstream_failed'],
  ['405', status(405), 'try_other', 'success', 'upstream_failed'],
  ['408', status(408), 'try_other', 'throttled', 'upstream_timeout'],
  ['413', status(413), 'give_up', 'success', 'upstream_rejected'],
  ['422', status(422), 'give_up', 'success', 'upstream_rejected'],
  ['429', status(429), 'try_other', 'throttled', 'upstream_rate_limited'],

  ['an error without a name', reported({}), 'retry_same', 'failure', 'upstream_failed'],
  ['a server_error', reported({ type: 'server_error' }), 'retry_same', 'failure', 'upstream_failed'],
  ['a code that is a status', reported({ code: '503' }), 'retry_same', 'failure', 'upstream_failed'],
  [
    'the least code that is a status of a failure',
    reported({ code: '400' }),
    'give_up',
    'success',
    'upstream_rejected',
  ],
  ['a code that is 429', reported({ code: '429' }), 'try_other', 'throttled', 'upstream_rate_limited'],
  ['a rate limit', reported({ code: 'rate_limit_exceeded' }), 'try_other', 'throttled', 'upstream_rate_limited'],
  ['a spent quota', reported({ type: 'insufficient_quota' }), 'try_other', 'throttled', 'upstream_rate_limited'],
  ['a refused key', reported({ code: 'invalid_api_key' }), 'try_other', 'success', 'upstream_credentials'],
  ['a refused request', reported({ type: 'invalid_request_error' }), 'give_up', 'success', 'upstream_rejected'],
  ['a filter', reported({ code: 'content_filter' }), 'give_up', 'success', 'content_filtered'],
  ['an overloaded_error', reported({ type: 'overloaded_error' }), 'retry_same', 'failure', 'upstream_failed'],
  ['an api_error', reported({ type: 'api_error' }), 'retry_same', 'failure', 'upstream_failed'],
  ['a timeout_error', reported({ type: 'timeout_error' }), 'retry_same', 'failure', 'upstream_failed'],
  ['a rate_limit_error', reported({ type: 'rate_limit_error' }), 'try_other', 'throttled', 'upstream_rate_limited'],
  [
    'an authentication_error',
    reported({ type: 'authentication_error' }),
    'try_other',
    'success',
    'upstream_credentials',
  ],
  ['a permission_error', reported({ type: 'permission_error' }), 'try_other', 'success', 'upstream_credentials'],
  ['a billing_error', reported({ type: 'billing_error' }), 'try_other', 'success', 'upstream_credentials'],
  ['a not_found_error', reported({ type: 'not_found_error' }), 'try_other', 'success', 'model_not_found'],
  ['a request_too_large', reported({ type: 'request_too_large' }), 'give_up', 'success', 'upstream_rejected'],
  [
    'a long prompt by its sentence',
    reported({ type: 'invalid_request_error', message: 'prompt is too long: 210000 tokens > 200000 maximum' }),
    'give_up',
    'success',
    'context_length_exceeded',
  ],
  [
    'a spent balance under a 400',
    status(400, { type: 'invalid_request_error', message: 'Your credit balance is too low to access the API.' }),
    'try_other',
    'success',
    'upstream_credentials',
  ],
  ['a long prompt', reported({ code: 'context_length_exceeded' }), 'give_up', 'success', 'context_length_exceeded'],
];

describe('classify', () => {
  for (const [what, thrown, verdict, breaker, code] of TABLE) {
    it(`${what}: ${verdict}, ${breaker} for the breaker, ${code} for the caller`, () => {
      const classified = classify(thrown, 'one');
      assert.deepEqual([classified.verdict, classified.breaker, classified.error.code], [verdict, breaker, code]);
      assert.match(classified.error.detail, /the provider "one"/i);
    });
  }

  it('knows a prompt that is too long by its sentence, in the words of several vendors', () => {
    for (const message of [
      'This model’s maximum context length is 8192 tokens.',
      'prompt is too long: 210000 tokens > 200000 maximum',
      'Please reduce the length of the messages.',
      'The request exceeds the context window.',
      'input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000',
    ]) {
      assert.equal(classify(status(400, { message }), 'one').error.code, 'context_length_exceeded', message);
    }
  });

  it('gives the caller the provider’s sentence for what is his fault, and keeps it back for what is not', () => {
    const message = 'Organisation org-123 of Example Ltd.';
    assert.match(classify(status(400, { message }), 'one').error.detail, /org-123/);
    for (const thrown of [status(401, { message }), status(429, { message }), status(500, { message })]) {
      const { error } = classify(thrown, 'one');
      assert.doesNotMatch(`${error.detail} ${error.internal}`, /org-123/);
    }
  });

  it('names to the caller what a provider cannot be told, and keeps it out of the log', () => {
    const body = { message: 'messages[2].name: Gemini has nothing like it.', param: 'messages[2].name' };
    const { error } = classify(failed('untranslatable', undefined, body), 'one');
    assert.equal(error.param, 'messages[2].name');
    assert.equal(error.detail, `The provider "one" cannot be told ${body.message}`);
    assert.doesNotMatch(error.internal ?? '', /messages/);
  });

  it('passes on how long the upstream asks to be left alone', () => {
    for (const code of [408, 429, 500, 503, 529])
      for (const [stated, told] of [
        [7_000, 7_000],
        [86_400_000, 3_600_000],
      ] as const) {
        const thrown = new UpstreamFailure('status', 'later', { status: code, retryAfterMs: stated });
        const { retryAfterMs, error } = classify(thrown, 'one');
        assert.deepEqual([retryAfterMs, error.retryAfterMs], [stated, told], 'the caller no longer than an hour');
      }
    for (const code of [400, 401]) {
      const refused = new UpstreamFailure('status', 'no', { status: code, retryAfterMs: 7_000 });
      assert.equal(classify(refused, 'one').error.retryAfterMs, undefined, 'no waiting helps');
    }
  });

  it('says to the caller how the upstream failed', () => {
    const failures = [status(503), reported({ code: '503' }), failed('oversize', 200)];
    assert.deepEqual(
      failures.map((failure) => classify(failure, 'one').error.detail),
      [
        'The provider "one" answered with status 503.',
        'The provider "one" reported an error instead of an answer.',
        'The provider "one" gave an answer larger than the hub accepts.',
      ],
    );
  });

  it('writes a label of the provider’s into the log only where it looks like one', () => {
    const odd = classify(status(500, { message: 'x', code: 'the prompt was: hello', type: 'server_error' }), 'one');
    assert.equal(odd.error.internal, 'what the provider room says server_error');
  });
});
