/** Whether an Ollama is found: by one question to a real server, and never by waiting long for anything else. */
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { it } from 'node:test';
import { listen } from '../../tests/helpers/listen.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { findLocalOllama } from './local-ollama.ts';

const tags =
  (...names: string[]): RequestListener =>
  (_request, response) =>
    void response.end(JSON.stringify({ models: names.map((name) => ({ name })) }));

it('one that answers is found by one question, with a model that can be asked for', async (t) => {
  const { origin: baseUrl, asked } = await listen(t, tags('nomic-embed-text:latest', 'odd"name', 'llama3.2:1b'));
  assert.deepEqual(await findLocalOllama(baseUrl), { baseUrl, model: 'llama3.2:1b' });
  assert.deepEqual(asked, ['GET /api/tags']);
});

it('one without a model counts as none', async (t) => {
  const { origin: baseUrl } = await listen(t, tags());
  assert.equal(await findLocalOllama(baseUrl), undefined);
});

it('nobody at the port, and anything else at it, is none', async (t) => {
  const other = await listen(t, (_request, response) => void response.end('<html>'));
  const refusing = await listen(t, (_request, response) => void response.writeHead(401).end());
  const closing = await listen(t, (request) => void request.socket.destroy());
  for (const baseUrl of ['http://127.0.0.1:1', other.origin, refusing.origin, closing.origin])
    assert.equal(await findLocalOllama(baseUrl), undefined, baseUrl);
});

it('one that accepts and says nothing is given up within 300 ms, and let go', async (t) => {
  const clock = new VirtualClock();
  const arrived = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const { origin: baseUrl } = await listen(t, (request) => {
    request.socket.on('close', () => left.resolve());
    arrived.resolve();
  });
  const found = findLocalOllama(baseUrl, clock);
  await arrived.promise;
  await clock.advance(300);
  assert.equal(await found, undefined);
  await left.promise;
});
