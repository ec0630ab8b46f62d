/** What goes into the balancer's configuration, for which version, and what is refused before NGINX would see it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nginxConfig } from './config.ts';
import type { NginxOptions } from './options.ts';
import { defaults, parseVersion } from './options.ts';

const options: NginxOptions = {
  ...defaults,
  instances: [
    { name: 'hub-1', address: '127.0.0.1:12001' },
    { name: 'hub-2', address: '[::1]:12002' },
  ],
  listen: '127.0.0.1:8080',
  statusListen: '127.0.0.1:8081',
  version: parseVersion('nginx version: nginx/1.22.1'),
  folder: '/var/lib/nginx-of-hub',
};
const tls = { listen: '0.0.0.0:443', certificate: '/etc/c.pem', key: '/etc/k.pem' };

describe("NGINX's configuration", () => {
  it('speaks the language of the version it is for', () => {
    const at = (version: string): string => nginxConfig({ ...options, tls, version: parseVersion(version) });
    assert.match(at('1.22.1'), /listen 0\.0\.0\.0:443 ssl http2;/);
    assert.match(at('1.25.1'), /listen 0\.0\.0\.0:443 ssl;\s+http2 on;/);
    assert.doesNotMatch(at('1.27.3'), /keepalive_min_timeout/);
    assert.match(at('1.27.4'), /keepalive_min_timeout/);
    assert.match(at('2.0.0'), /http2 on;/);
  });

  it('holds each instance in every pool: its own first in its own', () => {
    const text = nginxConfig(options);
    for (const { name, address } of options.instances) {
      assert.ok(text.includes(`"${name}" "hub_${name}";`));
      assert.ok(text.includes(`server ${address} max_fails=3 fail_timeout=10s;`));
      assert.ok(text.includes(`server ${address} backup max_fails=0;`));
    }
    assert.match(text, /upstream hub_hub-2 \{\s+zone hub_hub-2 64k;\s+server \[::1\]:12002 max_fails=0;/);
  });

  const bad: readonly [string, Partial<NginxOptions>, RegExp][] = [
    ['no instance', { instances: [] }, /1 to 64 instances, and there are 0/],
    ['a name that would end a statement', { instances: [{ name: 'a;b', address: 'h:1' }] }, /instance name "a;b"/],
    ['an address that would', { instances: [{ name: 'a', address: 'h:1; x' }] }, /"h:1; x" is no host:port/],
    ['a port beyond all ports', { listen: 'h:65536' }, /"h:65536" is no host:port/],
    ['two of one name', { instances: [...options.instances, { name: 'hub-1', address: 'h:1' }] }, /named "hub-1"/],
    [
      'two at one address',
      { instances: [...options.instances, { name: 'x', address: '127.0.0.1:12001' }] },
      /two instances are at/,
    ],
    ['one door for two', { statusListen: options.listen }, /cannot be listened on twice/],
    ['a path with a quote', { folder: '/a"b' }, /holds characters/],
    ['a limit that is none', { requestsPerSecond: 0 }, /requestsPerSecond/],
    ['a limit that is no number', { connectionsMax: NaN }, /connectionsMax/],
  ];
  for (const [name, change, message] of bad)
    it(`is refused with ${name}`, () => assert.throws(() => nginxConfig({ ...options, ...change }), message));

  it('names every problem at once', () => {
    assert.throws(() => nginxConfig({ ...options, instances: [], listen: 'x', folder: '' }), /instances[^]*"x"[^]*""/);
  });

  it('is not made for what is no version', () => {
    assert.throws(() => parseVersion('unknown'), /"unknown" is no version of nginx/);
  });
});
