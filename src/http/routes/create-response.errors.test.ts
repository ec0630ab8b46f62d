/** Failures as `POST /v1/responses` tells them: a status before the commit point; after it OpenAI's last events, numbered on. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { UpstreamError } from '#core/errors';
import { openSocket, post, readUntil, sseEvents } from '../../../tests/helpers/http-calls.ts';
import { chunk, startHttpHub, streamOf } from '../../../tests/helpers/http-hub.ts';
import { waitFor } from '../../../tests/helpers/hub-process.ts';
import { VirtualClock } from '../../../tests/helpers/virtual-clock.ts';

const PATH = '/v1/responses';
const request = { model: 'fast', input: 'Hello?', stream: true };

async function eventsOf(t: TestContext, source: () => Iterable<string>): Promise<{ type: string; code?: string }[]> {
  const hub = await startHttpHub(t, { keyless: true, stream: async ({ runId }) => streamOf(runId, source()) });
  const response = await post(hub, PATH, request);
  assert.equal(response.status, 200);
  const events = sseEvents(await response.text()).map(({ data }) => JSON.parse(data));
  assert.deepEqual(
    events.map(({ sequence_number: number }) => number),
    [...events.keys()],
  );
  return events;
}

describe('a response that fails', () => {
  it('is a status before the first event, in OpenAI’s form with the place of what is wrong', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const input = [{ role: 'user', content: [{ type: 'input_image', file_id: 'file-1' }] }];
    const refused = await post(hub, PATH, { ...request, input });
    assert.equal(refused.status, 400);
    assert.partialDeepStrictEqual(JSON.parse(await refused.text()), {
      error: { type: 'invalid_request_error', param: 'input[0].content[0].file_id' },
    });
    assert.equal(hub.calls.length, 0);
  });

  it('after its first words ends with `response.failed` and `error`', async (t) => {
    const events = await eventsOf(t, function* () {
      yield chunk('Hel');
      throw new UpstreamError('upstream_cut', 'It was cut.');
    });
    const types = events.map(({ type }) => type);
    assert.deepEqual(types.slice(-3), ['response.output_text.delta', 'response.failed', 'error']);
    assert.equal(events.at(-1)?.code, 'upstream_cut');
  });

  it('because another deployment began anew is cut: its form has no word for that', async (t) => {
    const restart = JSON.stringify({ choices: [], revoagent: { event: 'restart' } });
    const events = await eventsOf(t, () => [chunk('Hel'), restart, chunk('Hello.'), chunk('', 'stop')]);
    assert.deepEqual([events.at(-1)?.type, events.at(-1)?.code], ['error', 'upstream_cut']);
    assert.ok(events.every(({ type }) => type !== 'response.completed'));
  });

  it('after a keep-alive and before it began is an `error` event', async (t) => {
    const clock = new VirtualClock();
    const opening = Promise.withResolvers<never>();
    const hub = await startHttpHub(t, { keyless: true, clock, stream: () => opening.promise });
    const socket = await openSocket(t, hub.url);
    const body = JSON.stringify(request);
    socket.write(
      `POST ${PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await waitFor(() => hub.calls[0]);
    const alive = readUntil(socket, /: keep-alive/);
    await clock.advance(10_000);
    await alive;
    const end = readUntil(socket, /\r\n0\r\n\r\n/);
    opening.reject(new UpstreamError('upstream_timeout', 'Too slow.'));
    assert.match(await end, /event: error\ndata: \{"type":"error","sequence_number":0,"code":"upstream_timeout"/);
  });
});
