/** What an external API answers, over real sockets: what of it a caller sees, and what never. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gate } from '../helpers/upstream.ts';
import { answers, problemOf, startExternalHub, startRawTarget, startTarget } from './external-bench.ts';

const SECRET = 'ghp_of-the-hub-0123456789';

describe('what an external API answers', () => {
  it('never shows the hub’s credentials to the caller, in whatever part of an answer the API repeats them', async (t) => {
    const target = await startTarget(t);
    const password = 'pass-of-the-hub';
    const basic = Buffer.from(`me:${password}`).toString('base64');
    const credentials: readonly (readonly [Record<string, unknown>, readonly string[]])[] = [
      [{ bearer: SECRET }, [SECRET]],
      [{ basic: { username: 'me', password } }, [password, basic]],
      [{ headers: { 'X-Key': `Token ${SECRET}` } }, [SECRET]],
    ];
    for (const [given, secrets] of credentials) {
      const hub = await startExternalHub(t, target, { credentials: given, retry: { retries: 0 } });
      for (const status of [200, 302, 400, 401, 403, 404, 429, 500]) {
        target.script(({ response, headers }) => {
          const sent = [headers.authorization, headers['x-key'], ...secrets].join(' ');
          response.writeHead(status, { etag: `"${sent}"`, location: `/x?${sent}`, 'x-ratelimit-a': sent });
          // One byte at a time, so that no part holds a whole secret.
          for (const byte of Buffer.from(`{"sent":"${sent}"}`)) response.write(Buffer.of(byte));
          response.end();
        });
        const response = await hub.call('/x');
        const seen = JSON.stringify([...response.headers]) + (await response.text());
        for (const secret of secrets) assert.ok(!seen.includes(secret), `${status} shows ${secret}: ${seen}`);
        if (status < 429) assert.match(seen, /"sent":"[^"]*\*{8}/);
        hub.breakers.get('external:api').reset();
      }
      assert.ok(!hub.log.join('\n').includes(SECRET), 'nor does the log');
    }
  });

  it('passes with its status, its body and the headers on the list; the hub’s own say how it may be shown', async (t) => {
    const target = await startTarget(t);
    const hub = await startExternalHub(t, target, { responseHeaders: ['x-request-cost'] });
    const headers = {
      'content-type': 'text/html',
      etag: '"1"',
      'x-ratelimit-remaining': '7',
      'ratelimit-policy': '10;w=1',
      'x-request-cost': '3',
      'set-cookie': ['a=b', 'c=d'],
      server: 'target',
      'cache-control': 'public, max-age=9',
      'content-security-policy': "default-src '*'",
      'access-control-allow-origin': '*',
      'x-frame-options': 'ALLOWALL',
      'x-revoagent-external': 'evil',
      'x-request-id': 'evil',
      'www-authenticate': 'Basic',
      'proxy-authenticate': 'Basic',
      'keep-alive': 'timeout=1',
      'strict-transport-security': 'max-age=1',
    };
    for (const status of [200, 201, 400, 401, 403, 404, 409, 418, 422]) {
      target.script(answers(status, `<p>${status}</p>`, headers));
      const response = await hub.call('/x');
      assert.deepEqual([response.status, await response.text()], [status, `<p>${status}</p>`]);
      const seen = Object.fromEntries(response.headers);
      for (const name of [
        'content-type',
        'etag',
        'x-ratelimit-remaining',
        'ratelimit-policy',
        'x-request-cost',
      ] as const)
        assert.equal(seen[name], headers[name], name);
      for (const name of [
        'set-cookie',
        'server',
        'access-control-allow-origin',
        'www-authenticate',
        'proxy-authenticate',
      ])
        assert.equal(seen[name], undefined, name);
      assert.equal(seen['cache-control'], 'no-store');
      assert.match(seen['content-security-policy'] ?? '', /^sandbox; default-src 'none'/);
      assert.equal(seen['x-frame-options'], 'DENY');
      assert.notEqual(seen['x-request-id'], 'evil');
      assert.deepEqual(
        [seen['x-revoagent-external'], seen['x-revoagent-attempts'], seen['x-revoagent-breaker']],
        ['api', '1', 'closed'],
      );
    }
  });

  it('passes with the bytes of its headers as they came, kept or not', async (t) => {
    const [name, inLatin1] = [Buffer.from('Grüße ✓').toString('latin1'), 'caf\xe9'];
    const head = [
      'HTTP/1.1 200 OK',
      `content-disposition: attachment; filename="${name}"`,
      `x-named: ${inLatin1}`,
      `location: /${name.slice(0, 6)}`,
      'content-type: text/plain',
      'transfer-encoding: chunked',
    ];
    const answer = `${head.join('\r\n')}\r\n\r\n2\r\nok\r\n0\r\n\r\n`;
    const target = await startRawTarget(t, Buffer.from(answer, 'latin1'));
    for (const cache of [{}, { cache: {} }]) {
      const hub = await startExternalHub(t, target, { ...cache, responseHeaders: ['x-named'] });
      for (const call of ['first', 'second']) {
        const seen = await hub.ask('/api/external/api/x');
        assert.ok(seen.includes(`filename="${name}"\r\n`), `${call}: ${seen}`);
        assert.ok(seen.includes(`x-named: ${inLatin1}\r\n`), call);
        assert.match(seen, /location: \/api\/external\/api\/Gr%C3%BC%C3%9F\r\n/);
        assert.match(seen, /\bok\b/);
      }
    }
  });

  it('may say a thing in several lines, and is heard in each', async (t) => {
    const target = await startTarget(t);
    const hub = await startExternalHub(t, target, { cache: {}, responseHeaders: ['vary'] });
    for (const [headers, kept] of [
      [{ vary: ['accept', 'accept-language'], 'cache-control': ['public', 'max-age=60'] }, true],
      [{ vary: ['accept', '*'] }, false],
      [{ 'cache-control': ['max-age=60', 'no-store'] }, false],
      [{ expires: ['0', '0'] }, false],
    ] as const) {
      const name = JSON.stringify(headers);
      target.otherwise = ({ response }) => {
        for (const [header, values] of Object.entries(headers)) response.setHeader(header, values);
        response.end('ok');
      };
      const path = `/${encodeURIComponent(name)}`;
      for (const call of ['first', 'second']) {
        const answer = await hub.call(path);
        assert.deepEqual([answer.status, await answer.text()], [200, 'ok'], `${call} ${name}`);
        assert.equal(answer.headers.get('vary'), 'vary' in headers ? headers.vary.join(', ') : null);
        if (call === 'second') assert.equal(answer.headers.get('x-revoagent-cache') === 'hit', kept, name);
      }
    }
    target.otherwise = answers(302, '', { location: ['/a', '/b'] });
    assert.equal((await hub.call('/moved')).headers.get('location'), '/api/external/api/a');
  });

  it('passes event by event, also where answers are kept', async (t) => {
    const target = await startTarget(t);
    const hub = await startExternalHub(t, target, { cache: {} });
    const { opened: heard, open } = gate();
    target.otherwise = ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' }).write('data: 1\n\n');
      void heard.then(() => response.end('data: 2\n\n'));
    };
    const { body } = await hub.call('/events');
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
    assert.equal((await reader?.read())?.value, 'data: 1\n\n');
    open();
    assert.equal((await reader?.read())?.value, 'data: 2\n\n');
    assert.equal((await reader?.read())?.done, true);
  });

  it('is refused where it is no plain HTTP answer: split, malformed, or compressed unasked', async (t) => {
    const bad = [
      'HTTP/1.1 200 OK\r\netag: a\rset-cookie: x=y\r\ncontent-length: 2\r\n\r\nok',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nok',
      'SSH-2.0-OpenSSH_9.9\r\n',
    ];
    for (const answer of bad) {
      const hub = await startExternalHub(t, await startRawTarget(t, answer), { retry: { retries: 0 } });
      const { status, code } = await problemOf(await hub.call('/x'));
      assert.equal(status, 502, answer);
      assert.match(code, /^upstream_/);
    }
  });
});
