/** Callers that would choose where an external API is, smuggle requests, or say who they are; each seen from both sides, over real sockets. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answers, problemOf, startExternalHub, startRawTarget, startTarget, statusOf } from './external-bench.ts';

const API = '/api/external/api';
const SECRET = 'ghp_of-the-hub-0123456789';

describe('the target of an external API', () => {
  it('cannot be chosen by any form of a request target: what is not plainly a path of the API is refused', async (t) => {
    const [target, evil] = [await startTarget(t), await startTarget(t)];
    const hub = await startExternalHub(t, target);
    const host = `127.0.0.1:${evil.port}`;
    const refused: readonly [string, ...number[]][] = [
      [`http://${host}/x`, 404],
      [`http://${host}${API}/x`, 400],
      [`http://hub${API}/x`, 400],
      [`//${host}/`, 404],
      [`//${host}${API}/x`, 404],
      [`${API}//${host}/`, 400],
      [`${API}/..`, 400],
      [`${API}/../../${host}`, 400],
      [`${API}/./x`, 400],
      [`${API}/%2e%2e/x`, 400],
      [`${API}/%2E%2E%2fx`, 400],
      [`${API}/.%2e/x`, 400],
      [`${API}/..;/x`, 400],
      [`${API}/..%3b/x`, 400],
      [`${API}/a%2fb`, 400],
      [`${API}/%2f%2f${host}/`, 400],
      [`${API}/\\${host}\\`, 400],
      [`${API}/%5c%5c${host}`, 400],
      [`${API}/%252e%252e/x`, 400],
      [`${API}/%252fx`, 400],
      [`${API}/%25%32%65%25%32%65/x`, 400],
      [`${API}/%c0%ae%c0%ae/x`, 400],
      [`${API}/%00`, 400],
      [`${API}/x%0d%0ahost:%20${host}`, 400],
      [`${API}/x%0ax`, 400],
      [`${API}/\u0000x`, 400],
      [`${API}/x\u00e9`, 400],
      [`${API}/x#y`, 400],
      [`${API}@${host}/x`, 404],
      [`/api/external/user:pass@${host}/x`, 404],
      ['/api/external/%61pi/x', 400],
      ['/api/external/API/x', 404],
      ['/api/external/api%2f..%2fother/x', 400, 404],
      ['/api/external//x', 400, 404],
    ];
    for (const [path, ...statuses] of refused) {
      const answer = await hub.ask(path);
      assert.ok(statuses.includes(statusOf(answer)), `${JSON.stringify(path)}: ${answer.split('\r\n', 1)[0]}`);
      assert.doesNotMatch(answer, /x-revoagent-external/);
    }
    assert.deepEqual([target.connections, evil.connections], [0, 0]);
    assert.doesNotMatch(await hub.ask(host, [], 'CONNECT'), /^HTTP\/1\.1 2/);
    // A line end in a raw path ends the path: what follows is a header, and a header chooses nothing either.
    await hub.ask(`${API}/x\r\nhost: ${host}`);
    await hub.ask(`${API}/x HTTP/1.1\r\nhost: ${host}\r\nx-forwarded-host: ${host}`);
    const seen = target.received.map(({ url, headers }) => [url, headers.host, headers['x-forwarded-host']]);
    for (const each of seen) assert.deepEqual(each, ['/x', `127.0.0.1:${target.port}`, undefined]);
    assert.equal(evil.connections, 0);
  });

  it('gets a path and query as the caller wrote them, below the configured path, under its own name', async (t) => {
    const target = await startTarget(t);
    const hub = await startExternalHub(t, target, { baseUrl: `http://127.0.0.1:${target.port}/base/` });
    const paths = [
      '/',
      '/@scope/pkg',
      '/user:pass@evil.example/x',
      '/a%20b/%C3%A9/100%25/',
      '/x?url=//evil.example/..&y=%0d%0a%2f&z=http://a@b',
      '/x?',
    ];
    for (const path of paths) assert.equal(statusOf(await hub.ask(`${API}${path}`)), 200, path);
    assert.deepEqual(
      target.received.map(({ url, headers }) => [url, headers.host]),
      paths.map((path) => [`/base${path}`, `127.0.0.1:${target.port}`]),
    );
  });

  it('is asked only by the methods and for the paths of the configuration, and by keys that may', async (t) => {
    const target = await startTarget(t);
    const hub = await startExternalHub(t, target, { methods: ['GET', 'POST'], paths: ['/repos/*/issues'] });
    for (const method of ['PUT', 'PATCH', 'DELETE']) {
      const answer = await hub.ask(`${API}/repos/a/issues`, [], method);
      assert.equal(statusOf(answer), 405, method);
      assert.match(answer, /\r\nallow: GET, HEAD, POST\r\n/i);
    }
    for (const method of ['TRACE', 'OPTIONS', 'PROPFIND'])
      assert.ok([400, 404, 405].includes(statusOf(await hub.ask(`${API}/repos/a/issues`, [], method))), method);
    for (const path of [
      '/',
      '/repos/a',
      '/repos/a/b/issues',
      '/REPOS/a/issues',
      '/repos/a/issues/',
      '/%72epos/a/issues',
    ])
      assert.equal(statusOf(await hub.ask(`${API}${path}`)), 404, path);
    const stranger = await fetch(`${hub.url}${API}/repos/a/issues`, {
      headers: { authorization: `Bearer ${hub.keys.chat}` },
    });
    assert.equal((await problemOf(stranger)).code, 'forbidden');
    assert.equal(target.connections, 0);
    assert.equal(statusOf(await hub.ask(`${API}/repos/a/issues`)), 200);
    assert.match(await hub.ask(`${API}/repos/a/issues`, [], 'HEAD'), /^HTTP\/1\.1 200 [^]*\r\n\r\n$/);
    assert.deepEqual(
      target.received.map(({ method }) => method),
      ['GET', 'HEAD'],
    );
  });

  it('is not reached where its name resolves to a private address, unless the configuration says that it may', async (t) => {
    const target = await startTarget(t);
    const baseUrl = `http://localhost:${target.port}`;
    const hub = await startExternalHub(t, target, { baseUrl, retry: { retries: 0 } });
    const problem = await problemOf(await hub.call('/x'));
    assert.deepEqual([problem.status, problem.code], [502, 'upstream_unreachable']);
    assert.doesNotMatch(problem.detail, /localhost|127\.0\.0\.1|::1/);
    assert.match(hub.log.join('\n'), /PRIVATE_ADDRESS/);
    assert.equal(target.connections, 0);
    const trusted = await startExternalHub(t, target, { baseUrl, allowPrivate: true });
    assert.equal((await trusted.call('/x')).status, 200);
    assert.equal(target.connections, 1);
  });

  it('cannot lead the hub anywhere: redirects pass unfollowed, and show no place but one inside the API', async (t) => {
    const [target, evil] = [await startTarget(t), await startTarget(t)];
    const base = `http://127.0.0.1:${target.port}`;
    const hub = await startExternalHub(t, target, { baseUrl: `${base}/base` });
    const places: readonly [string, string | null][] = [
      [`http://127.0.0.1:${evil.port}/base/x`, null],
      [`//127.0.0.1:${evil.port}/x`, null],
      ['https://169.254.169.254/latest/meta-data/', null],
      [`http://user@127.0.0.1:${target.port}.evil.example/base/x`, null],
      ['javascript:alert(1)', null],
      ['/elsewhere', null],
      ['../elsewhere', null],
      [`${base}/basement`, null],
      [`${base}/base/moved?page=2#top`, `${API}/moved?page=2`],
      ['/base/a/../moved', `${API}/moved`],
      ['moved', `${API}/moved`],
    ];
    for (const [place, shown] of places) {
      target.script(answers(302, 'moved', { location: place }));
      const response = await hub.call('/x');
      assert.deepEqual(
        [response.status, response.headers.get('location'), await response.text()],
        [302, shown, 'moved'],
      );
    }
    assert.equal(evil.connections, 0);
    assert.equal(target.received.length, places.length, 'asked once each');
    target.script(
      answers(200, '', { link: `<${base}/base/x?page=2>; rel="next", <https://evil.example/>; rel="help"` }),
    );
    const { headers } = await hub.call('/x');
    assert.equal(headers.get('link'), `<${API}/x?page=2>; rel="next", <https://evil.example/>; rel="help"`);
  });
});

describe('what a caller sends', () => {
  it('reaches an API only where it is on a list: nothing that says who calls, from where, or how', async (t) => {
    const target = await startTarget(t);
    const hub = await startExternalHub(t, target, {
      methods: ['POST'],
      credentials: { bearer: SECRET, headers: { 'X-Fixed': 'of-the-hub' } },
      requestHeaders: ['x-allowed', 'x-fixed', 'x-named'],
    });
    const headers = [
      'connection: if-none-match, X-NAMED',
      'content-length: 2',
      'content-type: application/json',
      'accept: application/vnd.api+json',
      'if-none-match: "named by connection"',
      'x-named: named by connection',
      'x-allowed: of the caller',
      'x-fixed: of the caller',
      'x-api-key: of the caller',
      'proxy-authorization: Basic Og==',
      'cookie: session=1',
      'forwarded: for=10.0.0.1;host=evil.example',
      'x-forwarded-for: 10.0.0.1',
      'x-forwarded-host: evil.example',
      'x-real-ip: 10.0.0.1',
      'x-http-method-override: DELETE',
      'x-original-url: /admin',
      'te: trailers',
      'trailer: x',
      'keep-alive: timeout=9',
      'accept-encoding: gzip',
      'range: bytes=0-1',
      'user-agent: evil',
      'tracestate: a=b',
    ];
    assert.equal(statusOf(await hub.ask(`${API}/x`, headers, 'POST', '{}')), 200);
    const [received] = target.received;
    const { traceparent, ...others } = received?.headers ?? {};
    assert.match(String(traceparent), /^00-/);
    assert.deepEqual(others, {
      host: `127.0.0.1:${target.port}`,
      connection: 'keep-alive',
      'content-length': '2',
      'content-type': 'application/json',
      accept: 'application/vnd.api+json',
      'x-allowed': 'of the caller',
      'x-fixed': 'of-the-hub',
      authorization: `Bearer ${SECRET}`,
      'accept-encoding': 'identity',
      'user-agent': 'revoagent',
    });
    assert.equal(received?.body, '{}');
    const all = JSON.stringify(target.received.map(({ url, headers: seen, body }) => [url, seen, body]));
    assert.ok(!all.includes(hub.keys.external), 'the key of the caller stays in the hub');
  });

  it('cannot smuggle: a request framed in two ways is refused, and a body is a body', async (t) => {
    const target = await startTarget(t);
    const hub = await startExternalHub(t, target, { methods: ['GET', 'POST'] });
    const second = 'GET /admin HTTP/1.1\r\nhost: x\r\n\r\n';
    const chunked = `0\r\n\r\n${second}`;
    const framings: readonly (readonly string[])[] = [
      ['content-length: 0', `content-length: ${second.length}`],
      ['content-length: 5, 6'],
      ['content-length: +5'],
      ['content-length: 0x5'],
      ['content-length: -1'],
      [`content-length: ${chunked.length}`, 'transfer-encoding: chunked'],
      ['transfer-encoding: chunked', 'transfer-encoding: identity'],
      ['transfer-encoding: xchunked'],
      ['transfer-encoding: gzip, chunked'],
      ['transfer-encoding: gzip', 'transfer-encoding: chunked'],
      ['transfer-encoding : chunked'],
      ['x: a', ' transfer-encoding: chunked'],
      ['accept: a\rtransfer-encoding: chunked'],
      ['accept: a\u0000b'],
      ['accept: a\nx-evil: b\n\nGET /admin'],
    ];
    for (const framing of framings) {
      const answer = await hub.ask(`${API}/x`, framing, 'POST', chunked);
      assert.ok(statusOf(answer) >= 400, `${JSON.stringify(framing)}: ${answer.split('\r\n', 1)[0]}`);
    }
    assert.deepEqual(target.received, []);
    assert.equal(statusOf(await hub.ask(`${API}/x`, [`content-length: ${second.length}`], 'POST', second)), 200);
    const size = second.length.toString(16);
    const parts = `${size}\r\n${second}\r\n0\r\n\r\n`;
    assert.equal(statusOf(await hub.ask(`${API}/x`, ['transfer-encoding: chunked'], 'POST', parts)), 200);
    assert.deepEqual(
      target.received.map(({ method, url, headers, body }) => [
        method,
        url,
        headers['content-length'],
        headers['transfer-encoding'],
        body,
      ]),
      [
        ['POST', '/x', String(second.length), undefined, second],
        ['POST', '/x', String(second.length), undefined, second],
      ],
    );
    assert.equal(statusOf(await hub.ask(`${API}/x`, ['content-length: 2'], 'GET', '{}')), 400, 'GET with a body');
    assert.equal(target.received.length, 2);
  });

  it('is refused beyond its bound, announced or not, before the API hears of it', async (t) => {
    const target = await startTarget(t);
    const hub = await startExternalHub(t, target, { methods: ['POST'], requestBytesMax: 10 });
    const over = ['content-length: 11'];
    assert.equal(statusOf(await hub.ask(`${API}/x`, over, 'POST', '01234567890')), 413);
    const parts = ['transfer-encoding: chunked'];
    assert.equal(statusOf(await hub.ask(`${API}/x`, parts, 'POST', '6\r\n012345\r\n5\r\n67890\r\n0\r\n\r\n')), 413);
    assert.equal(target.connections, 0);
    assert.equal(statusOf(await hub.ask(`${API}/x`, ['content-length: 10'], 'POST', '0123456789')), 200);
  });

  it('is no way out of HTTP: an upgrade is not asked for, and one that the API begins is refused', async (t) => {
    const target = await startTarget(t);
    const hub = await startExternalHub(t, target);
    const upgrade = [
      'connection: Upgrade',
      'upgrade: websocket',
      'sec-websocket-version: 13',
      'sec-websocket-key: eA==',
    ];
    assert.doesNotMatch(await hub.ask(`${API}/x`, upgrade), /^HTTP\/1\.1 101/);
    for (const { headers } of target.received) assert.equal(headers.upgrade ?? headers['sec-websocket-key'], undefined);
    const switching = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello';
    const other = await startExternalHub(t, await startRawTarget(t, switching), { retry: { retries: 0 } });
    assert.equal((await problemOf(await other.call('/x'))).status, 502);
  });
});
