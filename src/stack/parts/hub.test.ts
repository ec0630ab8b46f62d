/** How long a hub of a stack may take to end. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Layout } from '../layout.ts';
import { hubPart } from './hub.ts';

describe('a hub of a stack', () => {
  it('is not killed while its own grace for streams lasts', () => {
    const stopMs = (shutdownGraceMs?: number): number =>
      hubPart(new Layout({ folder: '/s', hubs: 2, portOffset: 0, monitoring: false, shutdownGraceMs }), 1).stopMs;
    assert.ok(stopMs(120_000) > 120_000);
    assert.ok(stopMs() > 30_000);
  });
});
