/** Embeddings under failure, from both sides: what the caller got, what each upstream received, and what the run says of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CallerError, HubError, UnavailableError, UpstreamError } from '#core/errors';
import { callerGone } from '#contract/gateway';
import { embeds, neverAnswers, refuses, startUpstream, until } from '../helpers/upstream.ts';
import type { Cleanup } from '../helpers/suite.ts';
import type { Behaviour, Upstream } from '../helpers/upstream.ts';
import { startBench } from './harness.ts';
import type { Bench } from './harness.ts';

const VECTORS = [
  [0, 3, 0.5],
  [1, 3, 0.5],
];

async function upstreams(t: Cleanup, ...behaviours: Behaviour[]): Promise<Upstream[]> {
  return Promise.all(
    behaviours.map(async (behaviour) => {
      const upstream = await startUpstream(t);
      upstream.otherwise = behaviour;
      return upstream;
    }),
  );
}

function addresses(started: readonly Upstream[]): Record<string, string> {
  return Object.fromEntries(started.map(({ baseUrl }, index) => [`p${index}`, baseUrl]));
}

async function vectorsOf(bench: Bench): Promise<unknown[]> {
  const { body } = await bench.gateway.embed(bench.embedCall());
  return body.data.map(({ embedding }) => embedding);
}

async function failureOf(bench: Bench, call = bench.embedCall()): Promise<HubError> {
  const thrown = await bench.gateway.embed(call).then(
    () => assert.fail('it answered'),
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof HubError, String(thrown));
  return thrown;
}

const asked = (started: readonly Upstream[]): number[] => started.map(({ received }) => received.length);

describe('embeddings through the gateway', () => {
  it('come from the first deployment, under its own name of the model, and the run knows their cost', async (t) => {
    const started = await upstreams(t, embeds, embeds);
    const bench = startBench(t, { providers: addresses(started) });
    assert.deepEqual(await vectorsOf(bench), VECTORS);
    assert.deepEqual(asked(started), [1, 0]);
    assert.deepEqual(started[0]?.received[0]?.path, '/v1/embeddings');
    assert.deepEqual(started[0]?.received[0]?.body, { model: 'test-model', input: ['one', 'two'] });
    const { status, provider, promptTokens, completionTokens, finishReason } = bench.lastRun;
    assert.deepEqual(
      { status, provider, promptTokens, completionTokens, finishReason },
      { status: 'succeeded', provider: 'p0', promptTokens: 5, completionTokens: null, finishReason: null },
    );
  });

  it('come from another deployment where the first one fails', async (t) => {
    const started = await upstreams(t, refuses(500), embeds);
    const bench = startBench(t, { providers: addresses(started) });
    assert.deepEqual(await vectorsOf(bench), VECTORS);
    assert.deepEqual(asked(started), [1, 1]);
    assert.deepEqual(
      bench.lastRun.attempts.map(({ provider, outcome, upstreamStatus }) => [provider, outcome, upstreamStatus]),
      [
        ['p0', 'status', 500],
        ['p1', 'succeeded', null],
      ],
    );
  });

  it('are given up where the request itself is refused: another would refuse it too', async (t) => {
    const started = await upstreams(t, refuses(400, { message: 'Too many texts.' }), embeds);
    const bench = startBench(t, { providers: addresses(started) });
    const error = await failureOf(bench);
    assert.ok(error instanceof UpstreamError && error.code === 'upstream_rejected');
    assert.match(error.detail, /Too many texts/);
    assert.deepEqual(asked(started), [1, 0]);
  });

  it('pass over deployments without them: nobody is called, nothing is spent, and the run says why', async (t) => {
    const started = await upstreams(t, embeds, embeds, embeds, embeds, embeds, embeds);
    const withoutEmbeddings = ['p0', 'p1', 'p2', 'p3', 'p4'];
    const bench = startBench(t, { providers: addresses(started), withoutEmbeddings });
    assert.deepEqual(await vectorsOf(bench), VECTORS);
    assert.deepEqual(asked(started), [0, 0, 0, 0, 0, 1]);
    const { attempts } = bench.lastRun;
    assert.deepEqual(
      attempts.map(({ provider, kind, outcome }) => [provider, kind, outcome]),
      [...withoutEmbeddings.map((name) => [name, 'first', 'untranslatable']), ['p5', 'first', 'succeeded']],
    );
    assert.match(attempts[0]?.reason ?? '', /, passed over: it is of a provider without embeddings$/);
    assert.equal([...bench.breakers.values()].filter((breaker) => breaker.counts().calls > 0).length, 1);
  });

  it('are the caller’s mistake where no deployment of the route has them', async (t) => {
    const started = await upstreams(t, embeds, embeds);
    const bench = startBench(t, { providers: addresses(started), withoutEmbeddings: ['p0', 'p1'] });
    const error = await failureOf(bench);
    assert.ok(error instanceof CallerError && error.code === 'bad_request');
    assert.equal(error.param, 'model');
    assert.match(error.detail, /route "m" .*without embeddings/);
    assert.deepEqual(asked(started), [0, 0]);
    assert.deepEqual([bench.lastRun.status, bench.lastRun.errorCode], ['failed', 'bad_request']);
  });

  it('are out of service, and not the caller’s mistake, where the one deployment that has them is', async (t) => {
    const started = await upstreams(t, embeds, refuses(503));
    const settings = { retry: { retries: 0, baseMs: 1, maxMs: 1 } };
    const bench = startBench(t, { providers: addresses(started), withoutEmbeddings: ['p0'], settings });
    assert.equal((await failureOf(bench)).code, 'upstream_failed');
    bench.breakers.get('provider:p1/test-model').forceOpen({ by: 'test', reason: 'drill' });
    const error = await failureOf(bench);
    assert.ok(error instanceof UnavailableError && error.code === 'no_deployment_available');
    assert.deepEqual(asked(started), [0, 1]);
  });

  it('have no last resort: no vector of the hub’s own stands in', async (t) => {
    const [upstream] = await upstreams(t, embeds);
    const bench = startBench(t, {
      providers: { one: upstream?.baseUrl ?? '' },
      routes: { m: { groups: [[{ provider: 'one', model: 'test-model' }]], lastResort: { text: 'Sorry.' } } },
    });
    bench.breakers.get('provider:one/test-model').forceOpen({ by: 'test', reason: 'drill' });
    assert.equal((await failureOf(bench)).code, 'no_deployment_available');
    assert.equal(bench.lastRun.status, 'failed');
  });

  it('cancel the upstream when their caller leaves, and blame nobody', async (t) => {
    const [upstream] = await upstreams(t, neverAnswers);
    const bench = startBench(t, { providers: { one: upstream?.baseUrl ?? '' } });
    const controller = new AbortController();
    const failed = failureOf(bench, bench.embedCall(controller));
    await until('the upstream has the request', () => upstream?.received.length === 1);
    controller.abort(callerGone);
    assert.equal((await failed).code, 'cancelled');
    await until('the upstream sees that its client left', () => upstream?.received[0]?.aborted === true);
    assert.equal(bench.lastRun.status, 'cancelled');
    const [breaker] = [...bench.breakers.values()];
    assert.deepEqual([breaker?.counts().failures, breaker?.inFlight], [0, 0]);
  });
});
