/** The simulator does what its settings say: pace, failures, stalls and cuts, from a seed, on a clock that the test moves. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '#core/random';
import type { ProviderCall } from '#contract/provider';
import { UpstreamFailure } from '#contract/provider';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { createProvider } from './index.ts';

const CALLS = 400;

function simulatorWith(settings: Record<string, unknown>) {
  const clock = new VirtualClock();
  const provider = createProvider('simulator', settings, { name: 'sim', clock, random: seededRandom(3) });
  const call = (signal = new AbortController().signal): ProviderCall => ({
    model: 'chat',
    request: { model: 'chat', messages: [{ role: 'user', content: 'Hello' }] },
    signal,
    traceparent: undefined,
    surface: 'openai',
    onConnected: () => undefined,
  });
  return { clock, provider, call };
}

/** How each of many calls ended, and when its first token came. */
async function outcomes(settings: Record<string, unknown>): Promise<{ ends: string[]; firstMs: number[] }> {
  const { clock, provider, call } = simulatorWith({ tokensPerSecond: 0, ...settings });
  const firstMs: number[] = [];
  const ends = Array.from({ length: CALLS }, async () => {
    const controller = new AbortController();
    clock.schedule(60_000, () => controller.abort('stalled'));
    try {
      const { events } = await provider.stream(call(controller.signal));
      let first = true;
      for await (const event of events) {
        if (first && event.chunk.choices[0]?.delta.content) {
          firstMs.push(clock.now());
          first = false;
        }
      }
      return 'whole';
    } catch (error) {
      return error instanceof UpstreamFailure ? error.kind : String(error);
    }
  });
  await clock.advance(120_000);
  return { ends: await Promise.all(ends), firstMs: firstMs.toSorted((a, b) => a - b) };
}

function share(ends: readonly string[], end: string): number {
  return ends.filter((each) => each === end).length / ends.length;
}

describe('the simulator', () => {
  it('fails, stalls and cuts as often as it is told, and never otherwise', async () => {
    const { ends } = await outcomes({ failureRate: 0.2, stallRate: 0.1, cutRate: 0.3 });
    for (const [end, told] of [
      ['status', 0.2],
      ['stalled', 0.1],
      ['cut', 0.3],
      ['whole', 0.4],
    ] as const) {
      assert.ok(Math.abs(share(ends, end) - told) < 0.08, `${end}: ${share(ends, end)} for ${told}`);
    }
    assert.equal(share((await outcomes({})).ends, 'whole'), 1);
  });

  it('gives its first tokens from the distribution that it is told', async () => {
    const { firstMs } = await outcomes({ firstTokenMs: { p50: 200, p95: 800 } });
    const at = (quantile: number): number => firstMs[Math.floor(quantile * firstMs.length)] ?? NaN;
    assert.ok(at(0.5) > 160 && at(0.5) < 250, `p50 ${at(0.5)}`);
    assert.ok(at(0.95) > 600 && at(0.95) < 1_050, `p95 ${at(0.95)}`);
  });

  it('takes its time for each token after the first', async () => {
    const { clock, provider, call } = simulatorWith({
      firstTokenMs: { p50: 0, p95: 0 },
      tokensPerSecond: 10,
      reply: 'one two three four five',
    });
    const done = provider.complete(call());
    await clock.advance(60_000);
    const { body } = await done;
    assert.equal(body.choices[0]?.message.content, 'one two three four five');
    const tookMs = (body.usage?.completion_tokens ?? 0) * 100;
    const again = provider.complete(call()).then(() => clock.now());
    const startedAt = clock.now();
    await clock.advance(60_000);
    assert.ok(Math.abs((await again) - startedAt - tookMs) <= 100, `${(await again) - startedAt} for ${tookMs}`);
  });

  it('ends before the text at which the caller wants it to stop, plain and streamed', async () => {
    const settings = { firstTokenMs: { p50: 0, p95: 0 }, tokensPerSecond: 0, reply: 'one two three four five' };
    for (const [stop, expected] of [
      ['three', 'one two'],
      [['never', 'four', 'two'], 'one'],
      ['one', ''],
      [null, 'one two three four five'],
    ] as const) {
      const { provider, call } = simulatorWith(settings);
      const asked = { ...call(), request: { ...call().request, stop } };
      const [choice] = (await provider.complete(asked)).body.choices;
      assert.deepEqual([choice?.message.content, choice?.finish_reason], [expected, 'stop']);
      let streamed = '';
      for await (const { chunk } of (await provider.stream(asked)).events)
        streamed += chunk.choices[0]?.delta.content ?? '';
      assert.equal(streamed, expected);
    }
  });

  it('does the same again from the same seed, and something else from another', async () => {
    const settings = { failureRate: 0.3, cutRate: 0.3, firstTokenMs: { p50: 100, p95: 300 } };
    const first = await outcomes({ ...settings, seed: 7 });
    assert.deepEqual(await outcomes({ ...settings, seed: 7 }), first);
    assert.notDeepEqual(await outcomes({ ...settings, seed: 8 }), first);
  });
});
