/** What the balancer follows of its hubs' configuration. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { loadText } from '../../../tests/helpers/config-text.ts';
import type { HubBounds } from './hub-bounds.ts';
import { hubBounds } from './hub-bounds.ts';
import { defaults } from './options.ts';

/** Of hubs with this configuration. */
const boundsOf = (t: TestContext, config: Record<string, unknown>): HubBounds =>
  hubBounds(loadText(t, JSON.stringify(config)).config);

describe("a balancer's bounds", () => {
  it('are the defaults before hubs with their own defaults', (t) => {
    assert.deepEqual({ ...defaults, ...boundsOf(t, {}) }, defaults);
  });

  it('let a body pass that the hubs take, and a little more', (t) => {
    const bodyBytesMax = 64 * 1024 * 1024;
    assert.ok(boundsOf(t, { server: { bodyBytesMax } }).bodyBytesMax > bodyBytesMax);
  });

  it('let a header pass that the hubs take, and never one shorter than by default', (t) => {
    const longest = (headerBytesMax: number): number => boundsOf(t, { server: { headerBytesMax } }).headerBytesMax;
    assert.equal(longest(65_536), 65_536);
    assert.equal(longest(4_096), defaults.headerBytesMax);
  });

  it('grow with the requests that a hub may have at once, and never ask more of it than those', (t) => {
    const placesFor = (requestsInFlightMax: number): number =>
      boundsOf(t, { server: { requestsInFlightMax } }).requestsInFlightMax;
    assert.equal(placesFor(16_384), 4_096);
    assert.equal(placesFor(2_048), defaults.requestsInFlightMax);
    for (const few of [900, 100, 9]) {
      const places = placesFor(few);
      assert.ok(places > few / 2 && places + Math.ceil(places / 8) <= few, `${places} for ${few}`);
    }
    assert.equal(placesFor(1), 1);
  });

  const HOURS_2 = 7_200_000;
  const target = { provider: 'p', model: 'm', timeouts: { totalMs: HOURS_2 } };
  const long: readonly [string, Record<string, unknown>][] = [
    ['of all calls', { resilience: { timeouts: { totalMs: HOURS_2 } } }],
    ['of a route', { routes: { r: { groups: [[{ provider: 'p', model: 'm' }]], timeouts: { totalMs: HOURS_2 } } } }],
    ['of a deployment', { routes: { r: { groups: [[target]] } } }],
    ['of an external API', { external: { e: { baseUrl: 'https://api.example', deadlineMs: HOURS_2 } } }],
  ];
  for (const [name, config] of long)
    it(`wait for an answer as long as the deadline ${name}`, (t) => {
      const providers = { p: { kind: 'simulator' } };
      assert.ok(boundsOf(t, { providers, ...config }).readTimeoutS * 1_000 > HOURS_2);
    });

  it('give what is under way the time that the hubs give it', (t) => {
    assert.ok(boundsOf(t, { server: { shutdownGraceMs: 600_000 } }).shutdownTimeoutS > 600);
  });
});
