/** Faults of an external API as the caller and the API see them: retried or not, told in time, never a part for the whole. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { openSocket } from '../helpers/http-calls.ts';
import { until } from '../helpers/upstream.ts';
import { VirtualClock } from '../helpers/virtual-clock.ts';
import { answers, neverAnswers, problemOf, resets, startExternalHub, startTarget } from './external-bench.ts';
import type { Behaviour, ExternalHub, Target } from './external-bench.ts';

const noRetry = { retry: { retries: 0 } };
const all = { methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] };

/** Half of what was announced, then the end of the connection. */
const cuts =
  (headers: Record<string, string> = {}): Behaviour =>
  ({ response }) => {
    response.writeHead(200, headers);
    response.write('0123456789', () => response.socket?.destroy());
  };

describe('a failure of an external API', () => {
  it('is made good by another attempt where doing it twice is as good as once, and only there', async (t) => {
    const target = await startTarget(t);
    for (const [fault, code] of [
      [answers(500, 'secret stack trace'), 'upstream_failed'],
      [resets, 'upstream_unreachable'],
    ] as const) {
      const hub = await startExternalHub(t, target, all);
      for (const method of ['GET', 'PUT', 'DELETE', 'POST', 'PATCH']) {
        target.received.length = 0;
        target.script(fault);
        const body = method === 'GET' ? {} : { body: 'the body' };
        const response = await hub.call('/x', { method, ...body });
        const sent = target.received.map((one) => [one.method, one.body]);
        if (method === 'POST' || method === 'PATCH') {
          const problem = await problemOf(response);
          assert.deepEqual([problem.status, problem.code], [502, code], method);
          assert.doesNotMatch(problem.detail, /stack trace/);
          assert.deepEqual(sent, [[method, 'the body']], 'sent once');
        } else {
          assert.equal(response.status, 200, method);
          assert.equal(response.headers.get('x-revoagent-attempts'), '2');
          assert.deepEqual(sent, [
            [method, body.body ?? ''],
            [method, body.body ?? ''],
          ]);
        }
        hub.breakers.get('external:api').reset();
      }
    }
  });

  it('is repeated as often as the configuration says, and no more than a budget allows', async (t) => {
    const target = await startTarget(t);
    target.otherwise = answers(503, '', { 'retry-after': '0' });
    const plain = await startExternalHub(t, target, noRetry);
    target.script(answers(503, '', { 'retry-after': '7' }));
    assert.equal((await plain.call('/x')).headers.get('retry-after'), '7');
    target.received.length = 0;
    const hub = await startExternalHub(t, target, { retry: { retries: 3, baseMs: 0 }, breaker: { failures: 1000 } });
    const problem = await problemOf(await hub.call('/x'));
    assert.deepEqual([problem.status, problem.code], [502, 'upstream_failed']);
    assert.equal(target.received.length, 4);
    for (let call = 0; call < 20; call++) await problemOf(await hub.call('/x'));
    // A share of 0.2 of the calls and 3 on top.
    assert.ok(target.received.length <= 21 + 21 * 0.2 + 4, `${target.received.length} requests for 21 calls`);
  });

  it('opens the circuit at the fifth; then callers hear so at once, with the time to wait, and the API hears nothing', async (t) => {
    const target = await startTarget(t);
    target.otherwise = answers(500);
    const hub = await startExternalHub(t, target, { ...all, ...noRetry });
    for (let call = 0; call < 5; call++) assert.equal((await hub.call('/x')).status, 502);
    const refused = await hub.call('/x', { method: 'POST', body: 'x' });
    assert.match(refused.headers.get('retry-after') ?? '', /^(2[4-9]|3[0-6])$/);
    const problem = await problemOf(refused);
    assert.deepEqual([problem.status, problem.code], [503, 'upstream_unavailable']);
    assert.equal(target.received.length, 5);
    const headers = { authorization: `Bearer ${hub.keys.read}` };
    const listed: unknown = await (await fetch(`${hub.url}/api/external`, { headers })).json();
    assert.deepEqual(listed, {
      data: [
        {
          name: 'api',
          methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
          paths: ['/**'],
          breaker: { key: 'external:api', state: 'open' },
        },
      ],
    });
  });

  it('is not what the API answers below 500: that passes, and the circuit stays closed', async (t) => {
    const target = await startTarget(t);
    target.otherwise = answers(404, 'nothing here');
    const hub = await startExternalHub(t, target, { breaker: { failures: 1 } });
    for (let call = 0; call < 5; call++) {
      const response = await hub.call('/x');
      assert.deepEqual([response.status, await response.text()], [404, 'nothing here']);
    }
    assert.equal(target.received.length, 5);
    assert.equal(hub.breakers.get('external:api').state.kind, 'closed');
  });

  it('may be a limit: 429 passes with its body and its Retry-After, and the hub leaves the API alone for so long', async (t) => {
    const target = await startTarget(t);
    target.otherwise = answers(429, '{"message":"slow down"}', { 'retry-after': '30' });
    const hub = await startExternalHub(t, target);
    const first = await hub.call('/x');
    assert.deepEqual(
      [first.status, first.headers.get('retry-after'), await first.text()],
      [429, '30', '{"message":"slow down"}'],
    );
    assert.equal(first.headers.get('x-revoagent-external'), 'api');
    assert.equal(target.received.length, 1, 'a wait that is longer than retry.maxMs is the caller’s');
    const second = await hub.call('/x');
    assert.match(second.headers.get('retry-after') ?? '', /^(29|30)$/);
    assert.deepEqual((await problemOf(second)).code, 'upstream_rate_limited');
    assert.equal(target.received.length, 1);
  });

  it('is told where the API cannot be reached, without saying where it is', async (t) => {
    const hub = await startExternalHub(t, { port: 1 }, noRetry);
    const problem = await problemOf(await hub.call('/x'));
    assert.deepEqual([problem.status, problem.code], [502, 'upstream_unreachable']);
    assert.doesNotMatch(problem.detail, /127|:1\b/);
  });
});

describe('an external API that is slow', () => {
  it('is given up after timeoutMs, once for each attempt, and the caller is told', async (t) => {
    const target = await startTarget(t);
    target.otherwise = neverAnswers;
    const clock = new VirtualClock();
    const hub = await startExternalHub(t, target, { timeoutMs: 3_000, retry: { retries: 1, baseMs: 0 } }, clock);
    const call = hub.call('/x');
    await until('the first attempt', () => target.received.length === 1);
    await clock.advance(2_999);
    assert.equal(target.received[0]?.aborted, false);
    await clock.advance(1);
    await until('the first attempt is ended', () => target.received[0]?.aborted === true);
    await clock.advance(0);
    await until('the second attempt', () => target.received.length === 2);
    await clock.advance(3_000);
    const problem = await problemOf(await call);
    assert.deepEqual([problem.status, problem.code], [504, 'upstream_timeout']);
    await until('the second attempt is ended', () => target.received[1]?.aborted === true);
    assert.equal(hub.breakers.get('external:api').counts().failures, 2);
  });

  it('is given up in the middle of an answer too, and the caller does not take the part for the whole', async (t) => {
    const target = await startTarget(t);
    target.otherwise = ({ response }) => void response.writeHead(200).write('part');
    const clock = new VirtualClock();
    const hub = await startExternalHub(t, target, { timeoutMs: 3_000 }, clock);
    const response = await hub.call('/x');
    const body = response.text();
    body.catch(() => undefined);
    await until('a request', () => target.received.length === 1);
    // The part has to be on its way before time moves.
    await until('the timer of the next part', () => clock.pending >= 2);
    await clock.advance(3_000);
    await assert.rejects(body);
    await until('the exchange is ended', () => target.received[0]?.aborted === true);
    assert.equal(target.received.length, 1, 'what has begun to pass is not asked for again');
    assert.equal(hub.breakers.get('external:api').counts().failures, 1);
  });

  it('is given up at the deadline of the whole call, which is not held against it', async (t) => {
    const target = await startTarget(t);
    target.otherwise = neverAnswers;
    const clock = new VirtualClock();
    const hub = await startExternalHub(t, target, { timeoutMs: 60_000, deadlineMs: 5_000 }, clock);
    const call = hub.call('/x');
    await until('the attempt', () => target.received.length === 1);
    await clock.advance(5_000);
    assert.deepEqual((await problemOf(await call)).code, 'upstream_timeout');
    await until('the attempt is ended', () => target.received[0]?.aborted === true);
    assert.equal(target.received.length, 1);
    assert.equal(hub.breakers.get('external:api').counts().failures, 0);
  });

  it('holds no more calls than it may: one more is told to come back, and a place is free again afterwards', async (t) => {
    const target = await startTarget(t);
    target.script(neverAnswers);
    const hub = await startExternalHub(t, target, { concurrentMax: 1 });
    const first = hub.call('/x');
    await until('the first call', () => target.received.length === 1);
    const second = await hub.call('/x');
    assert.equal(second.headers.get('retry-after'), '1');
    assert.deepEqual((await problemOf(second)).code, 'overloaded');
    assert.equal(target.received.length, 1);
    target.received[0]?.response.end('done');
    assert.equal(await (await first).text(), 'done');
    assert.equal((await hub.call('/x')).status, 200);
  });
});

describe('an answer of an external API', () => {
  it('that is cut ends the caller’s connection, whether its length was announced or not, and counts as a failure', async (t) => {
    const target = await startTarget(t);
    const hub = await startExternalHub(t, target);
    for (const headers of [{ 'content-length': '20' }, {}]) {
      target.script(cuts(headers));
      const response = await hub.call('/x');
      assert.equal(response.status, 200);
      await assert.rejects(response.text());
    }
    assert.equal(hub.breakers.get('external:api').counts().failures, 2);
    assert.match(hub.log.join('\n'), /external-answer-cut .*upstream_cut/);
    await until('both requests are told as failed', () => hub.finished.length === 2);
    assert.deepEqual(
      hub.finished.map(({ errorCode, streamFailed }) => [errorCode, streamFailed]),
      [
        ['upstream_cut', true],
        ['upstream_cut', true],
      ],
    );
  });

  it('over the bound is refused where its length says so, and cut where it does not; the API is not at fault', async (t) => {
    const target = await startTarget(t);
    const hub = await startExternalHub(t, target, { responseBytesMax: 10 });
    target.script(({ response }) => void response.writeHead(200, { 'content-length': '11' }).write('0'));
    const problem = await problemOf(await hub.call('/x'));
    assert.deepEqual([problem.status, problem.code], [502, 'upstream_malformed']);
    await until('the exchange is ended', () => target.received[0]?.aborted === true);
    target.script(({ response }) => void response.writeHead(200).write('01234567890'));
    await assert.rejects((await hub.call('/x')).text());
    await until('the exchange is ended', () => target.received[1]?.aborted === true);
    target.script(answers(200, '0123456789'));
    assert.equal(await (await hub.call('/x')).text(), '0123456789');
    assert.equal(target.received.length, 3, 'it would be as large again');
    assert.equal(hub.breakers.get('external:api').counts().failures, 0);
  });

  it('without a body has none', async (t) => {
    const target = await startTarget(t);
    const hub = await startExternalHub(t, target);
    for (const status of [204, 304]) {
      target.script(({ response }) => void response.writeHead(status, { etag: '"1"' }).end());
      const response = await hub.call('/x');
      assert.deepEqual([response.status, response.headers.get('etag'), await response.text()], [status, '"1"', '']);
    }
    const head = await hub.call('/x', { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [200, '']);
    assert.equal(target.received.at(-1)?.method, 'HEAD');
  });

  it('is no longer asked for once the caller has left, before or in the middle of it; nobody is at fault', async (t) => {
    const target = await startTarget(t);
    const hub = await startExternalHub(t, target);
    const begins: Behaviour = ({ response }) => void response.writeHead(200).write('part');
    for (const behaviour of [neverAnswers, begins]) {
      target.received.length = 0;
      target.script(behaviour);
      const leaving = new AbortController();
      const call = hub.call('/x', { signal: leaving.signal });
      call.catch(() => undefined);
      await until('the request', () => target.received.length === 1);
      if (behaviour === begins) await (await call).body?.getReader().read();
      leaving.abort();
      await until('the exchange is ended', () => target.received[0]?.aborted === true);
    }
    const breaker = hub.breakers.get('external:api');
    await until('nothing is under way', () => breaker.inFlight === 0);
    assert.deepEqual([breaker.counts().failures, target.received.length], [0, 1]);
  });

  it('comes no faster than the caller reads, and whole', async (t) => {
    const target = await startTarget(t);
    const large = sendsLarge(target);
    const hub = await startExternalHub(t, target);
    const socket = await askWithoutReading(t, hub);
    await large.heldUp();
    assert.ok(large.written < PARTS / 2, `${large.written} of ${PARTS} MiB were taken for a caller that reads nothing`);
    let bytes = 0;
    socket.on('data', (chunk: Buffer) => (bytes += chunk.length));
    socket.resume();
    await once(socket, 'close');
    assert.ok(bytes > PARTS * MIB, 'the whole body, and its head');
  });

  it('holds nothing once a caller that does not read has left', async (t) => {
    const target = await startTarget(t);
    const large = sendsLarge(target);
    const hub = await startExternalHub(t, target, { concurrentMax: 1 });
    const socket = await askWithoutReading(t, hub);
    await large.heldUp();
    socket.destroy();
    await until('the exchange is ended', () => target.received[0]?.aborted === true);
    await until('nothing is under way', () => hub.breakers.get('external:api').inFlight === 0);
    target.otherwise = answers();
    assert.equal((await hub.call('/x')).status, 200, 'its place is free');
  });

  it('leaves no timer behind', async (t) => {
    const target = await startTarget(t);
    const clock = new VirtualClock();
    const hub = await startExternalHub(t, target, {}, clock);
    target.script(cuts());
    await assert.rejects((await hub.call('/x')).text());
    for (const status of [200, 204, 404, 429]) {
      target.script(answers(status, status === 204 ? '' : 'x', { 'retry-after': '30' }));
      await (await hub.call('/x')).text();
    }
    // A timer of a queue is not cancelled: it rings once for nothing. The deadline's would wait for a minute.
    await clock.advance(10_000);
    assert.equal(clock.pending, 0);
  });
});

const MIB = 1024 * 1024;
const PARTS = 64;

/** Whatever is asked next is answered with 64 MiB, as fast as they are taken. */
function sendsLarge(target: Target): { readonly written: number; heldUp(): Promise<void> } {
  const part = Buffer.alloc(MIB, 'x');
  let written = 0;
  target.otherwise = ({ response }) => {
    response.writeHead(200, { 'content-length': String(PARTS * MIB) });
    const writeOn = (): void => {
      while (written < PARTS) {
        written++;
        if (!response.write(part)) {
          response.once('drain', writeOn);
          return;
        }
      }
      response.end();
    };
    writeOn();
  };
  return {
    get written() {
      return written;
    },
    /** Resolves when nothing more has been taken for many turns of the event loop. */
    async heldUp() {
      let last = -1;
      let quiet = 0;
      await until('the target is held up', () => {
        quiet = written > 0 && written === last ? quiet + 1 : 0;
        last = written;
        return quiet > 200;
      });
    },
  };
}

async function askWithoutReading(t: TestContext, hub: ExternalHub): Promise<Socket> {
  const socket = await openSocket(t, hub.url);
  socket.pause();
  const lines = ['GET /api/external/api/x HTTP/1.1', 'host: hub', `authorization: Bearer ${hub.keys.external}`];
  socket.write(`${lines.join('\r\n')}\r\nconnection: close\r\n\r\n`);
  return socket;
}
