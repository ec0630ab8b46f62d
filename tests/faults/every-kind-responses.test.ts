/**
 * The Responses API over every provider kind, in the words of the kind's own protocol: a whole answer, one that its filter ended, and one
 * that breaks after its first words. Nobody is told that half an answer is completed.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { post, sseEvents } from '../helpers/http-calls.ts';
import { startHttpHub } from '../helpers/http-hub.ts';
import { until } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';
import { WORDS } from './faults.ts';
import { startBench } from './harness.ts';
import type { Bench } from './harness.ts';
import { KINDS, kindAnswers, kindStreams, providerOf, startKindUpstream } from './kinds.ts';
import type { KindUnderTest } from './kinds.ts';
import { FORMS, untilStalled } from './told.ts';

const SPOKEN = WORDS.join('');

interface Scene {
  readonly bench: Bench;
  readonly upstream: Upstream;
  ask(stream: boolean): Promise<string>;
}

async function start(t: TestContext, kind: KindUnderTest): Promise<Scene> {
  const upstream = await startKindUpstream(t, kind);
  const bench = startBench(t, {
    providers: { one: providerOf(kind, upstream) },
    routes: { m: { groups: [[{ provider: 'one', model: 'test-model' }]] } },
    settings: { retry: { retries: 0, baseMs: 1, maxMs: 1 } },
  });
  const hub = await startHttpHub(t, {
    complete: (call) => bench.gateway.complete({ ...call, receivedAt: bench.clock.now() }),
    stream: (call) => bench.gateway.stream({ ...call, receivedAt: bench.clock.now() }),
  });
  const authorization = `Bearer ${hub.keys.chat}`;
  const ask: Scene['ask'] = async (stream) => {
    const asked = { model: 'm', stream, input: 'Well?', instructions: 'Be brief.', prompt_cache_key: 'k' };
    const response = await post(hub, '/v1/responses', asked, { authorization });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return text;
  };
  return { bench, upstream, ask };
}

/** The Response that a caller ends up with. */
function responseIn(text: string, stream: boolean): Record<string, unknown> {
  return stream ? JSON.parse(sseEvents(text).at(-1)?.data ?? '').response : JSON.parse(text);
}

for (const kind of KINDS)
  describe(`a response of ${kind.kind}`, () => {
    for (const form of FORMS) {
      const stream = form === 'stream';

      it(`is completed with the whole text (${form})`, async (t) => {
        const { upstream, ask } = await start(t, kind);
        const response = responseIn(await ask(stream), stream);
        assert.partialDeepStrictEqual(response, {
          status: 'completed',
          incomplete_details: null,
          output: [{ type: 'message', status: 'completed', content: [{ text: 'All is well.' }] }],
        });
        assert.equal(upstream.received.length, 1);
        assert.match(JSON.stringify(upstream.received[0]?.body), /Be brief\./);
      });

      it(`that the content filter ended is incomplete, and says why (${form})`, async (t) => {
        const { upstream, ask } = await start(t, kind);
        upstream.otherwise = kindAnswers(kind, WORDS, 'filtered');
        assert.partialDeepStrictEqual(responseIn(await ask(stream), stream), {
          status: 'incomplete',
          incomplete_details: { reason: 'content_filter' },
          output: [{ type: 'message', status: 'incomplete', content: [{ text: SPOKEN }] }],
        });
      });
    }

    for (const [name, stalls] of [
      ['is cut', false],
      ['stalls', true],
    ] as const)
      it(`that ${name} after its first words fails, and is never completed`, async (t) => {
        const { bench, upstream, ask } = await start(t, kind);
        const parts = [kind.opening, ...WORDS.map(kind.word)];
        upstream.script(kindStreams(parts, { after: ({ cut }) => (stalls ? undefined : cut()) }));
        const asked = ask(true);
        if (stalls) {
          await until('the upstream has the request', () => upstream.received.length === 1);
          await untilStalled(bench);
          await bench.clock.advance(30_000);
        }
        const events = sseEvents(await asked).map(({ data }) => JSON.parse(data));
        assert.equal(events.map(({ delta = '' }) => delta).join(''), SPOKEN);
        assert.deepEqual(
          events.slice(-2).map(({ type }) => type),
          ['response.failed', 'error'],
        );
        assert.equal(events.at(-1).code, stalls ? 'upstream_timeout' : 'upstream_cut');
        assert.ok(events.every(({ type, response }) => !/completed|incomplete/.test(`${type} ${response?.status}`)));
        assert.equal(upstream.received.length, 1);
        assert.equal(bench.lastRun.status, 'failed');
      });
  });
