/** HTTP answers that are kept: by whom, for how long, and how they say so. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { scene, URL } from '../../tests/helpers/http-scene.ts';
import { settle, VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { createCache } from './create.ts';
import type { HttpHandler } from './http.ts';

describe('an HTTP answer', () => {
  it('is kept for its time, and says so in HTTP’s words', async () => {
    const { ask, clock, state } = scene();
    const first = await ask();
    assert.deepEqual(
      [first.text, first.said('age'), first.said('cache-status')],
      ['number 1', null, 'revoagent; fwd=miss; stored'],
    );
    assert.equal(first.said('cache-control'), 'public, max-age=60');
    clock.jump(10_000);
    const second = await ask();
    assert.deepEqual(
      [second.text, second.said('age'), second.said('cache-status')],
      ['number 1', '10', 'revoagent; hit; ttl=50'],
    );
    clock.jump(50_001);
    assert.equal((await ask()).text, 'number 2');
    assert.equal((await ask({}, {}, `${URL}&q=1`)).text, 'number 3');
    assert.equal(state.calls, 3);
  });

  it('is 304 for who has it, by ETag or by date, and whole for HEAD but for its body', async () => {
    const { ask, state } = scene({}, () => {
      const headers = { 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT', 'content-length': '1', 'x-of': 'it' };
      return new Response('a', { headers });
    });
    const etag = (await ask()).said('etag') ?? '';
    for (const headers of [
      { 'if-none-match': etag },
      { 'if-none-match': `"x", ${etag.slice(2)}` },
      { 'if-modified-since': 'Fri, 02 Jan 2026 00:00:00 GMT' },
    ]) {
      const { status, text, said } = await ask(headers);
      assert.deepEqual([status, text, said('etag'), said('x-of')], [304, '', etag, 'it']);
      assert.deepEqual([said('content-type'), said('content-length')], [null, null], 'it has no content');
    }
    assert.equal((await ask({ 'if-none-match': '"x"' })).status, 200);
    const head = await ask({}, { method: 'HEAD' });
    assert.deepEqual([head.status, head.text, head.said('etag')], [200, '', etag]);
    assert.equal(state.calls, 1);
  });

  it('is one for all who ask at the same time', async () => {
    const { ask, state } = scene();
    const said = await Promise.all([ask(), ask(), ask()]);
    assert.deepEqual(
      said.map(({ text }) => text),
      ['number 1', 'number 1', 'number 1'],
    );
    assert.deepEqual(
      said.map((each) => each.said('cache-status')),
      ['revoagent; fwd=miss; stored', 'revoagent; fwd=miss; collapsed', 'revoagent; fwd=miss; collapsed'],
    );
    assert.equal(state.calls, 1);
  });

  it('goes on for the others when its first caller leaves, and is given up when none is left', async () => {
    const cached = createCache({ namespace: 'left', clock: new VirtualClock() }).http();
    const opened = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<Response>();
    const signals: AbortSignal[] = [];
    const handler: HttpHandler = ({ signal }) => {
      signals.push(signal);
      opened.resolve();
      return answered.promise;
    };
    const callers = [new AbortController(), new AbortController()];
    const [first, second] = callers.map(({ signal }) => cached(new Request(URL, { signal }), handler));
    await opened.promise;
    callers[0]?.abort(new Error('left'));
    await assert.rejects(first ?? assert.fail(), /left/);
    assert.equal(signals[0]?.aborted, false);
    callers[1]?.abort(new Error('left too'));
    await assert.rejects(second ?? assert.fail(), /left too/);
    assert.equal(signals[0]?.aborted, true);
    assert.equal(signals.length, 1);
  });

  it('is not left open where nobody is given it', async () => {
    const clock = new VirtualClock();
    const defaults = { ttlMs: 1_000, swrMs: 1_000, jitter: 0, earlyRefreshFrom: 1, retryAfterFailureMs: 0 };
    const cached = createCache({ namespace: 'left', clock, defaults }).http();
    const state = { ...Promise.withResolvers<void>(), cancelled: 0, calls: 0 };
    const never = (status: number): HttpHandler => {
      return async () => {
        state.calls++;
        await state.promise;
        const body = new ReadableStream({ cancel: () => void state.cancelled++ });
        return new Response(body, { status, headers: { 'cache-control': 'no-store' } });
      };
    };
    const caller = new AbortController();
    const first = cached(new Request(URL, { signal: caller.signal }), never(200));
    const second = cached(new Request(URL), never(200));
    await clock.advance(0);
    caller.abort(new Error('left'));
    await assert.rejects(first, /left/);
    state.resolve();
    assert.equal((await second).headers.get('cache-status'), 'revoagent; fwd=miss');
    assert.deepEqual([state.calls, state.cancelled], [2, 1], 'of the first, not of the second');
    for (const [place, status] of [200, 500].entries()) {
      await cached(new Request(URL), async () => new Response('kept'));
      clock.jump(1_500);
      assert.equal(await (await cached(new Request(URL), never(status))).text(), 'kept');
      await clock.advance(0);
      assert.equal(state.cancelled, 2 + place, `of ${status}, behind a copy`);
    }
  });

  it('depends on what `vary` names, and is not kept where it depends on more', async () => {
    const { ask, state } = scene({ vary: ['accept-language'] });
    const texts = async (...languages: string[]) =>
      Promise.all(languages.map(async (language) => (await ask({ 'accept-language': language })).text));
    assert.deepEqual(await texts('de', 'en', 'de'), ['number 1', 'number 2', 'number 1']);
    state.answer = (number) => new Response(`number ${number}`, { headers: { vary: 'accept-language, user-agent' } });
    assert.deepEqual([await texts('fr'), await texts('fr')], [['number 3'], ['number 4']]);
    const vary = 'Accept-Encoding';
    state.answer = (number) => new Response(`number ${number}`, { headers: { vary, 'content-encoding': 'gzip' } });
    assert.deepEqual([await texts('it'), await texts('it')], [['number 5'], ['number 6']]);
    state.answer = (number) => new Response(`number ${number}`, { headers: { vary } });
    assert.deepEqual([await texts('it'), await texts('it')], [['number 7'], ['number 7']]);
  });

  it('is nobody’s but whose it is', async () => {
    const open = scene();
    const credentials = ['authorization', 'cookie', 'x-api-key', 'api-key', 'x-goog-api-key', 'x-auth-token'];
    for (const name of credentials) {
      const headers = { [name]: 'a' };
      const first = await open.ask(headers);
      assert.equal(first.said('cache-status'), 'revoagent; fwd=bypass');
      assert.notEqual((await open.ask(headers)).text, first.text);
    }
    const own = scene({ private: (request) => request.headers.get('authorization') });
    const first = await own.ask({ authorization: 'a' });
    assert.deepEqual(
      [first.said('cache-control'), first.said('vary')],
      ['private, max-age=60', credentials.join(', ')],
    );
    assert.equal((await own.ask({ authorization: 'b' })).text, 'number 2');
    assert.equal((await own.ask({ authorization: 'a' })).text, 'number 1');
    assert.notEqual((await own.ask()).text, (await own.ask()).text);
  });

  it('is kept by its status as RFC 9110 has it, unless it is of a part', async () => {
    const kept: number[] = [];
    for (const status of [200, 201, 203, 206, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 410, 429, 500, 503]) {
      const { ask, state } = scene({}, () => new Response('a', { status }));
      assert.deepEqual([(await ask()).status, (await ask()).status], [status, status]);
      if (state.calls === 1) kept.push(status);
    }
    assert.deepEqual(kept, [200, 203, 301, 308, 404, 410]);
  });

  it('is not kept where it says so, and no longer than it says', async () => {
    for (const headers of [
      { 'cache-control': 'no-store' },
      { 'cache-control': 'private' },
      { 'set-cookie': 'a=b' },
      { vary: '*' },
    ]) {
      const { ask } = scene({}, (number) => new Response(`number ${number}`, { headers }));
      assert.deepEqual([(await ask()).text, (await ask()).text], ['number 1', 'number 2'], JSON.stringify(headers));
    }
    const unkept = scene({}, () => new Response('whole', { status: 503, headers: { 'x-of': 'whole' } }));
    const head = await unkept.ask({}, { method: 'HEAD' });
    assert.deepEqual([head.status, head.text, head.said('x-of')], [503, '', 'whole']);
    const { ask, clock } = scene(
      {},
      (number) => new Response(`number ${number}`, { headers: { 'cache-control': 'max-age=9', age: '4' } }),
    );
    await ask();
    clock.jump(4_000);
    const kept = await ask();
    assert.deepEqual([kept.text, kept.said('age'), kept.said('cache-control')], ['number 1', '8', 'max-age=9']);
    assert.equal((await ask({ 'cache-control': 'max-age=8' })).text, 'number 1');
    assert.equal((await ask({ 'cache-control': 'max-age=7' })).text, 'number 2', 'with the age that it came with');
    clock.jump(5_000);
    assert.equal((await ask()).text, 'number 3');
  });

  it('is kept until what it says by Expires is over', async () => {
    const date = 'Thu, 01 Jan 2026 10:00:00 GMT';
    const { ask, clock, state } = scene();
    state.answer = (number) =>
      new Response(`number ${number}`, { headers: { date, expires: 'Thu, 01 Jan 2026 10:00:20 GMT' } });
    assert.equal((await ask()).text, 'number 1');
    clock.jump(19_000);
    assert.equal((await ask()).text, 'number 1');
    clock.jump(1_000);
    assert.equal((await ask()).text, 'number 2');
    state.answer = (number) => new Response(`number ${number}`, { headers: { expires: '0' } });
    clock.jump(20_000);
    assert.deepEqual([(await ask()).text, (await ask()).text], ['number 3', 'number 4']);
  });

  it('passes as it comes where it is too large to be kept, or has no end', async () => {
    const { cache } = scene();
    const cached = cache.http();
    const state = { calls: 0, pulled: 0, cancelled: 0 };
    const endless = (headers: Record<string, string>): HttpHandler => {
      return () => {
        state.calls++;
        const body = new ReadableStream<Uint8Array>({
          pull: (controller) => controller.enqueue(new Uint8Array(500_000).fill(++state.pulled)),
          cancel: () => void state.cancelled++,
        });
        return new Response(body, { headers });
      };
    };
    for (const [type, pulledMax] of [
      ['application/octet-stream', 20],
      ['text/event-stream; charset=utf-8', 3],
    ] as const)
      for (const _ of [1, 2]) {
        state.pulled = 0;
        const { body, headers } = await cached(new Request(URL), endless({ 'content-type': type }));
        assert.equal(headers.get('cache-status'), 'revoagent; fwd=miss');
        assert.ok(state.pulled <= pulledMax, `${state.pulled} of ${type}`);
        const reader = body?.getReader();
        for (const place of [1, 2, 3, 4]) assert.equal((await reader?.read())?.value?.[0], place, 'from its beginning');
        await reader?.cancel();
      }
    assert.deepEqual([state.calls, state.cancelled], [4, 4]);
  });

  it('stands in for a handler that throws or answers 5xx, and is no 5xx itself', async () => {
    const { ask, clock, state } = scene();
    await ask();
    clock.jump(61_000);
    state.answer = () => new Response('sorry', { status: 503 });
    const stale = await ask();
    assert.deepEqual([stale.status, stale.text], [200, 'number 1']);
    assert.deepEqual([stale.said('age'), stale.said('cache-status')], ['61', 'revoagent; hit; ttl=-1']);
    clock.jump(61_000);
    state.answer = () => {
      throw new Error('gone');
    };
    assert.equal((await ask()).text, 'number 1');
    await assert.rejects(ask({}, {}, `${URL}&q=2`), /gone/);
    state.answer = () => new Response('sorry', { status: 503 });
    assert.equal((await ask({}, {}, `${URL}&q=3`)).status, 503);
  });

  it('stands in for no answer that came after it, though that one is not kept', async () => {
    const { ask, clock, state } = scene();
    const late: [name: string, answer: Response, after: string][] = [
      ['told to wait', new Response('later', { status: 429 }), 'kept'],
      ['forbidden', new Response('no', { status: 403 }), 'failed'],
      ['for nobody to keep', new Response('new', { headers: { 'cache-control': 'no-store' } }), 'failed'],
      ['kept itself', new Response('gone', { status: 404 }), 'gone'],
    ];
    for (const [place, [name, answer, after]] of late.entries()) {
      const text = async () => (await ask({}, {}, `${URL}&q=${place}`)).text;
      state.answer = () => new Response('kept');
      await text();
      clock.jump(61_000);
      state.answer = () => answer;
      const said = await answer.clone().text();
      assert.equal(await text(), said, name);
      clock.jump(61_000);
      state.answer = () => new Response('failed', { status: 500 });
      assert.equal(await text(), after, name);
    }
  });

  it('is kept as its handler says in the context', async () => {
    const clock = new VirtualClock();
    const cached = createCache({ namespace: 'said', clock, defaults: { jitter: 0, swrMs: 0 } }).http({ ttlMs: 60_000 });
    const ask = async (path: string, handler: HttpHandler = () => new Response('new')) => {
      const response = await cached(new Request(`${URL}/${path}`), handler);
      const [status, control] = ['cache-status', 'cache-control'].map((name) => response.headers.get(name));
      return [await response.text(), status, control];
    };
    const negative: HttpHandler = (_request, context) => {
      context.negative();
      return new Response('none', { status: 404 });
    };
    const short: HttpHandler = (_request, context) => {
      context.setTtl(5_000);
      return new Response('short');
    };
    const skipped: HttpHandler = (_request, { skip }) => {
      skip();
      return new Response('once');
    };
    const once: HttpHandler = () => new Response('once', { headers: { 'cache-control': 'no-cache' } });
    assert.deepEqual(await ask('negative', negative), ['none', 'revoagent; fwd=miss; stored', 'public, max-age=5']);
    assert.deepEqual(await ask('short', short), ['short', 'revoagent; fwd=miss; stored', 'public, max-age=5']);
    assert.equal((await ask('skipped', skipped))[1], 'revoagent; fwd=miss');
    assert.equal((await ask('once', once))[1], 'revoagent; fwd=miss');
    clock.jump(4_999);
    assert.deepEqual(
      [(await ask('negative'))[0], (await ask('short'))[0], (await ask('skipped'))[0]],
      ['none', 'short', 'new'],
    );
    clock.jump(1);
    assert.deepEqual([(await ask('negative'))[0], (await ask('short'))[0]], ['new', 'new']);
  });

  it('is fresh no longer than it says, whatever the jitter', async () => {
    const clock = new VirtualClock();
    const random = { next: () => 0.999 };
    const defaults = { jitter: 0.5, swrMs: 0, earlyRefreshFrom: 1 };
    const cached = createCache({ namespace: 'jitter', clock, random, defaults }).http();
    let calls = 0;
    const handler: HttpHandler = () => new Response(`${++calls}`, { headers: { 'cache-control': 'max-age=30' } });
    const text = async () => (await cached(new Request(URL), handler)).text();
    assert.equal(await text(), '1');
    clock.jump(29_000);
    assert.equal(await text(), '1');
    clock.jump(1_000);
    assert.equal(await text(), '2');
  });

  it('is given past its time for no longer than it says, and no longer than is allowed', async () => {
    for (const [control, whileMadeMs, onErrorMs] of [
      ['max-age=10', 20_000, 40_000],
      ['max-age=10, stale-while-revalidate=5', 5_000, 40_000],
      ['max-age=10, stale-if-error=30', 20_000, 30_000],
      ['max-age=10, stale-while-revalidate=500, stale-if-error=500', 20_000, 40_000],
      ['s-maxage=10, stale-if-error=30', 0, 30_000],
    ] as const) {
      const { ask, clock, state } = scene({ swrMs: 20_000, staleOnErrorMs: 40_000, retryAfterFailureMs: 0 });
      state.answer = (number) => new Response(`number ${number}`, { headers: { 'cache-control': control } });
      assert.equal((await ask()).text, 'number 1', control);
      state.answer = () => new Response('sorry', { status: 503 });
      const status = async (url = URL) => (await ask({}, {}, url)).status;
      clock.jump(10_000 + whileMadeMs - 1);
      assert.equal(await status(), 200);
      assert.equal(state.calls, whileMadeMs === 0 ? 1 : 2, control);
      await settle();
      clock.jump(1);
      const { calls } = state;
      assert.equal(await status(), 200);
      assert.equal(state.calls, calls + 1, control);
      clock.jump(onErrorMs - whileMadeMs - 1);
      assert.equal(await status(), 200, control);
      clock.jump(1);
      assert.equal(await status(), 503, control);
    }
  });

  it('is never given past its time where it forbids that', async () => {
    for (const control of ['no-cache', 'max-age=5, must-revalidate', 'max-age=5, proxy-revalidate']) {
      const { ask, clock, state } = scene({ swrMs: 60_000 });
      state.answer = (number) => new Response(`number ${number}`, { headers: { 'cache-control': control } });
      assert.equal((await ask()).text, 'number 1', control);
      clock.jump(5_000);
      assert.equal((await ask()).text, 'number 2', control);
      clock.jump(5_000);
      state.answer = () => new Response('sorry', { status: 503 });
      assert.equal((await ask()).status, 503, control);
    }
  });

  it('keeps its bytes', async () => {
    const bytes = Uint8Array.from([0, 255, 128, 10]);
    const clock = new VirtualClock();
    const cached = createCache({ namespace: 'bytes', clock }).http();
    for (const _ of [1, 2]) {
      const response = await cached(new Request(URL), () => new Response(bytes));
      assert.deepEqual(new Uint8Array(await response.arrayBuffer()), bytes);
    }
  });
});
