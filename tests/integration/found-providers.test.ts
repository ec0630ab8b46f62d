/** A hub started without a configuration where the environment names a server: the examples of the README work beside it. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { startHubProcess } from '../helpers/hub-process.ts';

it('simulator/chat answers beside a provider that was found, is marked, and takes no other name from it', async (t) => {
  const asked: string[] = [];
  const upstream = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const isList = request.url === '/v1/models';
    response.writeHead(isList ? 200 : 404, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify(isList ? { data: [{ id: 'qwen3' }] } : { error: { message: 'no such model', code: 'none' } }),
    );
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  t.after(() => upstream.close());
  const baseUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/v1`;
  const hub = await startHubProcess(t, { env: { OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: 'sk-none' } });
  assert.match(hub.output(), /"exampleModel":"openai\/qwen3"/);

  const post = (path: string, body: unknown): Promise<Response> =>
    fetch(hub.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const messages = [{ role: 'user', content: 'Hello' }];
  const chat = await post('/v1/chat/completions', { model: 'simulator/chat', messages });
  assert.equal(chat.status, 200, await chat.text());
  const own = await post('/api/chat', { model: 'simulator/chat', prompt: 'Hello' });
  assert.match(await own.text(), /"simulated":true/);
  assert.deepEqual(asked, ['GET /v1/models'], 'the simulator calls nobody');
  assert.equal((await post('/v1/chat/completions', { model: 'chat', messages })).status, 404);
  assert.equal(asked.at(-1), 'POST /v1/chat/completions');

  const list = await fetch(`${hub.url}/v1/models`);
  const { data }: { data: { id: string }[] } = JSON.parse(await list.text());
  assert.deepEqual(
    data.map(({ id }) => id),
    ['openai/qwen3', 'simulator/chat'],
  );
});
