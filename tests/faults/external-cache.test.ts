/** Answers of an external API that are kept: who asks the API and who does not, what is asked again, and what is never kept. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { answersOn } from '../helpers/lookups.ts';
import { gate, until } from '../helpers/upstream.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';
import type { Behaviour, ExternalHub, Target } from './external-bench.ts';
import { answers, resets, startExternalHub, startTarget } from './external-bench.ts';

interface Scene {
  readonly target: Target;
  readonly hub: ExternalHub;
  readonly clock: VirtualClock;
}

async function start(t: TestContext, cache: object = {}, settings: Record<string, unknown> = {}): Promise<Scene> {
  const clock = new VirtualClock();
  const target = await startTarget(t);
  const hub = await startExternalHub(t, target, { cache, retry: { retries: 0 }, ...settings }, clock);
  target.otherwise = (received) => numbered(target)(received);
  return { target, hub, clock };
}

/** Each answer is another. */
const numbered =
  (target: Target, headers: Record<string, string> = {}, status = 200): Behaviour =>
  (received) =>
    answers(status, `{"number":${target.received.length}}`, headers)(received);

interface Seen {
  readonly status: number;
  readonly text: string;
  readonly cache: string | null;
}

async function seen(answer: Promise<Response>): Promise<Seen> {
  const response = await answer;
  return { status: response.status, text: await response.text(), cache: response.headers.get('x-revoagent-cache') };
}

const hit = (number: number): Seen => ({ status: 200, text: `{"number":${number}}`, cache: 'hit' });
const miss = (number: number): Seen => ({ ...hit(number), cache: 'miss' });

describe('an external API whose answers are kept', () => {
  it('is asked once for the same, and says so in HTTP’s words', async (t) => {
    const { target, hub, clock } = await start(t);
    assert.deepEqual(await seen(hub.call('/x?a=1')), miss(1));
    clock.jump(10_000);
    const again = await hub.call('/x?a=1');
    assert.equal(await again.text(), '{"number":1}');
    assert.deepEqual([again.headers.get('age'), again.headers.get('x-revoagent-attempts')], ['10', '0']);
    assert.match(again.headers.get('cache-status') ?? '', /^revoagent; hit; ttl=\d\d; key="external:[\w-]{43}"$/);
    assert.equal(again.headers.get('cache-control'), 'no-store', 'nobody else keeps it');
    assert.deepEqual(await seen(hub.call('/x?a=2')), miss(2));
    assert.deepEqual(await seen(hub.call('/x?a=1', { headers: { 'accept-language': 'de' } })), miss(3));
    assert.equal(target.received.length, 3);
  });

  it('is asked once by fifty callers at the same time', async (t) => {
    const { target, hub } = await start(t);
    const { opened, open } = gate();
    target.otherwise = (received) => void opened.then(() => numbered(target)(received));
    const all = Array.from({ length: 50 }, () => seen(hub.call('/x')));
    await until('it is asked', () => target.received.length === 1);
    open();
    const states = (await Promise.all(all)).map(({ text, cache }) => `${text} ${cache}`);
    assert.equal(states.filter((state) => state === '{"number":1} miss').length, 1);
    assert.ok(states.every((state) => /^{"number":1} (miss|shared|hit)$/.test(state)));
    assert.equal(target.received.length, 1);
  });

  it('is asked again as soon as the time is over that it gave, every time', async (t) => {
    const { target, hub, clock } = await start(t);
    target.otherwise = (received) => numbered(target, { 'cache-control': 'max-age=10' })(received);
    const paths = Array.from({ length: 10 }, (_, number) => `/x?number=${number}`);
    for (const path of paths) await seen(hub.call(path));
    clock.jump(10_000);
    for (const path of paths) assert.equal((await seen(hub.call(path))).cache, 'miss');
  });

  it('is asked again with its ETag after its time, and its 304 is no answer to a caller who has nothing', async (t) => {
    const { target, hub, clock } = await start(t);
    target.script(numbered(target, { etag: '"v1"', 'cache-control': 'private, max-age=10' }));
    await seen(hub.call('/x'));
    for (const _ of [1, 2]) {
      clock.jump(12_000);
      target.script(({ headers, response }) => {
        response.writeHead(headers['if-none-match'] === '"v1"' ? 304 : 500, { etag: '"v1"' }).end();
      });
      assert.deepEqual(await seen(hub.call('/x')), miss(1));
      assert.deepEqual(await seen(hub.call('/x')), hit(1));
    }
    assert.equal(target.received.length, 3);
    clock.jump(12_000);
    target.script(numbered(target, { etag: '"v2"' }));
    assert.deepEqual(await seen(hub.call('/x')), miss(4));
  });

  const expires = { date: 'Thu, 01 Jan 2026 00:00:00 GMT', expires: 'Thu, 01 Jan 2026 00:00:40 GMT' };
  for (const fresh of [{ 'cache-control': 'max-age=40' }, expires])
    it(`is fresh for as long as its 304 says by ${Object.keys(fresh).at(-1)}, however old the answer was when it came`, async (t) => {
      const { target, hub, clock } = await start(t, { staleOnErrorMs: 20_000 });
      const said = { etag: '"v1"', 'cache-control': 'max-age=40' };
      target.script(
        numbered(target, { ...said, age: '40' }),
        ({ response }) => void response.writeHead(304, { etag: '"v1"', ...fresh }).end(),
      );
      assert.deepEqual(await seen(hub.call('/x')), miss(1));
      assert.deepEqual(await seen(hub.call('/x')), miss(1));
      clock.jump(30_000);
      assert.deepEqual(await seen(hub.call('/x')), hit(1));
      assert.equal(target.received.length, 2);
      target.otherwise = answers(503);
      clock.jump(20_000);
      assert.deepEqual(await seen(hub.call('/x')), { ...hit(1), cache: 'stale' });
      clock.jump(20_000);
      assert.equal((await seen(hub.call('/x'))).cache, null);
    });

  it('has the headers that its 304 brings, and keeps those that it does not', async (t) => {
    const { target, hub, clock } = await start(t);
    const modified = 'Thu, 01 Jan 2026 00:00:00 GMT';
    target.script(
      numbered(target, { etag: '"v1"', 'last-modified': modified, 'x-ratelimit-remaining': '9', age: '7' }),
    );
    await seen(hub.call('/x'));
    clock.jump(90_000);
    target.script(
      ({ response }) => void response.writeHead(304, { etag: 'W/"v1"', 'x-ratelimit-remaining': '8' }).end(),
    );
    const names = ['etag', 'last-modified', 'x-ratelimit-remaining', 'content-type', 'age'];
    for (const [cache, age] of [
      ['miss', null],
      ['hit', '0'],
    ]) {
      const { headers } = await hub.call('/x');
      assert.equal(headers.get('x-revoagent-cache'), cache);
      const said = names.map((name) => headers.get(name));
      assert.deepEqual(said, ['W/"v1"', modified, '8', 'application/json', age]);
    }
    clock.jump(90_000);
    target.script(({ response }) => void response.writeHead(304).end());
    await seen(hub.call('/x'));
    assert.equal(target.received.at(-1)?.headers['if-none-match'], 'W/"v1"', 'it is asked after as it was named last');
  });

  it('has the age that it came with', async (t) => {
    const { target, hub, clock } = await start(t, { staleOnErrorMs: 60_000 });
    target.script(numbered(target, { 'cache-control': 'max-age=60', age: '40' }));
    const age = async (headers: Record<string, string> = {}) => {
      const response = await hub.call('/x', { headers });
      return `${await response.text()} ${response.headers.get('age')}`;
    };
    assert.equal(await age(), '{"number":1} 40');
    clock.jump(5_000);
    assert.equal(await age(), '{"number":1} 45');
    assert.equal(await age({ 'cache-control': 'max-age=45' }), '{"number":1} 45');
    clock.jump(15_000);
    target.otherwise = answers(500);
    const stale = await hub.call('/x');
    assert.deepEqual([stale.headers.get('x-revoagent-cache'), stale.headers.get('age')], ['stale', '60']);
    target.otherwise = numbered(target);
    assert.equal(await age(), '{"number":3} null');
    clock.jump(5_000);
    assert.equal(await age({ 'cache-control': 'max-age=4' }), '{"number":4} null');
  });

  it('is not stood in for by what it took back', async (t) => {
    const { target, hub, clock } = await start(t, { ttlMs: 1_000, staleOnErrorMs: 600_000 });
    const gone: Record<string, Behaviour> = {
      404: answers(404, 'gone'),
      410: answers(410, 'gone'),
      403: answers(403, 'gone'),
      'no-store': answers(200, 'gone', { 'cache-control': 'no-store' }),
      large: answers(200, 'x'.repeat(900_000)),
    };
    for (const [name, behaviour] of Object.entries(gone)) {
      await seen(hub.call(`/${name}`));
      clock.jump(2_000);
      target.script(answers(429), behaviour, answers(500));
      assert.equal((await seen(hub.call(`/${name}`))).cache, 'stale', 'a 429 takes nothing back');
      clock.jump(2_000);
      assert.equal((await seen(hub.call(`/${name}`))).cache, null, name);
      assert.deepEqual((await seen(hub.call(`/${name}`))).status, 502, name);
    }
  });

  it('answers a caller who has the version with 304, out of what is kept', async (t) => {
    const { target, hub } = await start(t);
    target.script(numbered(target, { etag: 'W/"v1"', 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' }));
    await seen(hub.call('/x', { headers: { 'if-none-match': '"other"' } }));
    for (const headers of [
      { 'if-none-match': '"v0", "v1"' },
      { 'if-none-match': '*' },
      { 'if-modified-since': 'Fri, 02 Jan 2026 00:00:00 GMT' },
    ]) {
      // Or `fetch` adds `no-cache` to a condition.
      const response = await hub.call('/x', { headers: { ...headers, 'cache-control': 'max-age=60' } });
      assert.deepEqual([response.status, await response.text(), response.headers.get('etag')], [304, '', 'W/"v1"']);
    }
    const older = { 'if-modified-since': 'Wed, 31 Dec 2025 00:00:00 GMT', 'cache-control': 'max-age=60' };
    assert.deepEqual(await seen(hub.call('/x', { headers: older })), hit(1));
    assert.equal(target.received.length, 1);
    assert.equal(target.received[0]?.headers['if-none-match'], undefined, 'the whole is asked for');
  });

  it('goes by what the caller accepts, where he has the version already too', async (t) => {
    const { target, hub } = await start(t, {}, { responseHeaders: ['vary'] });
    target.otherwise = answers(200, JSON.stringify('word '.repeat(1_000)), { etag: 'W/"v1"', vary: 'accept' });
    const full = await hub.call('/x');
    assert.equal(full.headers.get('vary'), 'accept, accept-encoding');
    await full.text();
    const known = { 'if-none-match': 'W/"v1"', 'cache-control': 'max-age=60' };
    const { status, headers } = await hub.call('/x', { headers: known });
    assert.deepEqual(
      [status, headers.get('vary'), headers.get('content-encoding')],
      [304, 'accept, accept-encoding', null],
    );
  });

  it('gives nothing that was kept before its configuration forbade it', async (t) => {
    const clock = new VirtualClock();
    const target = await startTarget(t);
    target.otherwise = answers(200, '{"seen":true}', { 'x-inside': 'seen' });
    const kept = answersOn(clock);
    const hub = (more: object): Promise<ExternalHub> =>
      startExternalHub(
        t,
        target,
        { cache: {}, retry: { retries: 0 }, responseHeaders: ['x-inside'], ...more },
        clock,
        kept,
      );
    for (const [status, shown, more] of [
      [200, 'seen', {}],
      [200, 'seen', {}],
      [200, null, { responseHeaders: [] }],
      [404, null, { paths: ['/y'] }],
      [405, null, { methods: ['POST'] }],
    ] as const) {
      const response = await (await hub(more)).call('/x');
      await response.text();
      assert.deepEqual([response.status, response.headers.get('x-inside')], [status, shown]);
    }
    assert.equal(target.received.length, 2);
  });

  it('keeps nothing that HTTP, its size or its status forbids, and hands it on all the same', async (t) => {
    const { target, hub } = await start(t);
    const large = 'x'.repeat(900_000);
    const forbidden: Record<string, Behaviour> = {
      'no-store': answers(200, 'a', { 'cache-control': 'no-store' }),
      cookie: answers(200, 'b', { 'set-cookie': 'a=b' }),
      vary: answers(200, 'c', { vary: 'accept, *' }),
      'no time': answers(200, 'd', { 'cache-control': 'max-age=0' }),
      'no number': answers(200, 'e', { 'cache-control': 'max-age=soon' }),
      'too old': answers(200, 'f', { 'cache-control': 'max-age=5', age: '7' }),
      'a status': answers(404, 'g'),
      'its end': answers(200, 'h', { expires: 'Thu, 01 Jan 2026 00:00:00 GMT', date: 'Thu, 01 Jan 2026 00:00:00 GMT' }),
      'no date': answers(200, 'i', { expires: '0' }),
      large: answers(200, large),
    };
    for (const [name, behaviour] of Object.entries(forbidden)) {
      const before = target.received.length;
      target.script(behaviour, behaviour);
      const path = `/${encodeURIComponent(name)}`;
      const [first, second] = [await seen(hub.call(path)), await seen(hub.call(path))];
      assert.deepEqual(second, first, name);
      assert.ok(first.text === large || first.text.length === 1, name);
      assert.equal(target.received.length - before, 2, name);
    }
  });

  it('is asked again when what it said by Expires is over, unless it said it by Cache-Control too', async (t) => {
    const { target, hub, clock } = await start(t);
    const dates = { date: 'Thu, 01 Jan 2026 00:00:00 GMT', expires: 'Thu, 01 Jan 2026 00:00:20 GMT' };
    target.script(
      numbered(target, { ...dates, age: '5' }),
      numbered(target, { ...dates, 'cache-control': 'max-age=50' }),
    );
    await seen(hub.call('/x'));
    await seen(hub.call('/y'));
    clock.jump(12_000);
    assert.deepEqual(await seen(hub.call('/x')), hit(1));
    clock.jump(4_000);
    assert.deepEqual(await seen(hub.call('/x')), miss(3));
    assert.deepEqual(await seen(hub.call('/y')), hit(2));
  });

  it('keeps bytes as they are', async (t) => {
    const { target, hub } = await start(t);
    const bytes = Buffer.from([0, 0xff, 0xc3, 0x28, 0x80, 10]);
    target.otherwise = ({ response }) => void response.writeHead(200, { 'content-type': 'image/png' }).end(bytes);
    for (const _ of [1, 2]) {
      const response = await hub.call('/x');
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), bytes);
      assert.equal(response.headers.get('content-type'), 'image/png');
    }
    assert.equal(target.received.length, 1);
  });

  it('is asked anew by a caller who says so, and after a call that changes something', async (t) => {
    const { target, hub, clock } = await start(t, {}, { methods: ['GET', 'POST'] });
    await seen(hub.call('/x'));
    assert.deepEqual(await seen(hub.call('/x', { headers: { 'cache-control': 'no-cache' } })), miss(2));
    assert.deepEqual(await seen(hub.call('/x')), hit(2));
    assert.deepEqual((await seen(hub.call('/x', { headers: { 'x-revoagent-cache': 'off' } }))).text, '{"number":3}');
    assert.deepEqual((await seen(hub.call('/x', { headers: { 'cache-control': 'no-store' } }))).text, '{"number":4}');
    assert.deepEqual(await seen(hub.call('/x')), hit(2));
    clock.jump(5_000);
    assert.deepEqual(await seen(hub.call('/x', { headers: { 'cache-control': 'max-age=9' } })), hit(2));
    assert.deepEqual(await seen(hub.call('/x', { headers: { 'cache-control': 'max-age=1' } })), miss(5));
    target.script(answers(409));
    await seen(hub.call('/y', { method: 'POST', body: '{}' }));
    assert.deepEqual(await seen(hub.call('/x')), hit(5), 'what was refused changed nothing');
    await seen(hub.call('/y', { method: 'POST', body: '{}' }));
    assert.deepEqual(await seen(hub.call('/x')), miss(8));
  });

  it('is not asked by a caller who wants nothing but what is kept', async (t) => {
    const { target, hub, clock } = await start(t, {}, { methods: ['GET', 'POST'] });
    const only = async (path: string, control = '', init: RequestInit = {}) => {
      const headers = {
        'cache-control': `only-if-cached, ${control}`,
        ...Object.fromEntries(new Headers(init.headers)),
      };
      const response = await hub.call(path, { ...init, headers });
      const text = await response.text();
      return response.status === 504 ? String(Object(JSON.parse(text)).code) : `${response.status} ${text}`;
    };
    assert.equal(await only('/x'), 'not_cached');
    await seen(hub.call('/x'));
    clock.jump(5_000);
    for (const control of ['', 'max-age=5']) assert.equal(await only('/x', control), '200 {"number":1}', control);
    for (const control of ['max-age=4', 'no-cache', 'no-store'])
      assert.equal(await only('/x', control), 'not_cached', control);
    assert.equal(await only('/x', '', { headers: { 'if-match': '"v1"' } }), 'not_cached');
    assert.equal(await only('/x', '', { method: 'POST', body: '{}' }), 'not_cached');
    clock.jump(60_000);
    assert.equal(await only('/x'), 'not_cached');
    assert.equal(target.received.length, 1);
  });

  it('that keeps nothing is not asked by him either', async (t) => {
    const target = await startTarget(t);
    const hub = await startExternalHub(t, target);
    assert.equal((await hub.call('/x', { headers: { 'cache-control': 'only-if-cached' } })).status, 504);
    assert.equal(target.received.length, 0);
  });

  it('is stood in for by what is kept where it fails, as long as the configuration and the API allow', async (t) => {
    const { target, hub, clock } = await start(t, { ttlMs: 1_000, staleOnErrorMs: 60_000 });
    target.script(numbered(target), numbered(target, { 'cache-control': 'max-age=1, must-revalidate' }));
    await seen(hub.call('/x'));
    await seen(hub.call('/strict'));
    clock.jump(30_000);
    for (const fault of [answers(500), answers(429), resets]) {
      target.otherwise = fault;
      const response = await hub.call('/x');
      assert.equal(await response.text(), '{"number":1}');
      const said = ['x-revoagent-cache', 'x-revoagent-degraded', 'age'].map((name) => response.headers.get(name));
      assert.deepEqual(said, ['stale', 'true', '30']);
      assert.match(
        response.headers.get('cache-status') ?? '',
        /hit; ttl=-(29|30); detail=stale-if-error/,
        'a second, drawn a tenth up or down',
      );
    }
    target.otherwise = answers(500);
    assert.notEqual((await seen(hub.call('/strict'))).status, 200);
    clock.jump(40_000);
    assert.notEqual((await seen(hub.call('/x'))).status, 200);
  });

  it('is asked once for what is not kept in place of what is too old, and holds no call for it', async (t) => {
    const { target, hub, clock } = await start(t, {}, { concurrentMax: 2 });
    await seen(hub.call('/x'));
    clock.jump(5_000);
    target.otherwise = answers(404, 'gone');
    for (let call = 1; call <= 4; call++) {
      const headers = { 'cache-control': 'max-age=1' };
      assert.deepEqual(await seen(hub.call('/x', { headers })), { status: 404, text: 'gone', cache: null });
      assert.equal(target.received.length, 1 + call);
      await until('nothing is under way', () => hub.breakers.get('external:api').inFlight === 0);
    }
  });

  it('without staleOnErrorMs shows its failures', async (t) => {
    const { target, hub, clock } = await start(t);
    await seen(hub.call('/x'));
    clock.jump(90_000);
    target.otherwise = answers(500);
    assert.equal((await seen(hub.call('/x'))).status, 502);
  });
});
