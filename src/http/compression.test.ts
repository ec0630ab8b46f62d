/** What callers accept, and what they get: whole answers in fewer bytes, and streams untouched. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { DEFAULT_PROJECT_ID } from '#contract/stores';
import { agentOf } from '../../tests/conformance/records.ts';
import { startHttpHub } from '../../tests/helpers/http-hub.ts';
import { noAgents } from '../../tests/helpers/stores-away.ts';
import { acceptedEncoding, Compressor, Precompressed } from './compression.ts';

const DECODERS = { zstd: zstdDecompressSync, br: brotliDecompressSync, gzip: gunzipSync } as const;

interface Got {
  readonly response: IncomingMessage;
  readonly bytes: Buffer;
}

/** `fetch` would decode by itself. */
function ask(url: string, headers: Record<string, string>, body?: string, method?: string): Promise<Got> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: method ?? (body === undefined ? 'GET' : 'POST'), headers }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve({ response, bytes: Buffer.concat(parts) }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('what a caller accepts', () => {
  const cases: readonly [string | undefined, string | null][] = [
    [undefined, null],
    ['', null],
    ['identity', null],
    ['deflate', null],
    ['gzip', 'gzip'],
    ['GZIP', 'gzip'],
    ['gzip, deflate, br', 'br'],
    ['gzip, deflate, br, zstd', 'zstd'],
    ['gzip;q=1.0, br;q=0.5', 'gzip'],
    ['br;q=0, gzip', 'gzip'],
    ['*', 'zstd'],
    ['*;q=0', null],
    ['gzip, *;q=0', 'gzip'],
    ['identity, gzip;q=0.5', null],
    ['gzip;q=nonsense', 'gzip'],
    [', ,;;q=,', null],
  ];
  for (const [header, encoding] of cases)
    it(`"${header}" is ${encoding ?? 'nothing of ours'}`, () => assert.equal(acceptedEncoding(header), encoding));
});

describe('a whole answer', () => {
  for (const encoding of ['zstd', 'br', 'gzip'] as const)
    it(`comes as ${encoding} where that is accepted, with its own length, and is the same bytes`, async (t) => {
      const hub = await startHttpHub(t, { keyless: true });
      for (const path of [
        '/openapi.json',
        '/assets/status.css',
        '/assets/swagger-ui-bundle.js',
        '/v1/chat/completions',
      ]) {
        const isChat = path.startsWith('/v1');
        const content = 'word '.repeat(1_000);
        const body = isChat ? JSON.stringify({ model: 'fast', messages: [{ role: 'user', content }] }) : undefined;
        const plain = await ask(hub.url + path, { 'content-type': 'application/json' }, body);
        const coded = await ask(
          hub.url + path,
          { 'content-type': 'application/json', 'accept-encoding': encoding },
          body,
        );
        assert.equal(plain.response.headers['content-encoding'], undefined);
        if (isChat) {
          assert.equal(coded.response.headers['content-encoding'], undefined, 'a short answer is sent as it is');
          continue;
        }
        assert.equal(coded.response.headers['content-encoding'], encoding);
        assert.equal(coded.response.headers['content-length'], String(coded.bytes.length));
        assert.ok(coded.bytes.length < plain.bytes.length / 2);
        assert.deepEqual(DECODERS[encoding](coded.bytes), plain.bytes);
        for (const { response } of [plain, coded]) assert.match(response.headers.vary ?? '', /\baccept-encoding\b/);
        const head = await ask(hub.url + path, { 'accept-encoding': encoding }, undefined, 'HEAD');
        assert.equal(head.response.headers['content-length'], coded.response.headers['content-length']);
        assert.equal(head.bytes.length, 0);
      }
    });

  it('keeps its validator whatever its encoding, and is 304 for it', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const url = `${hub.url}/assets/status.css`;
    const [plain, coded] = [await ask(url, {}), await ask(url, { 'accept-encoding': 'br' })];
    const { etag } = coded.response.headers;
    assert.match(etag ?? '', /^W\/"/);
    assert.equal(plain.response.headers.etag, etag);
    for (const method of ['GET', 'HEAD']) {
      const known = { 'accept-encoding': 'br', 'if-none-match': etag ?? '' };
      const { response, bytes } = await ask(url, known, undefined, method);
      assert.deepEqual([response.statusCode, bytes.length, response.headers.etag], [304, 0, etag]);
      assert.equal(response.headers['content-encoding'], undefined);
      assert.equal(response.headers.vary, plain.response.headers.vary, 'as its 200 has it');
    }
  });

  it('is sent as it is where its ETag names its bytes', async (t) => {
    const agent = agentOf(DEFAULT_PROJECT_ID, { instructions: 'word '.repeat(1_000) });
    const agentStore = { ...noAgents, find: async () => agent };
    const hub = await startHttpHub(t, { deps: { agentStore } });
    const headers = { authorization: `Bearer ${hub.keys.admin}`, 'accept-encoding': 'gzip' };
    const { response, bytes } = await ask(`${hub.url}/api/agents/${agent.id}`, headers);
    assert.ok(bytes.length > 4_000);
    const { etag, 'content-encoding': encoding, vary } = response.headers;
    assert.deepEqual([etag, encoding, vary], [`"${agent.version}"`, undefined, undefined]);
  });

  it('is sent as it is where compression is off', async (t) => {
    const hub = await startHttpHub(t, { keyless: true, settings: { compressBytesMin: 0 } });
    const { response } = await ask(`${hub.url}/openapi.json`, { 'accept-encoding': 'gzip' });
    assert.deepEqual([response.headers['content-encoding'], response.headers.vary], [undefined, undefined]);
  });

  it('names the origin in Vary too, where origins are listed', async (t) => {
    const hub = await startHttpHub(t, { keyless: true, settings: { corsOrigins: ['https://app.example'] } });
    const { response } = await ask(`${hub.url}/openapi.json`, { 'accept-encoding': 'gzip' });
    assert.equal(response.headers.vary, 'origin, accept-encoding');
  });
});

describe('a stream', () => {
  it('is never compressed', async (t) => {
    const hub = await startHttpHub(t, { keyless: true, settings: { compressBytesMin: 1 } });
    const { response, bytes } = await ask(
      `${hub.url}/v1/chat/completions`,
      { 'content-type': 'application/json', 'accept-encoding': 'zstd, br, gzip' },
      JSON.stringify({ model: 'fast', messages: [{ role: 'user', content: 'Hello?' }], stream: true }),
    );
    assert.equal(response.headers['content-encoding'], undefined);
    assert.match(bytes.toString(), /data: \[DONE\]/);
  });
});

describe('the compressor', () => {
  it('leaves what no text is, and what is smaller than its bound', () => {
    const compressor = new Compressor(10);
    for (const [type, concerned] of [
      ['application/json', true],
      ['application/problem+json', true],
      ['text/html; charset=utf-8', true],
      ['text/event-stream', false],
      ['image/png', false],
      ['application/octet-stream', false],
    ] as const)
      assert.equal(compressor.concerns(type, 'x'.repeat(10)), concerned, type);
    assert.equal(compressor.concerns('application/json', 'x'.repeat(9)), false);
  });

  it('lets answers go as they are while all its places are taken', async () => {
    const compressor = new Compressor(1);
    const made = await Promise.all(
      Array.from({ length: 20 }, async () => compressor.encode('gzip', 'x'.repeat(100_000))),
    );
    assert.deepEqual(
      [made.filter((each) => each !== null).length, made.filter((each) => each === null).length],
      [8, 12],
    );
    assert.notEqual(await compressor.encode('gzip', 'x'), null, 'the places are given back');
  });

  it('compresses what is kept once in each encoding, for all who ask at the same time and later', async () => {
    const compressor = new Compressor(1);
    const body = 'x'.repeat(100_000);
    const together = await Promise.all(Array.from({ length: 20 }, async () => compressor.encode('gzip', body, 'one')));
    const [first = assert.fail()] = new Set(together);
    assert.deepEqual(new Set(together), new Set([first]));
    assert.equal(gunzipSync(first?.bytes ?? assert.fail()).toString(), body);
    assert.equal(compressor.encode('gzip', body, 'one'), first, 'nothing is waited for');
    const others = [await compressor.encode('br', body, 'one'), await compressor.encode('gzip', `${body}!`, 'other')];
    assert.deepEqual(
      [
        brotliDecompressSync(others[0]?.bytes ?? assert.fail()).toString(),
        gunzipSync(others[1]?.bytes ?? assert.fail()).toString(),
      ],
      [body, `${body}!`],
    );
  });

  it('keeps no more than its bound of what it made, the longest unused least', async () => {
    const compressor = new Compressor(1, 10_000);
    const noise = (seed: number): string =>
      Array.from({ length: 500 }, (_, index) => hash('sha256', `${seed} ${index}`).slice(0, 12)).join('');
    const made = (seed: number) => compressor.encode('gzip', noise(seed), String(seed));
    const [first, second] = [await made(1), await made(2)];
    assert.equal(made(1), first);
    await made(3);
    assert.equal(made(1), first);
    assert.notEqual(await made(2), second, 'it was given up, and is made anew');
  });

  it('compresses what is sent often once in each encoding', async () => {
    const bytes = new Precompressed(Buffer.from('x'.repeat(10_000)));
    assert.equal(bytes.in('br'), bytes.in('br'));
    assert.notEqual(await bytes.in('br'), await bytes.in('gzip'));
  });
});
