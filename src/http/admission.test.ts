import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import type { LoadGate, ShedReason } from '#contract/load';
import { startHttpHub } from '../../tests/helpers/http-hub.ts';
import { openSocket, post, readUntil } from '../../tests/helpers/http-calls.ts';
import { unobserved } from '../../tests/helpers/unobserved.ts';

const CHAT = { model: 'fast', messages: [{ role: 'user', content: 'x' }], max_tokens: 5 };

describe('a hub that has more to do than it can', () => {
  it('answers 503 with Retry-After in the form of each surface, begins nothing, and counts it', async (t) => {
    const shed: string[] = [];
    const hub = await startHttpHub(t, {
      deps: {
        load: gateOf('event_loop'),
        observer: { ...unobserved, requestShed: (reason, priority) => void shed.push(`${reason} ${priority}`) },
      },
    });
    const key = { authorization: `Bearer ${hub.keys.chat}` };
    const ask = async (path: string): Promise<{ status: number; retry: string | null; text: string }> => {
      const response = await post(hub, path, CHAT, key);
      return { status: response.status, retry: response.headers.get('retry-after'), text: await response.text() };
    };
    const openai = await ask('/v1/chat/completions');
    const anthropic = await ask('/v1/messages');
    const own = await ask('/api/chat');
    assert.deepEqual([openai.status, anthropic.status, own.status], [503, 503, 503]);
    assert.match(openai.text, /^\{"error":\{.*"type":"server_error".*"code":"instance_overloaded"/);
    assert.match(anthropic.text, /^\{"type":"error","error":\{"type":"overloaded_error"/);
    assert.match(own.text, /"type":"urn:revoagent:error:instance_overloaded".*"status":503/);
    // Told different times, so that they do not all come back at once.
    assert.deepEqual([openai.retry, anthropic.retry, own.retry], ['1', '2', '3']);
    assert.equal(hub.calls.length, 0);
    assert.deepEqual(shed, ['event_loop new', 'event_loop new', 'event_loop new']);
  });

  it('still answers health, metrics and operators, and knows nobody whom it does not let in', async (t) => {
    const hub = await startHttpHub(t, { deps: { load: gateOf('memory') } });
    const admin = { authorization: `Bearer ${hub.keys.admin}` };
    for (const path of ['/health/live', '/health/ready', '/health', '/metrics']) {
      assert.equal((await fetch(`${hub.url}${path}`, { headers: admin })).status, 200, path);
    }
    assert.equal((await fetch(`${hub.url}/api/keys`, { headers: admin })).status, 200);
    const refused = await fetch(`${hub.url}/api/runs`, { headers: { authorization: 'Bearer rvk_unknown' } });
    assert.equal(refused.status, 503, 'never 401 for what was not looked at');
    assert.match(await refused.text(), /hardly any memory/);
  });
});

describe('a request that is sent away', () => {
  const overloaded = { load: gateOf('event_loop') };

  it('answers each of those that came one behind the other, though none was read to its end', async (t) => {
    const hub = await startHttpHub(t, { deps: overloaded });
    const text = JSON.stringify(CHAT);
    const one = `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
    const socket = await openSocket(t, hub.url);
    socket.write(one.repeat(3));
    const answers = await readUntil(socket, /(?:HTTP\/1\.1 503[^]*){3}"code":"instance_overloaded"\}\}$/);
    assert.equal(answers.match(/HTTP\/1\.1 503/g)?.length, 3);
  });

  it('is not told what else would be wrong with it, and its connection ends where that cannot be read', async (t) => {
    const hub = await startHttpHub(t, { deps: overloaded });
    const socket = await openSocket(t, hub.url);
    socket.write(
      'POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nno size\r\n',
    );
    const answer = await readUntil(socket, /instance_overloaded"\}\}$/);
    assert.match(answer, /^HTTP\/1\.1 503 /);
    assert.match(answer, /^connection: close\r$/im);
    if (!socket.closed) await once(socket, 'close');
  });

  it('can be read by the pages of a listed origin', async (t) => {
    const origin = 'https://app.example';
    const hub = await startHttpHub(t, { deps: overloaded, settings: { corsOrigins: [origin] } });
    const { status, headers } = await post(hub, '/v1/chat/completions', CHAT, { origin });
    assert.equal(status, 503);
    assert.equal(headers.get('access-control-allow-origin'), origin);
    assert.equal(headers.get('cross-origin-resource-policy'), 'cross-origin');
    assert.equal(headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'");
  });

  it('is answered before a hub that leaves has left', async (t) => {
    const hub = await startHttpHub(t, { deps: overloaded });
    const socket = await openSocket(t, hub.url);
    socket.write('GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n');
    const [answer] = await Promise.all([readUntil(socket, /instance_overloaded"\}\}$/), hub.server.close(5_000)]);
    assert.match(answer, /^HTTP\/1\.1 503 /);
  });
});

describe('the queue before the work', () => {
  it('sends new work away that would wait too long, serves all that it let in, and answers health', async (t) => {
    const shed: string[] = [];
    const hub = await startHttpHub(t, {
      keyless: true,
      settings: { requestsInFlightMax: 2_000, loadShedding: { enabled: true, queueMs: 1 } },
      deps: { observer: { ...unobserved, requestShed: (reason) => void shed.push(reason) } },
    });
    const burst = async (): Promise<number[]> =>
      Promise.all(
        Array.from({ length: 600 }, async () => {
          const response = await post(hub, '/v1/chat/completions', CHAT);
          await response.text();
          return response.status;
        }),
      );
    // Connections are taken one a turn: only on those that are open already do requests come at once.
    await burst();
    const health = async (): Promise<number> => (await fetch(`${hub.url}/health/live`)).status;
    const [statuses, ...probes] = await Promise.all([burst(), health(), health(), health()]);
    assert.deepEqual(probes, [200, 200, 200]);
    const served = statuses.filter((status) => status === 200).length;
    const away = statuses.filter((status) => status === 503).length;
    assert.equal(served + away, 600);
    assert.ok(served >= 64 && away > 0, `${served} served, ${away} sent away`);
    assert.deepEqual(new Set(shed), new Set(['queue']));
  });
});

function gateOf(reason: ShedReason): LoadGate {
  return { admittedShare: 0.02, admit: (priority) => (priority === 'vital' ? null : reason) };
}
