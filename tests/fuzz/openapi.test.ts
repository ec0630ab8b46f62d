/**
 * Requests made from the hub's own OpenAPI document, many of them wrong, find no 5xx, no hang and no answer that is not documented; and
 * every operation succeeds at least once. One seed is fixed, one is new in every run and told. `npm run fuzz` is the long form.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { fuzz } from './fuzz.ts';
import { startFuzzedHub } from './hub.ts';

const REQUESTS = 400;

describe('the hub under requests that nobody would write', () => {
  for (const seed of [1, randomInt(1_000_000)]) {
    it(`gives a documented answer to each, and every operation succeeds (--seed ${seed})`, async () => {
      await using hub = await startFuzzedHub();
      const { findings, never, statuses } = await hub.fuzz({ seed, requests: REQUESTS });
      const told = findings.map(({ what, curl }) => `${what}\n    ${curl}`).join('\n');
      assert.equal(findings.length, 0, `seed ${seed}:\n${told}`);
      assert.deepEqual(never, [], 'operations that never succeeded');
      assert.ok((statuses['2xx'] ?? 0) > 20 && (statuses['4xx'] ?? 0) > 100, JSON.stringify(statuses));
      assert.deepEqual(hub.errors(), []);
      const health = await fetch(`${hub.url}/health/ready`);
      assert.equal(health.status, 200);
    });
  }
});

describe('the fuzzer', () => {
  const ok = { description: 'ok', content: { 'application/json': { schema: { type: 'object', required: ['id'] } } } };
  const document = {
    paths: Object.fromEntries(
      ['good', 'fails', 'hangs', 'undocumented', 'page', 'wrong', 'leaks', 'tells', 'never'].map((name) => [
        `/${name}`,
        { get: { operationId: name, parameters: [], responses: { 200: ok, default: { description: 'an error' } } } },
      ]),
    ),
  };
  const ANSWERS: Readonly<Record<string, (response: ServerResponse) => void>> = {
    '/good': (response) => json(response, 200, { id: 'a' }),
    '/fails': (response) => json(response, 500, { id: 'a' }),
    '/hangs': () => undefined,
    '/undocumented': (response) => json(response, 202, { id: 'a' }),
    '/page': (response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>a</p>'),
    '/wrong': (response) => json(response, 200, { other: 1 }),
    '/leaks': (response) => json(response, 200, { id: 'Error\n    at run (/srv/app/src/http/server.ts:1:2)' }),
    '/tells': (response) => json(response, 200, { id: 'the secret word' }),
    '/never': (response) => json(response, 404, {}),
  };

  function json(response: ServerResponse, status: number, body: unknown): void {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  it('finds each of the faults that were planted, and nothing where there is none', async (t) => {
    const server = createServer((request: IncomingMessage, response) =>
      (ANSWERS[new URL(request.url ?? '/', 'http://x').pathname] ?? ANSWERS['/never'])?.(response),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const options = {
      seed: 1,
      requests: 0,
      tries: 5,
      headers: {},
      deadlineMs: 300,
      secrets: ['secret word'],
      spared: [],
    };
    const { findings, never } = await fuzz({ url: `http://127.0.0.1:${port}`, document, ...options });
    const found = new Set(findings.map(({ what }) => what.replace(/:.*$/s, '')));
    assert.deepEqual([...found].toSorted(), ['fails', 'hangs', 'leaks', 'page', 'tells', 'undocumented', 'wrong']);
    assert.deepEqual(never.toSorted(), ['fails', 'hangs', 'never']);
    assert.match(findings[0]?.curl ?? '', /^curl --path-as-is -X GET .* 'http:/);
  });
});
