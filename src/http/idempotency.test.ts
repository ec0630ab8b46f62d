/** Idempotency keys over a real server: what was done is not done twice, and the caller is told what became of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { limits } from '#core/limits';
import { UpstreamError } from '#core/errors';
import { chunk, completion, startHttpHub, streamOf, summary } from '../../tests/helpers/http-hub.ts';
import type { HttpHub } from '../../tests/helpers/http-hub.ts';
import { says, startAgentBench } from '../../tests/helpers/agent-bench.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';

type Script = NonNullable<Parameters<typeof startHttpHub>[1]>;

const BODY = { model: 'm', messages: [{ role: 'user', content: 'Hi.' }] };

async function start(t: TestContext, script: Script = {}): Promise<HttpHub> {
  let calls = 0;
  return startHttpHub(t, {
    complete: async ({ runId }) => ({
      summary: summary(runId),
      body: completion(`Answer ${++calls}.`),
      raw: undefined,
    }),
    stream: async ({ runId }) => streamOf(runId, [chunk(`Answer ${++calls}.`), chunk('', 'stop')]),
    ...script,
  });
}

function post(hub: HttpHub, key: string, body: object = BODY, secret = hub.keys.chat, path = '/v1/chat/completions') {
  return fetch(hub.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}`, 'idempotency-key': key },
    body: JSON.stringify(body),
  });
}

async function codeOf(response: Response): Promise<[number, unknown]> {
  const { error } = Object(await response.json());
  return [response.status, Object(error).code];
}

describe('an Idempotency-Key', () => {
  it('gives the same bytes again for the same key and body, marked as a replay, and asks the gateway once', async (t) => {
    const hub = await start(t);
    const [first, second] = [await post(hub, 'k-1'), await post(hub, 'k-1')];
    assert.deepEqual([first.status, second.status], [200, 200]);
    assert.equal(await second.text(), await first.text());
    assert.equal(first.headers.get('idempotent-replayed'), null);
    assert.equal(second.headers.get('idempotent-replayed'), 'true');
    for (const name of ['content-type', 'x-revoagent-run', 'x-revoagent-provider'])
      assert.equal(second.headers.get(name), first.headers.get(name));
    assert.notEqual(second.headers.get('x-request-id'), first.headers.get('x-request-id'));
    assert.equal(hub.calls.length, 1);
  });

  it('replays a stream as the stream that it was', async (t) => {
    const hub = await start(t);
    const body = { ...BODY, stream: true };
    const first = await post(hub, 'k', body);
    const text = await first.text();
    const second = await post(hub, 'k', body);
    assert.equal(await second.text(), text);
    assert.match(text, /\[DONE\]\n\n$/);
    assert.match(second.headers.get('content-type') ?? '', /^text\/event-stream/);
    assert.equal(hub.calls.length, 1);
  });

  it('refuses another body with 422, and keeps the answer of the first', async (t) => {
    const hub = await start(t);
    await (await post(hub, 'k')).text();
    assert.deepEqual(await codeOf(await post(hub, 'k', { ...BODY, model: 'other' })), [422, 'idempotency_key_reused']);
    assert.match(await (await post(hub, 'k')).text(), /Answer 1\./);
  });

  it('answers 409 with Retry-After while the first still runs, which reaches the gateway alone', async (t) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const hub = await start(t, {
      complete: async ({ runId }) => {
        await promise;
        return { summary: summary(runId), body: completion(), raw: undefined };
      },
    });
    const first = post(hub, 'k');
    while (hub.calls.length === 0) await new Promise((next) => setImmediate(next));
    const second = await post(hub, 'k');
    assert.ok(Number(second.headers.get('retry-after')) >= 1);
    assert.deepEqual(await codeOf(second), [409, 'idempotency_key_in_use']);
    resolve();
    assert.equal((await first).status, 200);
    assert.equal((await post(hub, 'k')).headers.get('idempotent-replayed'), 'true');
    assert.equal(hub.calls.length, 1);
  });

  it('is free again after a failure, plain or in the middle of a stream', async (t) => {
    let failing = true;
    const failure = new UpstreamError('upstream_failed', 'No.');
    const hub = await start(t, {
      complete: async ({ runId }) => {
        if (failing) throw failure;
        return { summary: summary(runId), body: completion(), raw: undefined };
      },
      stream: async ({ runId }) =>
        streamOf(
          runId,
          (async function* () {
            yield chunk('One');
            if (failing) throw failure;
            yield chunk('', 'stop');
          })(),
        ),
    });
    for (const body of [BODY, { ...BODY, stream: true }]) {
      failing = true;
      const key = JSON.stringify(body.model) + String('stream' in body);
      await (await post(hub, key, body)).text();
      failing = false;
      const again = await post(hub, key, body);
      assert.equal(again.status, 200);
      assert.equal(again.headers.get('idempotent-replayed'), null);
      await again.text();
      assert.equal((await post(hub, key, body)).headers.get('idempotent-replayed'), 'true');
    }
  });

  it('belongs to one caller and one operation', async (t) => {
    const hub = await start(t);
    const texts = [
      await (await post(hub, 'k')).text(),
      await (await post(hub, 'k', BODY, hub.keys.admin)).text(),
      await (await post(hub, 'k', { model: 'm', prompt: 'Hi.' }, hub.keys.chat, '/api/chat')).text(),
    ];
    texts.forEach((text, at) => assert.match(text, new RegExp(`Answer ${at + 1}\\.`)));
  });

  it('belongs to whom the path names: the same words to another agent are another request', async (t) => {
    const bench = startAgentBench({ model: [says('From the one.')] });
    const hub = await start(t, { deps: { agents: bench.agents } });
    const talk = (id: string): Promise<Response> =>
      post(hub, 'k', { prompt: 'Hi.' }, hub.keys.chat, `/api/agents/${id}/chat`);
    assert.match(await (await talk(bench.agent.id)).text(), /From the one/);
    assert.equal((await talk(bench.agent.id)).headers.get('idempotent-replayed'), 'true');
    const other = await talk('agt_01k3v9zq6x8m2f4t7w1c5r9hjd');
    assert.deepEqual([other.status, Object(await other.json()).code], [422, 'idempotency_key_reused']);
    assert.equal(bench.asked.length, 1);
  });

  it('makes one key, whose secret is given once and kept nowhere', async (t) => {
    const hub = await start(t);
    const make = (): Promise<Response> => post(hub, 'k', { name: 'ci', scopes: ['chat'] }, hub.keys.admin, '/api/keys');
    const made = await make();
    assert.equal(made.status, 201, await made.text());
    const again = await make();
    assert.deepEqual([again.status, Object(await again.json()).code], [409, 'idempotency_answer_not_kept']);
  });

  it('is kept for a day, and no longer', async (t) => {
    const clock = new VirtualClock();
    const hub = await start(t, { clock });
    await (await post(hub, 'k')).text();
    await clock.advance(limits.idempotencyKeepMs - 1_000);
    assert.match(await (await post(hub, 'k')).text(), /Answer 1\./);
    await clock.advance(2_000);
    assert.match(await (await post(hub, 'k')).text(), /Answer 2\./);
  });

  it('is refused where it is none, and ignored where an operation has no use for it', async (t) => {
    const hub = await start(t);
    for (const key of ['x'.repeat(256), 'two words'])
      assert.deepEqual(await codeOf(await post(hub, key)), [400, 'bad_request']);
    const models = await fetch(`${hub.url}/v1/models`, {
      headers: { authorization: `Bearer ${hub.keys.chat}`, 'idempotency-key': 'two words' },
    });
    assert.equal(models.status, 200);
    assert.equal(hub.calls.length, 0);
  });

  it('keeps no answer that is too large but that it was given, and within the instance when the database is away: the log says so', async (t) => {
    const hub = await start(t, {
      complete: async ({ runId }) => ({
        summary: summary(runId),
        body: completion('x'.repeat(limits.idempotentAnswerBytesMax)),
        raw: undefined,
      }),
    });
    await (await post(hub, 'k')).text();
    assert.deepEqual(await codeOf(await post(hub, 'k')), [409, 'idempotency_answer_not_kept']);
    assert.equal(hub.calls.length, 1);
    assert.ok(hub.log.some((line) => line.includes('idempotency-local')));
  });
});
