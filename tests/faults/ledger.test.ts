/** What the usage ledger is told of attempts at a real upstream: before each goes out, and once how it ended. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import type { Settlement, UsageDispatch } from '#contract/ledger';
import { callerGone } from '#contract/gateway';
import { answers, cutsPlain, gate, refuses, startUpstream, streams, until } from '../helpers/upstream.ts';
import type { Behaviour } from '../helpers/upstream.ts';
import { startBench } from './harness.ts';
import type { Bench } from './harness.ts';

async function benchOf(t: TestContext) {
  const upstream = await startUpstream(t);
  const bench = startBench(t, { providers: { one: upstream.baseUrl, two: upstream.baseUrl } });
  /** How many dispatches the ledger had when the upstream saw each call. */
  const dispatchedAtCall: number[] = [];
  const watched =
    (behaviour: Behaviour): Behaviour =>
    (exchange) => {
      dispatchedAtCall.push(dispatches(bench).length);
      return behaviour(exchange);
    };
  return { upstream, bench, dispatchedAtCall, script: (...all: Behaviour[]) => upstream.script(...all.map(watched)) };
}

function dispatches({ ledger }: Bench): UsageDispatch[] {
  return ledger.filter((told) => 'runId' in told);
}

function settlements({ ledger }: Bench): { of: string; settlement: Settlement }[] {
  return ledger.filter((told) => 'of' in told);
}

/** Each dispatch has one settlement, told after it. */
function assertPaired(bench: Bench): void {
  const places = bench.ledger.map((told) => ('of' in told ? told.of : told.id));
  for (const { id } of dispatches(bench)) assert.equal(places.filter((place) => place === id).length, 2, id);
  assert.equal(places.length, dispatches(bench).length * 2);
}

const streamed = { stream: true, stream_options: { include_usage: true } };

describe('the ledger is told', () => {
  it('of every attempt before its upstream sees it, and of each by its own deployment and kind', async (t) => {
    const { bench, script, dispatchedAtCall } = await benchOf(t);
    script(refuses(503), refuses(503), answers());
    const answer = bench.gateway.complete(bench.call());
    await until('the second call', () => dispatchedAtCall.length === 2);
    await bench.clock.advance(5_000);
    const { summary } = await answer;
    assert.deepEqual(dispatchedAtCall, [1, 2, 3]);
    const told = dispatches(bench);
    assert.deepEqual(
      told.map(({ id, deployment, kind }) => [id, deployment, kind]),
      [
        [`${summary.runId}.1`, 'one/test-model', 'first'],
        [`${summary.runId}.2`, 'two/test-model', 'fallback'],
        [`${summary.runId}.3`, 'one/test-model', 'retry'],
      ],
    );
    assert.deepEqual([told[0]?.requestedModel, told[0]?.estimatedPromptTokens], ['m', 4]);
    assertPaired(bench);
  });

  it('of tokens only where the upstream stated them: a failed attempt is no completion', async (t) => {
    const { bench, script } = await benchOf(t);
    script(cutsPlain, answers());
    await bench.gateway.complete(bench.call());
    assert.deepEqual(
      settlements(bench).map(({ settlement: { outcome, promptTokens, completionTokens, costMicroUsd } }) => [
        outcome,
        promptTokens,
        completionTokens,
        costMicroUsd,
      ]),
      [
        ['cut', null, null, null],
        ['succeeded', 7, 3, null],
      ],
    );
    const [failed, whole] = bench.lastRun.attempts;
    assert.deepEqual([failed?.promptTokens, whole?.promptTokens, whole?.completionTokens], [null, 7, 3]);
    assertPaired(bench);
  });

  it('of a stream’s tokens from its last chunk, once it has ended', async (t) => {
    const { bench, script } = await benchOf(t);
    script(streams(['All', ' is', ' well.']));
    const { events } = await bench.gateway.stream(bench.call(streamed));
    assert.equal(settlements(bench).length, 0);
    for await (const event of events) assert.ok(event);
    assert.deepEqual(settlements(bench)[0]?.settlement, {
      outcome: 'succeeded',
      promptTokens: 7,
      completionTokens: 3,
      cachedTokens: null,
      costMicroUsd: null,
      priceSource: null,
    });
    assertPaired(bench);
  });

  it('of a stream that is cut, and of one whose reader leaves, without tokens nobody stated', async (t) => {
    const { bench, script, upstream } = await benchOf(t);
    const never = gate();
    script(streams(['All'], { ending: 'cut' }), streams(['All', ' is'], { gates: { 1: never.opened } }));
    const cut = await bench.gateway.stream(bench.call(streamed));
    await assert.rejects(async () => {
      for await (const event of cut.events) assert.ok(event);
    });
    const controller = new AbortController();
    await bench.gateway.stream(bench.call(streamed, controller));
    controller.abort(callerGone);
    await until('the upstream is left', () => upstream.received[1]?.aborted === true);
    never.open();
    assert.deepEqual(
      settlements(bench).map(({ settlement: { outcome, promptTokens } }) => [outcome, promptTokens]),
      [
        ['cut', null],
        ['cancelled', null],
      ],
    );
    assertPaired(bench);
  });
});
