/** What a request says of the answer that it takes, and what it does to those that are kept. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { scene, URL } from '../../tests/helpers/http-scene.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { createCache } from './create.ts';
import type { HttpHandler } from './http.ts';

/** Past its time, and given while another is made, unless told otherwise. */
const REFRESHED_MS = 90_000;

describe('a kept HTTP answer', () => {
  it('is passed over by a request that says so, and old after one that changes it', async () => {
    const { ask, clock } = scene();
    const text = async (headers?: Record<string, string>, init?: RequestInit) => (await ask(headers, init)).text;
    assert.equal((await ask({ 'cache-control': 'only-if-cached' })).status, 504);
    assert.equal(await text(), 'number 1');
    assert.equal(await text({ 'cache-control': 'no-store' }), 'number 2');
    assert.equal(await text(), 'number 1');
    assert.equal(await text({ 'cache-control': 'no-cache' }), 'number 3');
    clock.jump(5_000);
    assert.equal(await text({ 'cache-control': 'max-age=5' }), 'number 3');
    assert.equal(await text({ 'cache-control': 'only-if-cached' }), 'number 3');
    assert.equal(await text({ 'cache-control': 'max-age=4' }), 'number 4');
    assert.equal(await text({}, { method: 'PUT', body: 'x' }), 'number 5');
    assert.equal(await text(), 'number 6');
  });

  it('is given for who wants nothing but what is kept, and nothing is made for him', async () => {
    const { ask, state, clock } = scene();
    const said = async (control: string, headers: Record<string, string> = {}, method = 'GET') => {
      const { status, text } = await ask({ 'cache-control': `only-if-cached, ${control}`, ...headers }, { method });
      return `${status} ${text}`;
    };
    assert.equal(await said(''), '504 ');
    await ask();
    clock.jump(5_000);
    for (const control of ['', 'max-age=5']) assert.equal(await said(control), '200 number 1', control);
    assert.equal(await said('', {}, 'HEAD'), '200 ');
    for (const control of ['no-cache', 'no-store', 'max-age=4']) assert.equal(await said(control), '504 ', control);
    assert.equal(await said('', { authorization: 'a' }), '504 ', 'of which nothing is kept');
    assert.equal(await said('', {}, 'OPTIONS'), '504 ');
    clock.jump(60_000);
    assert.equal(await said(''), '504 ');
    assert.equal(state.calls, 1);
  });

  it('is old in every variant, and whosever it is, after a request that changes it', async () => {
    const { ask } = scene({ vary: ['accept-language'], private: (request) => request.headers.get('cookie') ?? '' });
    const variants = [{ 'accept-language': 'de' }, { 'accept-language': 'en' }, { cookie: 'who=a' }];
    const texts = () => Promise.all(variants.map(async (headers) => (await ask(headers)).text));
    const elsewhere = async () => (await ask({}, {}, `${URL}&q=1`)).text;
    const [before, other] = [await texts(), await elsewhere()];
    assert.deepEqual(await texts(), before);
    await ask({ authorization: 'b' }, { method: 'PUT', body: 'x' });
    assert.deepEqual(await texts(), ['number 6', 'number 7', 'number 8']);
    assert.equal(await elsewhere(), other);
    // Who writes has credentials; what all may read is old all the same.
    const open = scene();
    await open.ask();
    await open.ask({ authorization: 'a' }, { method: 'DELETE' });
    assert.equal((await open.ask()).text, 'number 3');
  });

  it('is not given after a request that changes it, though the handler is slow or fails', async () => {
    const { ask, clock, state } = scene();
    await ask();
    await ask({}, { method: 'PUT', body: 'x' });
    const answered = Promise.withResolvers<Response>();
    state.answer = () => answered.promise;
    const asking = ask();
    await clock.advance(1_000);
    answered.resolve(new Response('changed'));
    assert.equal((await asking).text, 'changed');
    state.answer = () => new Response('deleted');
    await ask({}, { method: 'DELETE' });
    state.answer = () => new Response('failed', { status: 500 });
    assert.equal((await ask()).status, 500);
  });

  it('is given still after a request that was refused', async () => {
    const { ask, state } = scene();
    const { text } = await ask();
    state.answer = () => new Response('refused', { status: 409 });
    assert.equal((await ask({}, { method: 'PUT', body: 'x' })).status, 409);
    assert.equal((await ask()).text, text);
  });

  it('is made anew for who wants no old one, however long that takes', async () => {
    const clock = new VirtualClock();
    const cache = createCache({ namespace: 'slow', clock });
    const cached = cache.http();
    const ask = (control: string, handler: HttpHandler) =>
      cached(new Request(URL, { headers: { 'cache-control': control } }), handler);
    for (const control of ['no-cache', 'max-age=0'])
      for (const ageMs of [10, REFRESHED_MS]) {
        await cache.clear();
        await ask('', () => new Response('old'));
        clock.jump(ageMs);
        const opened = Promise.withResolvers<void>();
        const answered = Promise.withResolvers<void>();
        const asking = ask(control, async () => {
          opened.resolve();
          await answered.promise;
          return new Response('new');
        });
        await opened.promise;
        await clock.advance(1_000);
        answered.resolve();
        const response = await asking;
        assert.equal(await response.text(), 'new', `${control} after ${ageMs} ms`);
        assert.equal(response.headers.get('cache-status'), 'revoagent; fwd=miss; stored');
      }
  });

  it('stands in for who wants no old one where his one call of the handler fails', async () => {
    const clock = new VirtualClock();
    const cached = createCache({ namespace: 'failing', clock }).http();
    let calls = 0;
    await cached(new Request(URL), () => new Response('old'));
    clock.jump(10);
    const response = await cached(new Request(URL, { headers: { 'cache-control': 'no-cache' } }), () => {
      calls++;
      throw new Error('away');
    });
    assert.deepEqual([await response.text(), calls], ['old', 1]);
  });
});
