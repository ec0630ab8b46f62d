/**
 * The same faults through a whole hub, as a program that calls it sees them: a status or a whole stream, never `[DONE]` after half an
 * answer; what the upstream received; and a run whose record explains every attempt.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { post, sseEvents } from '../helpers/http-calls.ts';
import { startHubProcess, waitFor } from '../helpers/hub-process.ts';
import type { HubProcess } from '../helpers/hub-process.ts';
import { forTheSuite } from '../helpers/suite.ts';
import { answers, neverAnswers, refuses, startUpstream, streams } from '../helpers/upstream.ts';
import type { Behaviour, Upstream } from '../helpers/upstream.ts';
import { FAULTS } from './faults.ts';

const STATUS: Readonly<Record<string, number>> = {
  upstream_failed: 502,
  upstream_malformed: 502,
  upstream_cut: 502,
  upstream_unreachable: 502,
  upstream_credentials: 502,
  upstream_rate_limited: 429,
  upstream_timeout: 504,
};
/** The code as OpenAI's clients know it. */
function openAiCode(code: string): string {
  return code === 'upstream_rate_limited' ? 'rate_limit_exceeded' : code;
}

/** For the faults that are a silence, and for them alone: a busy machine is silent for a moment too. */
const timeouts = { connectMs: 5_000, firstTokenMs: 1_500, idleMs: 1_500, totalMs: 4_000 };

describe('through a whole hub', () => {
  const suite = forTheSuite();
  let hub: HubProcess;
  let upstream: Upstream;
  let second: Upstream;

  before(async () => {
    upstream = await startUpstream(suite);
    second = await startUpstream(suite);
    const apiKey = 'sk-of-the-hub-alone';
    const lastResort = { text: 'Back soon.' };
    hub = await startHubProcess(suite, {
      config: {
        providers: {
          one: { kind: 'openai-compatible', baseUrl: upstream.baseUrl, apiKey },
          two: { kind: 'openai-compatible', baseUrl: second.baseUrl },
          down: { kind: 'openai-compatible', baseUrl: 'http://127.0.0.1:9/v1' },
        },
        routes: {
          'one/*': { groups: [[{ provider: 'one' }]] },
          'silent/*': { groups: [[{ provider: 'one' }]], timeouts },
          both: { groups: [[{ provider: 'one', model: 'm' }], [{ provider: 'two', model: 'n' }]] },
          sorry: { groups: [[{ provider: 'one', model: 's' }]], lastResort },
          'sorry-again': { groups: [[{ provider: 'one', model: 'again' }]], lastResort },
          down: { groups: [[{ provider: 'down', model: 'd' }]], lastResort },
        },
        resilience: { retry: { retries: 0 } },
      },
    });
  });

  const ask = (model: string, stream: boolean, signal?: AbortSignal): Promise<Response> =>
    post(hub, '/v1/chat/completions', { model, stream, messages: [{ role: 'user', content: 'Well?' }] }, {}, signal);

  /** Scripts both upstreams for one call; returns what they have received so far. */
  function meets(behaviour: Behaviour): { one: number; two: number } {
    upstream.script(behaviour);
    return { one: upstream.received.length, two: second.received.length };
  }

  async function runOf(response: Response): Promise<{ status: string; errorCode: string; attempts: unknown[] }> {
    const id = response.headers.get('x-revoagent-run') ?? assert.fail('the answer names no run');
    // The record is there to be read when the run has ended, a moment after its caller knows.
    return waitFor(async () => {
      const run = JSON.parse(await (await fetch(`${hub.url}/api/runs/${id}`)).text());
      return run.status === 'running' ? null : run;
    });
  }

  async function assertServed(model: string): Promise<void> {
    const healthy = await ask(model, false);
    assert.equal(healthy.status, 200);
    assert.equal(JSON.parse(await healthy.text()).choices[0].message.content, 'All is well.');
  }

  for (const [number, fault] of FAULTS.entries()) {
    for (const form of ['plain', 'stream'] as const) {
      if (fault.on !== 'both' && fault.on !== form) continue;
      // A model for each case, so that each has a breaker of its own and 429 throttles no other.
      const model = `${fault.waitMs === undefined ? 'one' : 'silent'}/${form}-${number}`;

      it(`${fault.name}: an honest end for the ${form} caller, and the run says why`, async () => {
        const { one } = meets(fault.behaviour);
        const response = await ask(model, form === 'stream');
        const text = await response.text();

        if (fault.text === undefined) {
          assert.equal(response.status, STATUS[fault.code], text);
          assert.equal(JSON.parse(text).error.code, openAiCode(fault.code));
        } else {
          assert.equal(response.status, 200);
          const events = sseEvents(text).map(({ data }) => data);
          assert.ok(!events.includes('[DONE]'), 'half an answer has no formal end');
          const last = JSON.parse(events.pop() ?? '');
          assert.equal(last.error.code, openAiCode(fault.code));
          const deltas = events.map((data) => JSON.parse(data).choices[0]);
          assert.equal(deltas.map(({ delta }) => delta.content).join(''), fault.text);
          assert.ok(deltas.every(({ finish_reason: finish }) => finish === null));
        }
        assert.doesNotMatch(text, /sk-of-the-hub|\.ts:\d|node_modules/);
        assert.equal(upstream.received.length, one + 1);
        const run = await runOf(response);
        assert.deepEqual([run.status, run.errorCode], ['failed', fault.code]);
        assert.equal(run.attempts.length, 1);
        assert.ok(JSON.stringify(run.attempts).includes(`"outcome":"${fault.outcome}"`));
        if (fault.code !== 'upstream_rate_limited') await assertServed(model);
      });
    }
  }

  for (const [number, fault] of FAULTS.entries()) {
    if (fault.on === 'plain') continue;
    const model = `${fault.waitMs === undefined ? 'one' : 'silent'}/responses-${number}`;

    it(`${fault.name}: an honest end for the stream of a response`, async () => {
      const { one } = meets(fault.behaviour);
      const response = await post(hub, '/v1/responses', { model, stream: true, input: 'Well?' });
      const text = await response.text();
      assert.equal(upstream.received.length, one + 1);
      assert.equal((await runOf(response)).errorCode, fault.code);
      if (fault.text === undefined) {
        assert.equal(response.status, STATUS[fault.code], text);
        assert.equal(JSON.parse(text).error.code, openAiCode(fault.code));
        return;
      }
      const events = sseEvents(text).map(({ data }) => JSON.parse(data));
      assert.deepEqual(
        events.map(({ sequence_number: place }) => place),
        [...events.keys()],
      );
      const [failed, error] = events.splice(-2);
      assert.deepEqual(
        [failed.type, failed.response.status, failed.response.output],
        ['response.failed', 'failed', []],
      );
      assert.deepEqual([error.type, error.code], ['error', openAiCode(fault.code)]);
      assert.equal(events.map(({ delta = '' }) => delta).join(''), fault.text);
      assert.ok(
        events.every(({ type }) => !/done$|completed|incomplete/.test(type)),
        'nothing is called whole',
      );
    });
  }

  it('failover is invisible to the caller, and the run explains both attempts', async () => {
    for (const stream of [false, true]) {
      const { one, two } = meets(refuses(500));
      const response = await ask('both', stream);
      const text = await response.text();
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('x-revoagent-attempts'), '2');
      assert.equal(response.headers.get('x-revoagent-provider'), 'two');
      if (stream) assert.ok(text.endsWith('data: [DONE]\n\n'), 'a whole answer has its formal end');
      assert.deepEqual([upstream.received.length, second.received.length], [one + 1, two + 1]);
      const { status, attempts } = await runOf(response);
      assert.equal(status, 'succeeded');
      const told = attempts.map((attempt) => JSON.parse(JSON.stringify(attempt)));
      assert.deepEqual(
        told.map(({ deployment, outcome, verdict, upstreamStatus }) => [deployment, outcome, verdict, upstreamStatus]),
        [
          ['one/m', 'status', 'retry_same', 500],
          ['two/n', 'succeeded', null, null],
        ],
      );
      for (const { reason, breakerState, totalMs } of told) {
        assert.match(reason, /group [12] of 2 of route "both"/);
        assert.equal(breakerState, 'closed');
        assert.ok(totalMs >= 0);
      }
    }
  });

  for (const stream of [false, true]) {
    it(`a caller who hangs up lets the upstream go (${stream ? 'stream' : 'plain'})`, async () => {
      const { one } = meets(stream ? streams(['One'], { ending: 'stall' }) : neverAnswers);
      const controller = new AbortController();
      const pending = ask('one/left', stream, controller.signal);
      if (stream) await (await pending).body?.getReader().read();
      await waitFor(() => upstream.received[one]);
      controller.abort();
      if (!stream) await assert.rejects(pending);
      await waitFor(() => (upstream.received[one]?.aborted === true ? true : null));
      assert.equal(upstream.received.length, one + 1);
      await assertServed('one/left');
    });
  }

  it('an open circuit is 503 with Retry-After and no request, or the degraded answer where one is configured', async () => {
    upstream.otherwise = refuses(500);
    try {
      for (let call = 0; call < 5; call++) {
        assert.equal((await ask('one/open', call % 2 === 1)).status, 502);
        // Those that open the circuit are the last resort's as well: a caller is not told an error and an excuse by turns.
        const meanwhile = await ask('sorry', call % 2 === 1);
        assert.deepEqual([meanwhile.status, meanwhile.headers.get('x-revoagent-degraded')], [200, 'true']);
        assert.match(await meanwhile.text(), /Back soon\./);
        const { status, errorCode } = await runOf(meanwhile);
        assert.deepEqual([status, errorCode], ['degraded', 'upstream_failed']);
      }
    } finally {
      upstream.otherwise = answers();
    }
    const { length } = upstream.received;
    for (const stream of [false, true]) {
      const refused = await ask('one/open', stream);
      assert.equal(refused.status, 503);
      assert.ok(Number(refused.headers.get('retry-after')) >= 1);
      assert.equal(JSON.parse(await refused.text()).error.code, 'no_deployment_available');

      const degraded = await ask('sorry', stream);
      const text = await degraded.text();
      assert.equal(degraded.status, 200);
      assert.equal(degraded.headers.get('x-revoagent-degraded'), 'true');
      assert.equal(degraded.headers.get('x-revoagent-provider'), null);
      assert.match(text, /Back soon\./);
      assert.match(text, /"finish_reason":"error"/);
      assert.doesNotMatch(text, /"finish_reason":"stop"/);
      assert.equal((await runOf(degraded)).status, 'degraded');
    }
    assert.equal(upstream.received.length, length, 'an open circuit costs no request');
  });

  it('the last resort answers for an upstream that is down on every surface, and to an agent', async () => {
    const messages = [{ role: 'user', content: 'Well?' }];
    const agent = { name: 'helper', instructions: 'Be of help.', model: 'down' };
    const { id } = JSON.parse(await (await post(hub, '/api/agents', agent)).text());
    for (const stream of [false, true]) {
      const told = async (path: string, body: object): Promise<string> => {
        const response = await post(hub, path, { stream, ...body });
        const text = await response.text();
        assert.equal(response.status, 200, `${path}: ${text}`);
        assert.match(text, /Back soon\./, path);
        return text;
      };
      const anthropic = await told('/v1/messages', { model: 'down', max_tokens: 9, messages });
      assert.match(anthropic, /"stop_reason":"error"/);
      const response = await told('/v1/responses', { model: 'down', input: 'Well?' });
      assert.match(response, /"status":"incomplete".*"incomplete_details":\{"reason":"error"\}/);
      assert.doesNotMatch(response, /"status":"completed"|response\.completed/);
      assert.match(await told('/api/chat', { model: 'down', messages }), /"finishReason":"error"/);
      assert.match(await told('/v1/chat/completions', { model: 'agent:helper', messages }), /"finish_reason":"error"/);
      assert.match(await told(`/api/agents/${id}/chat`, { prompt: 'Well?' }), /"end":"degraded"/);
    }
  });

  it('the last resort is not kept for an Idempotency-Key: the same request is asked anew once the upstream is back', async () => {
    for (const stream of [false, true]) {
      const body = { model: 'sorry-again', stream, messages: [{ role: 'user', content: 'Well?' }] };
      const again = (): Promise<Response> =>
        post(hub, '/v1/chat/completions', body, { 'idempotency-key': `sorry-${stream}` });
      meets(refuses(500));
      assert.match(await (await again()).text(), /Back soon\./);
      const later = await again();
      assert.equal(later.headers.get('idempotent-replayed'), null);
      assert.doesNotMatch(await later.text(), /Back soon\./);
    }
  });
});
