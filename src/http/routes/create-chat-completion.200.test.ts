/** `POST /v1/chat/completions` that succeeds. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chunk, completion, startHttpHub, streamOf, summary } from '../../../tests/helpers/http-hub.ts';
import { post, sseEvents } from '../../../tests/helpers/http-calls.ts';

const PATH = '/v1/chat/completions';
const request = { model: 'fast', messages: [{ role: 'user', content: 'Hello?' }] };

describe('a chat completion', () => {
  it('sends the bytes of the upstream as they came', async (t) => {
    const raw = Buffer.from('{"id":"x",  "spaced": true}');
    const hub = await startHttpHub(t, {
      keyless: true,
      complete: async ({ runId }) => ({ summary: summary(runId), body: completion(), raw }),
    });
    const response = await post(hub, PATH, request);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'application/json');
    assert.equal(await response.text(), raw.toString());
  });

  it('passes fields that the hub does not know on to the gateway, unchanged', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const vendor = { ...request, vendor_option: { deep: [1, '2', null] }, temperature: 0, stream: null };
    assert.equal((await post(hub, PATH, vendor)).status, 200);
    assert.deepEqual(hub.calls[0]?.request, vendor);
  });

  it('tells the run in headers', async (t) => {
    const hub = await startHttpHub(t, {
      keyless: true,
      complete: async ({ runId }) => ({
        summary: summary(runId, { attempts: 3, overheadMs: 1.234, model: 'größer', degraded: true, simulated: true }),
        body: completion(),
        raw: undefined,
      }),
    });
    const { headers } = await post(hub, PATH, request);
    assert.equal(headers.get('x-revoagent-run'), hub.calls[0]?.runId);
    assert.equal(headers.get('x-revoagent-provider'), 'openai');
    assert.equal(headers.get('x-revoagent-model'), encodeURIComponent('größer'));
    assert.equal(headers.get('x-revoagent-attempts'), '3');
    assert.equal(headers.get('x-revoagent-overhead-ms'), '1.23');
    assert.equal(headers.get('x-revoagent-degraded'), 'true');
    assert.equal(headers.get('x-revoagent-simulated'), 'true');
  });

  it('tells the run in headers whatever the model’s name holds', async (t) => {
    const hub = await startHttpHub(t, {
      keyless: true,
      complete: async ({ runId, request: { model } }) => ({
        summary: summary(runId, { model }),
        body: completion(),
        raw: undefined,
      }),
    });
    for (const model of ['\ud800', 'a\r\nx: y', 'nul\u0000', '名']) {
      const response = await post(hub, PATH, { ...request, model });
      assert.equal(response.status, 200, await response.text());
      assert.equal(response.headers.get('x-revoagent-model'), encodeURIComponent(model.toWellFormed()));
    }
  });

  it('takes up the caller’s request id and trace, and begins its own where they are not valid', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const taken = await post(hub, PATH, request, {
      'x-request-id': 'mine-1',
      traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
    });
    assert.equal(taken.headers.get('x-request-id'), 'mine-1');
    const passedOn = hub.calls[0]?.traceparent ?? '';
    assert.match(passedOn, new RegExp(`^00-${traceId}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$`));
    assert.equal(taken.headers.get('traceparent'), passedOn);

    for (const traceparent of [
      `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
      `ff-${traceId}-00f067aa0ba902b7-01`,
      'nonsense',
    ]) {
      const own = await post(hub, PATH, request, { 'x-request-id': 'not sane\u00e9', traceparent });
      assert.match(own.headers.get('x-request-id') ?? '', /^req_/);
      assert.match(own.headers.get('traceparent') ?? '', new RegExp(`^00-(?!${traceId})[0-9a-f]{32}-[0-9a-f]{16}-00$`));
    }
  });

  it('streams the events as they came and ends with [DONE]', async (t) => {
    const events = [chunk('Hel'), chunk('lo.'), chunk('', 'stop')];
    const hub = await startHttpHub(t, { keyless: true, stream: async ({ runId }) => streamOf(runId, events) });
    const response = await post(hub, PATH, { ...request, stream: true });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
    assert.equal(response.headers.get('cache-control'), 'no-cache, no-transform');
    assert.equal(response.headers.get('x-accel-buffering'), 'no');
    assert.equal(response.headers.get('content-encoding'), null);
    assert.equal(response.headers.get('x-revoagent-provider'), 'openai');
    assert.deepEqual(
      sseEvents(await response.text()),
      [...events, '[DONE]'].map((data) => ({ data })),
    );
  });

  it('reports the request once, with its template, run and trace, and with the time in the hub', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const reported = hub.nextFinished();
    await (await post(hub, PATH, request)).text();
    const { durationMs, hubMs, traceId, traceparent, ...rest } = await reported;
    assert.deepEqual(rest, {
      method: 'POST',
      route: PATH,
      status: 200,
      streamFailed: false,
      requestId: rest.requestId,
      runId: hub.calls[0]?.runId ?? null,
      errorCode: null,
      parentSpanId: null,
    });
    assert.match(traceparent ?? '', new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`));
    assert.ok(hubMs >= 0 && hubMs <= durationMs);
    assert.match(traceId ?? '', /^[0-9a-f]{32}$/);
    assert.equal(hub.finished.length, 1);
  });
});
