/** The places that an external API has for calls at the same time: each is free again, whoever leaves, and whoever forgets to read. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { seededRandom } from '#core/random';
import type { ExternalAnswer } from '#contract/external';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import { createExternals } from '#external/externals';
import { BreakerRegistry } from '#resilience/registry';
import { loadText } from '../helpers/config-text.ts';
import { answersOn } from '../helpers/lookups.ts';
import { unobserved } from '../helpers/unobserved.ts';
import { gate, until } from '../helpers/upstream.ts';
import { settle, VirtualClock } from '../helpers/virtual-clock.ts';
import type { Behaviour, Target } from './external-bench.ts';
import { answers, startTarget } from './external-bench.ts';

const PLACES = 2;
const DEADLINE_MS = 5_000;

interface Scene {
  readonly target: Target;
  readonly clock: VirtualClock;
  readonly inFlight: () => number;
  readonly call: (path: string, signal?: AbortSignal) => Promise<ExternalAnswer>;
}

async function start(t: TestContext, settings: Record<string, unknown> = {}): Promise<Scene> {
  const target = await startTarget(t);
  const baseUrl = `http://127.0.0.1:${target.port}`;
  const bounds = { concurrentMax: PLACES, deadlineMs: DEADLINE_MS, timeoutMs: DEADLINE_MS };
  const api = { baseUrl, retry: { retries: 0 }, ...bounds, ...settings };
  const { external } = loadText(t, JSON.stringify({ external: { api } })).config;
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const breakers = new BreakerRegistry({ clock, random });
  const parts = { clock, random, breakers, observer: unobserved, retryRatio: 0.2, answers: answersOn(clock) };
  const externals = createExternals(external, parts);
  t.after(() => externals.close());
  return {
    target,
    clock,
    inFlight: () => breakers.get('external:api').inFlight,
    call: (path, signal = new AbortController().signal) =>
      externals.call({
        name: 'api',
        method: 'GET',
        target: path,
        headers: {},
        body: () => Promise.resolve(Buffer.alloc(0)),
        signal,
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        caller: { keyId: null, projectId: DEFAULT_PROJECT_ID, scopes: new Set(['external']) },
      }),
  };
}

async function textOf({ body }: ExternalAnswer): Promise<string> {
  let text = '';
  for await (const bytes of body) text += Buffer.from(bytes).toString();
  return text;
}

describe('a place of an external API', () => {
  it('is free again when who asked has left, and what came is not kept for those who waited with him', async (t) => {
    const { target, call, inFlight } = await start(t, { cache: {} });
    for (let round = 1; round <= 2 * PLACES; round++) {
      const asked = target.received.length + 1;
      const { opened, open } = gate();
      target.script((received) => void opened.then(() => answers(404, 'gone')(received)), answers(404, 'gone'));
      const leaving = new AbortController();
      const first = call(`/${round}`, leaving.signal);
      await until('it is asked', () => target.received.length === asked);
      const second = call(`/${round}`);
      await settle();
      leaving.abort(new Error('left'));
      await assert.rejects(first, /left/);
      open();
      assert.equal(await textOf(await second), 'gone');
      assert.equal(target.received.length, asked + 1, 'what is not to be kept is asked for by each');
      await until('nothing is under way', () => inFlight() === 0);
    }
  });

  it('is free again at the deadline, where nobody reads; who comes late is not told that this is all', async (t) => {
    const { target, call, clock, inFlight } = await start(t);
    const begins: Behaviour = ({ response }) => void response.writeHead(200).write('part');
    target.script(begins, begins);
    const forgotten = [await call('/x'), await call('/x')];
    await assert.rejects(call('/x'), { code: 'overloaded' });
    assert.equal(inFlight(), PLACES);
    await clock.advance(DEADLINE_MS);
    await until('nothing is under way', () => inFlight() === 0);
    await until('the exchanges are ended', () => target.received.every(({ aborted }) => aborted));
    assert.equal(await textOf(await call('/x')), '{"ok":true}');
    for (const late of forgotten) await assert.rejects(textOf(late), { code: 'upstream_timeout' });
  });

  it('is free again when its caller leaves, where nobody reads', async (t) => {
    const { target, call, inFlight } = await start(t);
    target.script(({ response }) => void response.writeHead(200).write('part'));
    const leaving = new AbortController();
    const forgotten = await call('/x', leaving.signal);
    assert.equal(inFlight(), 1);
    leaving.abort(new Error('left'));
    await until('nothing is under way', () => inFlight() === 0);
    await assert.rejects(textOf(forgotten), /left/);
  });
});
