/**
 * What the table of faults does not hold: an address where nobody listens, answers that are late or untidy and yet good, the
 * Retry-After that is there or not, and which faults count against a deployment.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, it } from 'node:test';
import { HubError } from '#core/errors';
import {
  answers,
  answersHtml,
  gate,
  neverAnswers,
  refuses,
  resets,
  startUpstream,
  streams,
  until,
} from '../helpers/upstream.ts';
import type { Behaviour, StreamScript } from '../helpers/upstream.ts';
import { WORDS, rateLimited } from './faults.ts';
import { plainResult, startBench, streamResult } from './harness.ts';
import type { Bench } from './harness.ts';

/** Of the bench's settings. */
const CONNECT_MS = 5_000;
const once = { retry: { retries: 0, baseMs: 1, maxMs: 1 } };
const FORMS = [
  ['plain', plainResult],
  ['stream', streamResult],
] as const;

function codeOf(error: unknown): string {
  assert.ok(error instanceof HubError, `a HubError, not ${String(error)}`);
  return error.code;
}

/** As HTTP lets a server that is not told otherwise. */
const compressesUnlessTold: Behaviour = (exchange) => {
  if (exchange.received.headers['accept-encoding'] === 'identity') return answers()(exchange);
  exchange.response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end();
};

/** An address at which nobody listens: one that somebody had, and gave back. */
async function refusedAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}/v1`;
}

describe('a refused connection', () => {
  for (const [form, ask] of FORMS) {
    it(`is an honest error of the only deployment, and no error at all where another answers (${form})`, async (t) => {
      const nowhere = await refusedAddress();
      const alone = startBench(t, { providers: { one: nowhere }, settings: once });
      assert.equal(codeOf((await ask(alone)).error), 'upstream_unreachable');
      assert.equal(alone.attempts[0]?.outcome, 'unreachable');

      const other = await startUpstream(t);
      const both = startBench(t, { providers: { one: nowhere, two: other.baseUrl } });
      assert.deepEqual(await ask(both), { text: 'All is well.', error: null });
      assert.equal(other.received.length, 1);
      assert.deepEqual(
        both.lastRun.attempts.map(({ outcome }) => outcome),
        ['unreachable', 'succeeded'],
      );
    });
  }
});

describe('a connection that does not come about', () => {
  for (const [form, ask] of FORMS)
    it(`is given up after its time, and another upstream answers (${form})`, async (t) => {
      const begun: Socket[] = [];
      // Takes the connection, and says nothing to the handshake.
      const silent = createServer((socket) => void begun.push(socket));
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
      t.after(() => {
        for (const socket of begun) socket.destroy();
        silent.close();
      });
      const { port } = silent.address() as AddressInfo;
      const other = await startUpstream(t);
      const providers = { one: `https://127.0.0.1:${port}/v1`, two: other.baseUrl };
      const bench = startBench(t, { providers, settings: once });
      const pending = ask(bench);
      await until('the connection is begun', () => begun.length === 1);
      await bench.clock.advance(CONNECT_MS - 1);
      assert.equal(bench.attempts.length, 0);
      await bench.clock.advance(1);
      await until('it is given up', () => bench.attempts.length > 0);
      assert.deepEqual(await pending, { text: 'All is well.', error: null });
      assert.deepEqual(
        bench.lastRun.attempts.map(({ outcome }) => outcome),
        ['timeout_connect', 'succeeded'],
      );
    });
});

describe('an upstream that compresses for everybody who does not refuse it', () => {
  for (const [form, ask] of FORMS)
    it(`is told not to (${form})`, async (t) => {
      const upstream = await startUpstream(t);
      upstream.otherwise = compressesUnlessTold;
      const bench = startBench(t, { providers: { one: upstream.baseUrl }, settings: once });
      assert.deepEqual(await ask(bench), { text: 'All is well.', error: null });
    });
});

describe('a late answer', () => {
  it('whose first token comes just within its time is served whole, and costs one request', async (t) => {
    const upstream = await startUpstream(t);
    const { opened, open } = gate();
    upstream.script(streams(WORDS, { before: opened }));
    const bench = startBench(t, { providers: { one: upstream.baseUrl }, settings: once });
    const pending = streamResult(bench);
    await until('the upstream has the request', () => upstream.received.length === 1);
    await bench.clock.advance(59_000);
    open();
    assert.deepEqual(await pending, { text: 'One two three', error: null });
    assert.equal(bench.attempts[0]?.firstTokenMs, 59_000);
    assert.equal(upstream.received.length, 1);
    assert.equal(bench.clock.pending, 0);
  });

  it('that pauses after every word for less than the idle time is served whole', async (t) => {
    const upstream = await startUpstream(t);
    const gates = [gate(), gate()];
    const script: StreamScript = { gates: Object.fromEntries(gates.map(({ opened }, at) => [at + 1, opened])) };
    upstream.script(streams(WORDS, script));
    const bench = startBench(t, { providers: { one: upstream.baseUrl }, settings: once });
    const { events } = await bench.gateway.stream(bench.call({ stream: true }));
    let text = '';
    const reading = (async () => {
      for await (const data of events) text += JSON.parse(data).choices[0]?.delta.content ?? '';
    })();
    for (const [at, { open }] of gates.entries()) {
      await until(`word ${at + 1} was read`, () => text === WORDS.slice(0, at + 1).join(''));
      await bench.clock.advance(29_000);
      open();
    }
    await reading;
    assert.equal(text, 'One two three');
    assert.equal(bench.lastRun.status, 'succeeded');
    assert.equal(upstream.received.length, 1);
  });
});

describe('an answer that is whole without its formal end', () => {
  for (const ending of ['no-done', 'no-end'] as const) {
    it(`is a success, and is not waited for longer than a moment (${ending})`, async (t) => {
      const upstream = await startUpstream(t);
      upstream.script(streams(WORDS, { ending }));
      const bench = startBench(t, { providers: { one: upstream.baseUrl }, settings: once });
      const { events } = await bench.gateway.stream(bench.call({ stream: true }));
      const iterator = events[Symbol.asyncIterator]();
      let finished = false;
      while (!finished) {
        const { value, done } = await iterator.next();
        assert.ok(done !== true);
        finished = JSON.parse(value).choices[0]?.finish_reason === 'stop';
      }
      const end = iterator.next();
      // The grace in which a formal end may come: far below the time after which a silence is a failure.
      await bench.clock.advance(250);
      assert.equal((await end).done, true);
      assert.equal(bench.lastRun.status, 'succeeded');
      assert.equal(bench.breakers.get('provider:one/test-model').counts().failures, 0);
      if (ending === 'no-end')
        await until('the open exchange is given up', () => upstream.received[0]?.aborted === true);
      assert.deepEqual(await streamResult(bench), { text: 'All is well.', error: null });
      assert.equal(upstream.received.length, 2);
    });
  }
});

describe('an upstream that limits the rate', () => {
  for (const [form, ask] of FORMS) {
    it(`is not asked again before its Retry-After, and at once afterwards (${form})`, async (t) => {
      const [one, two] = [await startUpstream(t), await startUpstream(t)];
      const bench = startBench(t, { providers: { one: one.baseUrl, two: two.baseUrl } });
      one.script(refuses(429, rateLimited, { 'retry-after': '20' }));
      for (let call = 0; call < 3; call++)
        assert.deepEqual(await ask(bench), { text: 'All is well.', error: null }, 'another one answers meanwhile');
      assert.deepEqual([one.received.length, two.received.length], [1, 3]);
      await bench.clock.advance(20_000);
      await ask(bench);
      assert.deepEqual([one.received.length, two.received.length], [2, 3]);
    });

    it(`without a Retry-After is told so without one, and opens no circuit (${form})`, async (t) => {
      const upstream = await startUpstream(t);
      const bench = startBench(t, { providers: { one: upstream.baseUrl }, settings: once });
      upstream.script(refuses(429, rateLimited));
      const { error } = await ask(bench);
      assert.equal(codeOf(error), 'upstream_rate_limited');
      assert.ok(error instanceof HubError && error.retryAfterMs === undefined);
      assert.equal(bench.breakers.get('provider:one/test-model').counts().failures, 0);
      assert.equal(upstream.received.length, 1);
    });
  }
});

describe('against a deployment', () => {
  const COUNTED: readonly (readonly [string, Behaviour])[] = [
    ['status 500', refuses(500)],
    ['status 503', refuses(503)],
    ['a gateway’s page', answersHtml(502)],
    ['a reset', resets],
    ['nonsense', answersHtml(200)],
    ['a redirect', refuses(307, {}, { location: 'http://127.0.0.1:1/' })],
  ];
  const NOT_COUNTED: readonly (readonly [string, Behaviour])[] = [
    ['status 400', refuses(400)],
    ['status 401', refuses(401)],
    ['status 403', refuses(403)],
    ['status 404', refuses(404)],
    ['status 413', refuses(413)],
    ['status 422', refuses(422)],
  ];

  async function failTimes(bench: Bench, times: number, ask: typeof plainResult): Promise<void> {
    for (let call = 0; call < times; call++) assert.notEqual((await ask(bench)).error, null);
  }

  for (const [form, ask] of FORMS) {
    for (const [name, behaviour] of COUNTED) {
      it(`${name} counts: after five the upstream gets nothing more (${form})`, async (t) => {
        const upstream = await startUpstream(t);
        upstream.otherwise = behaviour;
        const bench = startBench(t, { providers: { one: upstream.baseUrl }, settings: once });
        await failTimes(bench, 5, ask);
        upstream.otherwise = answers();
        for (let call = 0; call < 3; call++) assert.equal(codeOf((await ask(bench)).error), 'no_deployment_available');
        assert.equal(upstream.received.length, 5);
      });
    }

    for (const [name, behaviour] of NOT_COUNTED) {
      it(`${name} does not count: ten of them, and the next call is served (${form})`, async (t) => {
        const upstream = await startUpstream(t);
        upstream.otherwise = behaviour;
        const bench = startBench(t, { providers: { one: upstream.baseUrl }, settings: once });
        await failTimes(bench, 10, ask);
        upstream.otherwise = answers();
        assert.deepEqual(await ask(bench), { text: 'All is well.', error: null });
        assert.equal(upstream.received.length, 11);
      });
    }
  }

  it('silence counts: after five timeouts the upstream gets nothing more', async (t) => {
    const upstream = await startUpstream(t);
    upstream.otherwise = neverAnswers;
    const timeouts = { connectMs: 5_000, firstTokenMs: 1_000, idleMs: 1_000, totalMs: 5_000 };
    const bench = startBench(t, { providers: { one: upstream.baseUrl }, settings: { ...once, timeouts } });
    for (let call = 1; call <= 5; call++) {
      const pending = streamResult(bench);
      await until('the upstream has the request', () => upstream.received.length === call);
      await bench.clock.advance(1_000);
      assert.equal(codeOf((await pending).error), 'upstream_timeout');
    }
    assert.equal(codeOf((await streamResult(bench)).error), 'no_deployment_available');
    assert.equal(upstream.received.length, 5);
    await until('every silent exchange was given up', () => upstream.received.every(({ aborted }) => aborted));
  });

  it('a provider that refuses the hub’s key is passed over by every call for another, and the caller is not blamed', async (t) => {
    const [one, two] = [await startUpstream(t), await startUpstream(t)];
    one.otherwise = refuses(401, { message: 'Incorrect API key provided.', code: 'invalid_api_key' });
    const bench = startBench(t, { providers: { one: one.baseUrl, two: two.baseUrl } });
    for (const [, ask] of FORMS) assert.deepEqual(await ask(bench), { text: 'All is well.', error: null });
    two.otherwise = one.otherwise;
    for (const [, ask] of FORMS) {
      const { error } = await ask(bench);
      assert.equal(codeOf(error), 'upstream_credentials');
      assert.doesNotMatch(error instanceof HubError ? error.detail : '', /Incorrect API key/);
    }
    assert.deepEqual([one.received.length, two.received.length], [4, 4]);
  });
});
