/** Answers of an external API past their time: who is given them, for how long by the API's word and the configuration's, and who asks anew. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { gate, until } from '../helpers/upstream.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';
import type { Behaviour, ExternalHub, Target } from './external-bench.ts';
import { answers, startExternalHub, startTarget } from './external-bench.ts';

interface Scene {
  readonly target: Target;
  readonly hub: ExternalHub;
  readonly clock: VirtualClock;
  /** Text and what the hub says of the cache, or the status of what is no answer of the API. */
  readonly ask: (path: string, headers?: Record<string, string>) => Promise<string>;
}

async function start(t: TestContext, cache: object, settings: object = {}): Promise<Scene> {
  const clock = new VirtualClock();
  const target = await startTarget(t);
  const hub = await startExternalHub(t, target, { cache, retry: { retries: 0 }, ...settings }, clock);
  const ask = async (path: string, headers: Record<string, string> = {}): Promise<string> => {
    const response = await hub.call(path, { headers });
    const text = await response.text();
    return response.status < 500 ? `${text} ${response.headers.get('x-revoagent-cache')}` : String(response.status);
  };
  return { target, hub, clock, ask };
}

/** Each answer is another. */
const numbered =
  (target: Target, control?: string): Behaviour =>
  (received) =>
    answers(200, String(target.received.length), control === undefined ? {} : { 'cache-control': control })(received);

const idle = ({ hub }: Scene): Promise<void> =>
  until('nothing is under way', () => hub.breakers.get('external:api').inFlight === 0);

describe('an external API whose answers are past their time', () => {
  it('is asked behind its caller, once, who is given what is kept at once', async (t) => {
    const scene = await start(t, { ttlMs: 10_000, swrMs: 20_000 });
    const { target, hub, clock, ask } = scene;
    const { opened, open } = gate();
    target.otherwise = numbered(target);
    await ask('/x');
    clock.jump(15_000);
    target.otherwise = (received) => void opened.then(() => numbered(target)(received));
    const old = await hub.call('/x');
    assert.equal(await old.text(), '1');
    const said = ['x-revoagent-cache', 'x-revoagent-attempts', 'x-revoagent-degraded', 'age'];
    assert.deepEqual(
      said.map((name) => old.headers.get(name)),
      ['hit', '0', null, '15'],
    );
    assert.match(old.headers.get('cache-status') ?? '', /^revoagent; hit; ttl=-5; detail=stale-while-revalidate; key=/);
    await until('the API is asked', () => target.received.length === 2);
    assert.equal(await ask('/x'), '1 hit');
    open();
    await idle(scene);
    assert.equal(await ask('/x'), '2 hit');
    clock.jump(30_000);
    assert.equal(await ask('/x'), '3 miss', 'who comes later waits');
    assert.equal(target.received.length, 3);
  });

  it('is waited for by a caller who wants no old answer', async (t) => {
    const { target, clock, ask } = await start(t, { ttlMs: 10_000, swrMs: 20_000 });
    target.otherwise = numbered(target);
    for (const control of ['no-cache', 'max-age=14']) {
      await ask(`/${control}`);
      clock.jump(15_000);
      assert.equal(await ask(`/${control}`, { 'cache-control': control }), `${target.received.length} miss`, control);
    }
  });

  it('holds no call for an answer that is not kept and that nobody waits for', async (t) => {
    const scene = await start(t, { ttlMs: 10_000, swrMs: 20_000 }, { concurrentMax: 1 });
    const { target, clock, ask } = scene;
    target.otherwise = numbered(target);
    await ask('/x');
    clock.jump(15_000);
    target.otherwise = answers(200, 'x'.repeat(900_000));
    assert.equal(await ask('/x'), '1 hit');
    await until('the API is asked', () => target.received.length === 2);
    await idle(scene);
    target.otherwise = answers(404, 'gone');
    assert.equal(await ask('/x'), 'gone null', 'what it took back is not given again');
  });

  const allowed = { ttlMs: 10_000, swrMs: 20_000, staleOnErrorMs: 40_000 };
  for (const [control, swrMs, staleOnErrorMs] of [
    [undefined, 20_000, 40_000],
    ['max-age=10, stale-while-revalidate=5', 5_000, 40_000],
    ['max-age=10, stale-if-error=30', 20_000, 30_000],
    ['max-age=600, stale-while-revalidate=600, stale-if-error=600', 20_000, 40_000],
    ['s-maxage=10', 0, 0],
    ['s-maxage=10, stale-while-revalidate=5, stale-if-error=30', 5_000, 30_000],
    ['max-age=10, must-revalidate, stale-while-revalidate=5, stale-if-error=30', 0, 0],
    ['max-age=10, proxy-revalidate, stale-while-revalidate=5, stale-if-error=30', 0, 0],
    ['no-cache, stale-while-revalidate=5, stale-if-error=30', 0, 0],
  ] as const)
    it(`gives them by the answer's word and the configuration's: ${control ?? 'none'}`, async (t) => {
      const scene = await start(t, allowed);
      const { target, clock, ask } = scene;
      target.otherwise = numbered(target, control);
      await ask('/x');
      target.otherwise = answers(500);
      clock.jump(10_000 + swrMs - 1);
      if (swrMs > 0) assert.equal(await ask('/x'), '1 hit');
      await idle(scene);
      clock.jump(1);
      assert.equal(await ask('/x'), staleOnErrorMs > 0 ? '1 stale' : '502');
      clock.jump(Math.max(0, staleOnErrorMs - swrMs));
      assert.equal(await ask('/x'), staleOnErrorMs > 0 ? '1 stale' : '502', 'to the end');
      clock.jump(1);
      assert.equal(await ask('/x'), '502');
    });

  it('gives none where the configuration allows none, whatever the answer says', async (t) => {
    const { target, clock, ask } = await start(t, { ttlMs: 10_000 });
    target.otherwise = numbered(target, 'max-age=10, stale-while-revalidate=60, stale-if-error=60');
    await ask('/x');
    target.otherwise = answers(500);
    assert.equal(await ask('/x', { 'cache-control': 'no-cache' }), '502', 'nor what a caller did not take');
    clock.jump(10_000);
    assert.equal(await ask('/x'), '502');
  });

  it('gives them for as long as its 304 says, or as it said before', async (t) => {
    const { target, clock, ask } = await start(t, allowed);
    const kept = { etag: '"v1"', 'cache-control': 'max-age=10, stale-while-revalidate=0, stale-if-error=30' };
    const unchanged =
      (headers: Record<string, string>): Behaviour =>
      ({ response }) =>
        void response.writeHead(304, { etag: '"v1"', ...headers }).end();
    target.script(
      answers(200, '1', kept),
      unchanged({}),
      answers(500),
      unchanged({ 'cache-control': 'max-age=10, stale-while-revalidate=0, stale-if-error=5' }),
      answers(500),
    );
    assert.equal(await ask('/x'), '1 miss');
    for (const [afterMs, seen] of [
      [10_000, '1 miss'],
      [20_000, '1 stale'],
      [20_000, '1 miss'],
      [20_000, '502'],
    ] as const) {
      clock.jump(afterMs);
      assert.equal(await ask('/x'), seen);
    }
  });
});
