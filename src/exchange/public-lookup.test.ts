import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, LookupFunction } from 'node:net';
import { it } from 'node:test';
import { systemClock } from '#core/clock';
import { UpstreamFailure } from '#contract/provider';
import { createConnections } from './connections.ts';
import { PrivateAddressError, publicLookup } from './public-lookup.ts';

type Found = { readonly error: Error | null; readonly found: string | LookupAddress[] };

/** What a connection would be given, where the name resolves to these at the first time, those at the second, and so on. */
function resolver(...answers: readonly (readonly string[])[]): (all?: boolean) => Promise<Found> {
  const left = [...answers];
  const lookup = publicLookup((_hostname, callback) =>
    callback(
      null,
      (left.shift() ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    ),
  );
  return (all = true) =>
    new Promise((resolve) => lookup('api.example', { all }, (error, found) => resolve({ error, found })));
}

it('lets public addresses through, in either form that a connection asks for', async () => {
  const addresses = ['8.8.8.8', '2606:4700::1111'];
  assert.deepEqual(await resolver(addresses)(), {
    error: null,
    found: [
      { address: '8.8.8.8', family: 4 },
      { address: '2606:4700::1111', family: 6 },
    ],
  });
  assert.deepEqual(await resolver(addresses)(false), { error: null, found: '8.8.8.8' });
});

it('refuses every address that is not public', async () => {
  const inside = [
    '127.0.0.1',
    '0.0.0.0',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    'fe80::1',
    'fd00:ec2::254',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001:0:7f00:1::',
    'ff02::1',
  ];
  for (const address of inside)
    assert.ok((await resolver([address])()).error instanceof PrivateAddressError, `${address} was let through`);
  for (const address of ['172.32.0.1', '100.128.0.1', '9.255.255.255', '2001:4860:4860::8888'])
    assert.equal((await resolver([address])()).error, null, address);
});

it('refuses a name of which one address among public ones is private', async () => {
  const { error, found } = await resolver(['8.8.8.8', '10.0.0.1'])();
  assert.ok(error instanceof PrivateAddressError);
  assert.deepEqual(found, []);
});

it('looks at every resolution anew: a name that was public once may not turn private', async () => {
  const resolve = resolver(['8.8.8.8'], ['127.0.0.1']);
  assert.equal((await resolve()).error, null);
  assert.ok((await resolve()).error instanceof PrivateAddressError);
});

it('passes on that a name cannot be resolved', async () => {
  const gone = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
  const lookup = publicLookup((_hostname, callback) => callback(gone, []));
  const error = await new Promise((resolve) => lookup('gone.example', { all: true }, resolve));
  assert.equal(error, gone);
});

it('is what connections are made with: they go where it said, and nowhere where it refuses', async (t) => {
  let connections = 0;
  const server = createServer((_request, response) => response.end('reached'));
  server.on('connection', () => connections++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const inside = [{ address: '127.0.0.1', family: 4 }];
  const reach = async (lookup: LookupFunction): Promise<string> => {
    // No other resolver knows the name.
    const pool = createConnections(`http://api.invalid:${port}`, 1, systemClock, lookup);
    t.after(() => pool.close());
    const { signal } = new AbortController();
    const exchange = await pool.open({ method: 'GET', path: '/', headers: [], body: null, signal });
    return (await exchange.readAll(100)).toString();
  };
  await assert.rejects(
    reach(publicLookup((_hostname, callback) => callback(null, inside))),
    (error) =>
      error instanceof UpstreamFailure && error.kind === 'unreachable' && /PRIVATE_ADDRESS/.test(error.message),
  );
  assert.equal(connections, 0);
  assert.equal(
    await reach((_hostname, { all }, callback) =>
      all === true ? callback(null, inside) : callback(null, '127.0.0.1', 4),
    ),
    'reached',
  );
  assert.equal(connections, 1);
});
