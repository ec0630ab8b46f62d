/** What the balancer of a stack follows of its hubs, and how long it may take to end. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { requireTool } from '../../../tests/helpers/tools.ts';
import { Layout } from '../layout.ts';
import { nginxPart } from './nginx.ts';

describe('the balancer of a stack', () => {
  it("is made, and ended, by its hubs' bounds", (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const hubBounds = {
      bodyBytesMax: 64_000_000,
      headerBytesMax: 65_536,
      requestsInFlightMax: 2_048,
      readTimeoutS: 7_260,
      shutdownTimeoutS: 630,
    };
    const part = nginxPart(
      new Layout({ folder, hubs: 2, portOffset: 0, monitoring: false, hubBounds }),
      requireTool('nginx'),
    );
    part.prepare?.();
    const text = readFileSync(path.join(folder, 'nginx', 'nginx.conf'), 'utf8');
    for (const line of [
      'client_max_body_size 64000000;',
      'large_client_header_buffers 4 65536;',
      'max_conns=2048;',
      'proxy_read_timeout 7260s;',
      'worker_shutdown_timeout 7260s;',
    ])
      assert.ok(text.includes(line), line);
    assert.equal(part.stopMs, 630_000);
  });
});
